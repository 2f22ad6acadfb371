// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Work that every thread does once, wherever it is.
#include "control/confine/threads.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <latch>
#include <set>
#include <thread>

namespace sluice::confine {
namespace {

constexpr unsigned kThreads = 4;

// Threads that wait in poll(), until the end of the test.
class Sleepers {
 public:
  explicit Sleepers(bool deaf = false) {
    if (pipe(pipe_) != 0) std::abort();
    for (auto& thread : threads_) {
      thread = std::jthread([this, deaf] {
        if (deaf) {
          sigset_t all;
          sigfillset(&all);
          pthread_sigmask(SIG_BLOCK, &all, nullptr);
        }
        pthread_setname_np(pthread_self(), "sleeper");
        here_.count_down();
        pollfd end{pipe_[0], POLLHUP, 0};
        while (poll(&end, 1, -1) < 0 && errno == EINTR) {
        }
      });
    }
    here_.wait();
  }
  ~Sleepers() {
    close(pipe_[1]);
    for (auto& thread : threads_) thread.join();
    close(pipe_[0]);
  }

 private:
  int pipe_[2] = {};
  std::latch here_{kThreads};
  std::array<std::jthread, kThreads> threads_;
};

std::array<std::atomic<long>, 64> who;
std::atomic<unsigned> count;

int note(void*) {
  who[count.fetch_add(1)] = syscall(SYS_gettid);
  return 0;
}

std::set<long> noted() {
  return {who.begin(), who.begin() + count.load()};
}

unsigned failures_of_sleepers(const std::vector<Failure>& failures, const std::string& why) {
  unsigned all = 0;
  for (const Failure& failure : failures) all += failure.thread.name == "sleeper" && failure.why == why;
  return all;
}

TEST(EveryThread, DoesTheWorkOnce) {
  const Sleepers sleepers;
  count = 0;
  const auto failures = on_every_thread(note, [](const Thread&) { return nullptr; });
  EXPECT_EQ(failures_of_sleepers(failures, ""), 0u);
  EXPECT_GE(count, kThreads + 1);
  EXPECT_EQ(noted().size(), count);
  EXPECT_TRUE(noted().contains(syscall(SYS_gettid)));
}

TEST(EveryThread, GetsItsOwnArgument) {
  const Sleepers sleepers;
  unsigned for_sleepers = 0, for_others = 0;
  const auto add = [](void* number) { return ++*static_cast<unsigned*>(number), 0; };
  on_every_thread(add, [&](const Thread& t) { return t.name == "sleeper" ? &for_sleepers : &for_others; });
  EXPECT_EQ(for_sleepers, kThreads);
  EXPECT_GE(for_others, 1u);
}

TEST(EveryThread, ThatCannotIsNamed) {
  const Sleepers sleepers;
  const auto failures = on_every_thread([](void*) { return EPERM; }, [](const Thread&) { return nullptr; });
  EXPECT_EQ(failures_of_sleepers(failures, "Operation not permitted"), kThreads);
}

TEST(EveryThread, ThatBlocksAllSignalsIsNamed) {
  const Sleepers sleepers(true);
  const auto failures = on_every_thread(note, [](const Thread&) { return nullptr; });
  EXPECT_EQ(failures_of_sleepers(failures, "it blocks all signals"), kThreads);
}

}  // namespace
}  // namespace sluice::confine
