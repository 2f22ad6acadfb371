// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/hooks.h"

#include <fcntl.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

extern char** environ;

namespace sluice::agent {
namespace {

using boost::system::error_code;

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  all.reserve(texts.size() + 1);
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

// Ours, less the names that the event sets.
std::vector<std::string> environment_with(const std::vector<std::string>& more) {
  std::vector<std::string> all = more;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (!text.starts_with("SLUICE_")) all.emplace_back(text);
  }
  return all;
}

// Not our descriptors, not our signal settings, nothing to read, and a process group of its own.
class SpawnSettings {
 public:
  SpawnSettings() {
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
    posix_spawnattr_init(&attributes);
    sigset_t signals;
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes, &signals);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnSettings() {
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  posix_spawn_file_actions_t files{};
  posix_spawnattr_t attributes{};
};

}  // namespace

Hooks::Hooks(boost::asio::io_context& io, std::vector<std::string> program, std::chrono::seconds timeout)
    : program_(std::move(program)), timeout_(timeout), exit_(io), timer_(io) {}

Hooks::~Hooks() {
  if (child_ != 0) kill(-child_, SIGKILL);
}

void Hooks::run(const std::string& event, std::vector<std::string> environment) {
  if (program_.empty()) return;
  if (waiting_.size() >= kMostWaiting) {
    spdlog::error("drain_hook is not run for {}: {} events wait already", event, waiting_.size());
    return;
  }
  waiting_.push_back({event, std::move(environment)});
  if (!busy()) next();
}

void Hooks::next() {
  while (!waiting_.empty()) {
    const Event event = std::move(waiting_.front());
    waiting_.pop_front();
    if (start(event)) return;
    spdlog::error("drain_hook {}: {}", program_[0], last_);
  }
  if (idle_) idle_();
}

bool Hooks::start(const Event& event) {
  std::vector<std::string> arguments = program_, environment = environment_with(event.environment);
  arguments.push_back(event.word);
  const SpawnSettings settings;
  pid_t child = 0;
  const int error = posix_spawn(&child, program_[0].c_str(), &settings.files, &settings.attributes,
                                pointers(arguments).data(), pointers(environment).data());
  if (error != 0) {
    last_ = std::string("cannot run: ") + std::strerror(error);
    return false;
  }
  const auto pidfd = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  if (pidfd < 0) {
    last_ = std::string("cannot watch it: ") + std::strerror(errno);
    kill(-child, SIGKILL);
    waitpid(child, nullptr, 0);
    return false;
  }
  child_ = child;
  killed_ = false;
  last_ = "running";
  exit_.assign(pidfd);
  exit_.async_wait(exit_.wait_read, [this](error_code failed) {
    if (!failed) ended();
  });
  timer_.expires_after(timeout_);
  timer_.async_wait([this](error_code cancelled) {
    if (cancelled || child_ == 0) return;
    killed_ = true;
    kill(-child_, SIGKILL);
  });
  return true;
}

void Hooks::ended() {
  siginfo_t info{};
  waitid(P_PIDFD, static_cast<id_t>(exit_.native_handle()), &info, WEXITED);
  if (killed_)
    last_ = "killed after " + std::to_string(timeout_.count()) + " s";
  else if (info.si_code == CLD_EXITED)
    last_ = info.si_status == 0 ? "done" : "exit code " + std::to_string(info.si_status);
  else
    last_ = "ended by signal " + std::to_string(info.si_status);
  if (last_ != "done") spdlog::error("drain_hook {}: {}", program_[0], last_);
  timer_.cancel();
  exit_.close();
  child_ = 0;
  next();
}

}  // namespace sluice::agent
