// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Who is stuck, on a made-up clock.
#include "control/supervise/turn_watch.h"

#include <gtest/gtest.h>

namespace sluice::supervise {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Turns = std::vector<std::uint64_t>;

constexpr milliseconds kStep{250};

TEST(TurnWatch, WorkersThatTurnAreNotStuck) {
  TurnWatch watch;
  for (std::uint64_t i = 0; i < 100; ++i) {
    EXPECT_TRUE(watch.look(Turns{i, 7 * i + 1}, kStep));
    EXPECT_TRUE(watch.stuck(seconds(1)).empty());
  }
}

TEST(TurnWatch, OneThatStandsStillIsNamedAfterTheLimitAndNotBefore) {
  TurnWatch watch;
  watch.look(Turns{1, 1, 1}, kStep);
  for (unsigned i = 1; i <= 20; ++i) {
    EXPECT_FALSE(watch.look(Turns{1 + i, 1, 1 + i}, kStep));
    const auto stuck = watch.stuck(seconds(5));
    ASSERT_EQ(stuck.size(), i < 20 ? 0u : 1u) << "after " << i << " looks";
  }
  EXPECT_EQ(watch.stuck(seconds(5))[0].worker, 1u);
  EXPECT_EQ(watch.stuck(seconds(5))[0].silent, seconds(5));
}

TEST(TurnWatch, OneThatTurnsAgainIsForgiven) {
  TurnWatch watch;
  watch.look(Turns{1}, kStep);
  for (int i = 0; i < 30; ++i) watch.look(Turns{1}, kStep);
  EXPECT_TRUE(watch.look(Turns{2}, kStep));
  EXPECT_TRUE(watch.stuck(milliseconds(1)).empty());
}

TEST(TurnWatch, AProcessThatWasStoppedAsAWholeHasNoStuckWorker) {
  TurnWatch watch;
  watch.look(Turns{1}, kStep);
  EXPECT_FALSE(watch.look(Turns{1}, std::chrono::hours(3)));
  EXPECT_TRUE(watch.stuck(seconds(2)).empty());
}

TEST(TurnWatch, CountsThatWrapAreTurns) {
  TurnWatch watch;
  watch.look(Turns{~std::uint64_t{0}}, kStep);
  EXPECT_TRUE(watch.look(Turns{0}, kStep));
}

}  // namespace
}  // namespace sluice::supervise
