// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The command that goes to the background comes back with what became of its process.
#include "control/restart/background.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

namespace sluice::restart {
namespace {

// How a command ends that goes to the background, where it does this.
int end_of_command(const std::function<void()>& in_the_background) {
  const pid_t command = ::fork();
  if (command == 0) {
    go_to_background();
    in_the_background();
    ::_exit(99);
  }
  int status = 0;
  ::waitpid(command, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Background, ComesBackWhenTheProcessIsReadyAndThatGoesOn) {
  int alive[2];
  ASSERT_EQ(::pipe(alive), 0);
  const auto be_ready = [&alive] {
    tell_ready();
    tell_ready();  // once is enough
    char go = 0;
    const bool told = ::read(alive[0], &go, 1) == 1;  // until the test has looked
    ::_exit(told ? 0 : 1);
  };
  EXPECT_EQ(end_of_command(be_ready), 0);
  EXPECT_EQ(::write(alive[1], "x", 1), 1);
  ::close(alive[0]);
  ::close(alive[1]);
}

TEST(Background, ComesBackWithTheExitCodeOfOneThatFailed) {
  EXPECT_EQ(end_of_command([] { ::_exit(7); }), 7);
}

TEST(Background, ComesBackWithAFailureOfOneThatWasKilled) {
  EXPECT_EQ(end_of_command([] { ::raise(SIGKILL); }), 1);
}

TEST(Background, HasNothingToTellInTheForeground) {
  tell_ready();
}

}  // namespace
}  // namespace sluice::restart
