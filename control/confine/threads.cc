// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/confine/threads.h"

#include <semaphore.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <set>

namespace sluice::confine {
namespace {

constexpr int kPatienceS = 10;  // a thread that does not run for so long is stuck

// The one that is under way. The handler's thread writes `result`, then posts `done`.
struct Order {
  Work work = nullptr;
  void* argument = nullptr;
  int result = 0;
  sem_t done{};
} order;

int call_number() {
  return SIGRTMAX - 1;
}

void obey(int) {
  const int before = errno;
  order.result = order.work(order.argument);
  sem_post(&order.done);
  errno = before;
}

std::string line_of(const std::string& file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(key)) return line.substr(key.size());
  return {};
}

std::vector<Thread> all_threads() {
  std::vector<Thread> threads;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    Thread thread;
    const std::string text = entry.path().filename();
    std::from_chars(text.data(), text.data() + text.size(), thread.id);
    std::getline(std::ifstream(entry.path() / "comm"), thread.name);
    threads.push_back(std::move(thread));
  }
  return threads;
}

bool blocks(const Thread& thread, int signal) {
  const std::string mask = line_of("/proc/self/task/" + std::to_string(thread.id) + "/status", "SigBlk:\t");
  return (std::strtoull(mask.c_str(), nullptr, 16) >> (signal - 1) & 1) != 0;
}

// "" when it is done, or the thread has ended.
std::string do_on(const Thread& thread) {
  if (blocks(thread, call_number())) return "it blocks all signals";
  if (syscall(SYS_tgkill, getpid(), thread.id, call_number()) != 0)
    return errno == ESRCH ? std::string() : std::strerror(errno);
  timespec until{};
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += kPatienceS;
  while (sem_timedwait(&order.done, &until) != 0) {
    if (errno != EINTR) return "it does not answer";
  }
  return order.result == 0 ? std::string() : std::strerror(order.result);
}

}  // namespace

std::vector<Failure> on_every_thread(Work work, const std::function<void*(const Thread&)>& argument_for) {
  struct sigaction ours {
  }, before{};
  ours.sa_handler = obey;
  // Not blocked while it is handled: who still returns from the last one is not taken for deaf.
  ours.sa_flags = SA_RESTART | SA_NODEFER;
  sigaction(call_number(), &ours, &before);
  sem_init(&order.done, 0, 0);
  order.work = work;

  std::vector<Failure> failures;
  const Thread self{static_cast<int>(syscall(SYS_gettid)), {}};
  Thread last = self;
  std::set<int> seen = {self.id};
  for (bool more = true; more;) {
    more = false;
    for (const Thread& thread : all_threads()) {
      if (thread.id == self.id) last = thread;
      if (!seen.insert(thread.id).second) continue;
      more = true;
      order.argument = argument_for(thread);
      std::string why = do_on(thread);
      const bool stuck = why == "it does not answer";
      if (!why.empty()) failures.push_back({thread, std::move(why)});
      if (stuck) return failures;  // its handler may still come: what it needs stays as it is
    }
  }
  sigaction(call_number(), &before, nullptr);
  sem_destroy(&order.done);
  if (const int error = work(argument_for(last))) failures.push_back({last, std::strerror(error)});
  return failures;
}

}  // namespace sluice::confine
