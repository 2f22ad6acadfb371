// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Who listens on a socket is told to stop, by the signal that a supervisor sends, and waited for.
#include "control/restart/take_over.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "tests/unit/restart/directory.h"

namespace sluice::restart {
namespace {

using std::chrono::milliseconds;

// A process that listens and waits for its end; it ignores SIGTERM when it is `stubborn`.
pid_t listen_apart(const std::string& path, bool stubborn) {
  int ready[2];
  EXPECT_EQ(::pipe(ready), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (stubborn) std::signal(SIGTERM, SIG_IGN);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const bool good = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                      ::listen(fd, 4) == 0 && ::write(ready[1], "x", 1) == 1;
    while (good) ::pause();
    ::_exit(1);
  }
  char byte = 0;
  EXPECT_EQ(::read(ready[0], &byte, 1), 1);
  ::close(ready[0]);
  ::close(ready[1]);
  return pid;
}

TEST(TakeOver, WhoListensIsToldToStopAndWaitedFor) {
  const test::TestDirectory directory;
  const pid_t pid = listen_apart(directory.file(), false);
  EXPECT_TRUE(ask_to_leave(directory.file()));
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, WNOHANG), pid) << "it is gone already";
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
  EXPECT_FALSE(ask_to_leave(directory.file())) << "a socket that nobody listens on";
}

// systemd, as far as a take-over knows it: hears what is notified, and lets a barrier pass when it has.
class Systemd {
 public:
  explicit Systemd(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~Systemd() {
    ::unsetenv("NOTIFY_SOCKET");
    ::close(fd_);
  }
  // The next message; descriptors that come with it are closed, after `then`.
  std::string hear(const std::function<void()>& then = [] {}) const {
    char text[256] = {};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(ucred))] = {};
    iovec part{text, sizeof text - 1};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    EXPECT_GT(::recvmsg(fd_, &message, 0), 0);
    then();
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
      int passed = -1;
      if (c->cmsg_type == SCM_RIGHTS) std::memcpy(&passed, CMSG_DATA(c), sizeof passed);
      if (passed >= 0) ::close(passed);
    }
    return text;
  }

 private:
  int fd_;
};

TEST(TakeOver, SystemdKnowsTheNewProcessBeforeTheOldOneEnds) {
  const test::TestDirectory directory;
  const Systemd systemd(directory.file() + ".notify");
  const pid_t pid = listen_apart(directory.file(), false);
  std::vector<std::string> heard;
  bool was_alive = false;
  std::thread listener([&] {
    heard.push_back(systemd.hear());
    heard.push_back(systemd.hear([&] { was_alive = ::waitpid(pid, nullptr, WNOHANG) == 0; }));
  });
  EXPECT_TRUE(ask_to_leave(directory.file()));
  listener.join();
  EXPECT_EQ(heard, (std::vector<std::string>{"MAINPID=" + std::to_string(::getpid()), "BARRIER=1"}));
  EXPECT_TRUE(was_alive);
  ::waitpid(pid, nullptr, 0);
}

TEST(TakeOver, NobodyIsThere) {
  const test::TestDirectory directory;
  EXPECT_FALSE(ask_to_leave(directory.file()));
  EXPECT_FALSE(ask_to_leave("/" + std::string(200, 'x')));
}

TEST(TakeOver, OneThatDoesNotStopIsNamed) {
  const test::TestDirectory directory;
  const pid_t pid = listen_apart(directory.file(), true);
  try {
    ask_to_leave(directory.file(), milliseconds(50));
    ADD_FAILURE() << "it did not notice";
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(error.what(), "take-over from process " + std::to_string(pid) +
                                ": it was told to stop and is still there after 0 s");
  }
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

}  // namespace
}  // namespace sluice::restart
