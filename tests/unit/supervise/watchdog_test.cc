// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What systemd hears: a datagram socket of the test in the place of NOTIFY_SOCKET.
#include "control/supervise/watchdog.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

namespace sluice::supervise {
namespace {

using std::chrono::milliseconds;

class Systemd : public testing::Test {
 protected:
  void SetUp() override {
    const std::string name = "sluice-watchdog-test-" + std::to_string(getpid());
    socket_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data(), name.size());  // abstract: no file
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    ASSERT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), length), 0);
    setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);
    setenv("WATCHDOG_USEC", "60000", 1);
    unsetenv("WATCHDOG_PID");
  }
  void TearDown() override {
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    close(socket_);
  }
  // How often WATCHDOG=1 comes while the loop runs so long. The queue of such a socket is short, and a sender
  // waits when it is full: it is read all the while.
  int heard_in(boost::asio::io_context& io, milliseconds time) const {
    char text[256];
    int count = 0;
    for (const auto end = std::chrono::steady_clock::now() + time; std::chrono::steady_clock::now() < end;) {
      io.run_for(milliseconds(10));
      for (ssize_t n; (n = recv(socket_, text, sizeof text, 0)) > 0;)
        count += std::string(text, static_cast<std::size_t>(n)) == "WATCHDOG=1";
    }
    return count;
  }
  int socket_ = -1;
};

TEST_F(Systemd, HearsOfWorkersThatTurnAndNotOfOneThatIsStuck) {
  boost::asio::io_context io;
  std::uint64_t one = 0, other = 0;
  bool other_turns = true;
  int named = 0;
  const Watchdog watchdog(io, {.turns =
                                   [&] {
                                     other += other_turns;
                                     return std::vector<std::uint64_t>{++one, other};
                                   },
                               .limit = [] { return milliseconds(200); },
                               .on_stuck =
                                   [&](const TurnWatch::Stuck& stuck) {
                                     EXPECT_EQ(stuck.worker, 1u);
                                     ++named;
                                   }});
  EXPECT_GE(heard_in(io, milliseconds(300)), 5) << "three times in 60 ms is the rhythm";
  EXPECT_EQ(named, 0);
  other_turns = false;
  heard_in(io, milliseconds(60));
  EXPECT_EQ(heard_in(io, milliseconds(400)), 0);
  EXPECT_EQ(named, 1) << "named once";
  other_turns = true;
  EXPECT_GE(heard_in(io, milliseconds(100)), 1);
  other_turns = false;
  heard_in(io, milliseconds(500));
  EXPECT_EQ(named, 2);
}

TEST_F(Systemd, IsToldThoughNobodyIsToBeNamed) {
  boost::asio::io_context io;
  const Watchdog watchdog(io, {.turns = [] { return std::vector<std::uint64_t>{1}; },
                               .limit = [] { return milliseconds(0); },
                               .on_stuck = [](const TurnWatch::Stuck&) { ADD_FAILURE(); }});
  EXPECT_EQ(heard_in(io, milliseconds(200)), 1) << "the first look has nothing to compare with; then nobody turned";
}

}  // namespace
}  // namespace sluice::supervise
