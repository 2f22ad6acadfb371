// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Bells: nobody sleeps through a call, and nobody calls those who are up.
#include "dataplane/door/bell.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <barrier>
#include <thread>

namespace sluice {
namespace {

bool rings(const Bell& bell) {
  pollfd fd{bell.fd(), POLLIN, 0};
  return poll(&fd, 1, 0) == 1;
}

TEST(Bell, RingsForASleeper) {
  Bell bell;
  bell.set(Bell::State::kAsleep);
  EXPECT_FALSE(rings(bell));
  bell.wake();
  EXPECT_TRUE(rings(bell));
}

TEST(Bell, IsNotRungForThoseWhoAreUp) {
  Bell bell;
  for (const auto state : {Bell::State::kAwake, Bell::State::kDrowsy}) {
    bell.set(state);
    bell.wake();
    EXPECT_FALSE(rings(bell));
  }
}

TEST(Bell, IsSilentOnceItWasHushedHoweverOftenItWasRung) {
  Bell bell;
  bell.hush();
  bell.set(Bell::State::kAsleep);
  bell.wake();
  bell.wake();
  bell.hush();
  EXPECT_FALSE(rings(bell));
}

// One falls asleep while the other wakes up, at the same moment, again and again: either the sleeper sees
// that the other is awake, or the other sees that it has to call.
TEST(Bell, IsRungOrNotNeededWheneverOneFallsAsleepAsTheOtherWakes) {
  constexpr unsigned kTimes = 20'000;
  Bell sleeper, waker;
  std::barrier together(2);
  std::thread other([&] {
    for (unsigned n = 0; n < kTimes; ++n) {
      together.arrive_and_wait();
      waker.set(Bell::State::kAwake);
      sleeper.wake();
      together.arrive_and_wait();
      together.arrive_and_wait();
    }
  });
  unsigned missed = 0;
  for (unsigned n = 0; n < kTimes; ++n) {
    sleeper.hush();
    sleeper.set(Bell::State::kAwake);
    waker.set(Bell::State::kDrowsy);
    together.arrive_and_wait();
    sleeper.set(Bell::State::kAsleep);
    const bool would_sleep = waker.state() != Bell::State::kAwake;
    together.arrive_and_wait();
    missed += would_sleep && !rings(sleeper);
    together.arrive_and_wait();
  }
  other.join();
  EXPECT_EQ(missed, 0u);
}

}  // namespace
}  // namespace sluice
