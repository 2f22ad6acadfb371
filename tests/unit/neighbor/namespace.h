// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Network namespaces for one test: its body runs in a child process that is alone in a new one, and
// everything made there (links, TAPs, a peer's namespace) vanishes with the processes. Needs root; without it
// the test fails, it is not skipped.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>

// Of gcc's library in a build that counts lines (scripts/test --coverage); not there in others.
extern "C" __attribute__((weak)) void __gcov_dump();

namespace sluice::neighbor::test {

// Runs `body` in a child with a fresh network namespace; its expectations print there and fail the test here.
inline void in_fresh_namespace(const std::function<void()>& body) {
  std::fflush(nullptr);
  const pid_t child = fork();
  ASSERT_GE(child, 0) << std::strerror(errno);
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(60);
    if (unshare(CLONE_NEWNET) != 0) {
      std::fprintf(stderr, "no new network namespace (%s): run this test as root\n", std::strerror(errno));
      _exit(2);
    }
    body();
    std::fflush(nullptr);
    if (__gcov_dump) __gcov_dump();  // what _exit leaves out
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "see above; wait status " << status;
}

// Runs a shell command; a failure of it is one of the test.
inline void run(const std::string& command) {
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

// Hands lines to `ip -batch`, which makes a few thousand changes in milliseconds. Refused lines are
// skipped; they fail the test unless `may_refuse`.
inline void run_batch(const std::string& lines, bool may_refuse = false) {
  FILE* ip = popen(may_refuse ? "ip -force -batch - 2>/dev/null" : "ip -batch -", "w");
  ASSERT_TRUE(ip);
  EXPECT_EQ(std::fwrite(lines.data(), 1, lines.size(), ip), lines.size());
  const int status = pclose(ip);
  if (!may_refuse) {
    EXPECT_EQ(status, 0) << "ip -batch";
  }
}

// A process that holds another network namespace open, as a host at the other end of a cable.
class Peer {
 public:
  Peer() {
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (unshare(CLONE_NEWNET) != 0 || write(ready[1], "", 1) != 1) _exit(1);
      for (;;) pause();
    }
    close(ready[1]);
    char byte;
    EXPECT_EQ(read(ready[0], &byte, 1), 1) << "the peer has no network namespace";
    close(ready[0]);
  }
  ~Peer() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // The shell command that runs another one in the peer's namespace.
  [[nodiscard]] std::string command(const std::string& what) const {
    return "nsenter --net=/proc/" + std::to_string(pid_) + "/ns/net " + what;
  }
  // Runs a shell command in the peer's namespace.
  void run(const std::string& what) const { test::run(command(what)); }
  // Lays a cable: `here` in our namespace, down, and `there` in the peer's, up.
  void connect(const std::string& here, const std::string& there) const {
    test::run("ip link add " + here + " type veth peer name " + there + " netns " + std::to_string(pid_));
    run("ip link set " + there + " up");
  }

 private:
  pid_t pid_ = -1;
};

// A TAP as sluiced makes one, with the test in the place of the dataplane.
class Tap {
 public:
  explicit Tap(const std::string& name) : fd_(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)) {
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    std::snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name.c_str());
    EXPECT_EQ(ioctl(fd_, TUNSETIFF, &request), 0) << std::strerror(errno);
  }
  ~Tap() { close(fd_); }
  Tap(const Tap&) = delete;
  Tap& operator=(const Tap&) = delete;

  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

}  // namespace sluice::neighbor::test
