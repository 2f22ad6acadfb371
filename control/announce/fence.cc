// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/announce/fence.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <optional>

namespace sluice::announce {
namespace {

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> all;
  all.reserve(words.size() + 1);
  for (std::string& word : words) all.push_back(word.data());
  all.push_back(nullptr);
  return all;
}

// The child's own process group, default signals, and no descriptor of ours but stderr.
int spawn(pid_t& pid, std::vector<std::string> command, std::vector<std::string> environment) {
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t files;
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_init(&files);
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  const int error = posix_spawn(&pid, command[0].c_str(), &files, &attributes, pointers(command).data(),
                                pointers(environment).data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  return error;
}

std::string how_it_ended(int status, std::optional<std::chrono::milliseconds> late) {
  if (late) {
    std::string tenths = std::to_string(late->count() / 100);
    tenths.insert(tenths.size() - 1, tenths.size() == 1 ? "0." : ".");
    return "was killed after " + tenths + " s";
  }
  if (WIFSIGNALED(status)) return "was killed by signal " + std::to_string(WTERMSIG(status));
  return "ended with " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

struct Fence::Child {
  explicit Child(boost::asio::io_context& io) : end(io), limit(io) {}
  pid_t pid = -1;
  boost::asio::posix::stream_descriptor end;  // a pidfd: readable when the process is gone
  boost::asio::steady_timer limit;
  bool late = false;
  Done done;
};

Fence::~Fence() {
  for (const auto& child : running_) {
    ::kill(-child->pid, SIGKILL);
    ::waitpid(child->pid, nullptr, 0);
    child->pid = -1;
    boost::system::error_code ignored;  // nobody is left to be told
    child->end.close(ignored);          // its handler holds the child, and is not to find it ended
    child->limit.cancel(ignored);
  }
}

void Fence::run(const std::vector<std::string>& command, const Environment& environment, Done done) {
  const auto child = std::make_shared<Child>(io_);
  child->done = std::move(done);
  if (running_.size() < kMostAtOnce) return start(child, command, environment);
  boost::asio::post(io_, [child] {
    child->done(false, "was not started: " + std::to_string(kMostAtOnce) + " of them run already");
  });
}

void Fence::start(const std::shared_ptr<Child>& child, const std::vector<std::string>& command,
                  const Environment& environment) {
  std::vector<std::string> variables = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  for (const auto& [name, value] : environment) variables.push_back(name + '=' + value);
  int error = spawn(child->pid, command, std::move(variables));
  if (error == 0) {
    const auto fd = static_cast<int>(::syscall(SYS_pidfd_open, child->pid, 0));
    if (fd < 0) {
      error = errno;
      ::kill(-child->pid, SIGKILL);
      ::waitpid(child->pid, nullptr, 0);
    } else {
      fcntl(fd, F_SETFD, FD_CLOEXEC);
      child->end.assign(fd);
    }
  }
  if (error != 0) {
    return boost::asio::post(io_, [child, error] {
      child->done(false, std::string("could not be started: ") + std::strerror(error));
    });
  }
  running_.push_back(child);
  child->end.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                        [this, child](const boost::system::error_code& failed) {
                          if (!failed) ended(child);
                        });
  child->limit.expires_after(longest_);
  child->limit.async_wait([child](const boost::system::error_code& failed) {
    if (failed || child->pid < 0) return;
    child->late = true;
    ::kill(-child->pid, SIGKILL);
  });
}

void Fence::ended(const std::shared_ptr<Child>& child) {
  int status = 0;
  ::waitpid(child->pid, &status, 0);
  child->pid = -1;  // somebody else's from here on
  child->limit.cancel();
  std::erase(running_, child);
  child->done(!child->late && WIFEXITED(status) && WEXITSTATUS(status) == 0,
              how_it_ended(status, child->late ? std::optional(longest_) : std::nullopt));
}

}  // namespace sluice::announce
