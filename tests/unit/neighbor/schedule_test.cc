// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/neighbor/schedule.h"

#include <gtest/gtest.h>

namespace sluice::neighbor::test {
namespace {

using std::chrono::milliseconds;

class DumpScheduleTest : public testing::Test {
 protected:
  // Runs a round whose dumps take `each`, all good; returns the kinds dumped.
  unsigned round(milliseconds each) {
    unsigned kinds = 0;
    now = *schedule.due();
    schedule.begin(now);
    while (const auto kind = schedule.next(now)) {
      kinds |= bit(*kind);
      now += each;
      EXPECT_EQ(schedule.finish(true, now), 1u);
    }
    return kinds;
  }
  // One dump of routes, with an event running into it; returns the passes to forget by.
  unsigned disturbed_round() {
    now = *schedule.due();
    schedule.begin(now);
    EXPECT_EQ(schedule.next(now), Kind::kRoute);
    schedule.saw_event(Kind::kRoute);
    const unsigned passes = schedule.finish(true, now);
    EXPECT_EQ(schedule.next(now), std::nullopt);
    return passes;
  }
  DumpSchedule schedule{milliseconds(250)};
  DumpSchedule::Clock::time_point now{};
};

TEST_F(DumpScheduleTest, NothingIsDueUntilSomethingIsWanted) {
  EXPECT_TRUE(schedule.is_idle());
  EXPECT_EQ(schedule.due(), std::nullopt);
  EXPECT_EQ(schedule.next(now), std::nullopt);
}

TEST_F(DumpScheduleTest, WishesOfOneDelayMakeOneRoundAndTheEarliestCounts) {
  schedule.want(bit(Kind::kNeighbor), milliseconds(250), now);
  schedule.want(bit(Kind::kRoute), milliseconds(250), now + milliseconds(100));
  EXPECT_EQ(schedule.due(), now + milliseconds(250));
  schedule.want(bit(Kind::kLink), milliseconds(0), now + milliseconds(120));
  EXPECT_EQ(schedule.due(), now + milliseconds(120));
  EXPECT_EQ(round(milliseconds(1)), bit(Kind::kNeighbor) | bit(Kind::kRoute) | bit(Kind::kLink));
  EXPECT_TRUE(schedule.is_idle());
}

TEST_F(DumpScheduleTest, LinksComeBeforeTheRoutesThatNeedThem) {
  schedule.want(kAllKinds, milliseconds(0), now);
  schedule.begin(now);
  for (const Kind kind : {Kind::kLink, Kind::kAddress, Kind::kRoute, Kind::kNeighbor}) {
    EXPECT_EQ(schedule.next(now), kind);
    schedule.finish(true, now);
  }
  EXPECT_EQ(schedule.next(now), std::nullopt);
}

TEST_F(DumpScheduleTest, WhatIsWantedDuringARoundComesAfterIt) {
  schedule.want(bit(Kind::kRoute), milliseconds(0), now);
  schedule.begin(now);
  EXPECT_EQ(schedule.next(now), Kind::kRoute);
  schedule.want(kAllKinds, milliseconds(40), now);
  schedule.want(kAllKinds, milliseconds(90), now);
  EXPECT_EQ(schedule.due(), std::nullopt);
  now += milliseconds(1);
  schedule.finish(true, now);
  EXPECT_EQ(schedule.next(now), std::nullopt);
  EXPECT_EQ(schedule.due(), now + milliseconds(40));
  EXPECT_EQ(round(milliseconds(1)), kAllKinds);
}

TEST_F(DumpScheduleTest, DumpsTakeAtMostATwentyFirstOfTheTime) {
  schedule.want(kAllKinds, milliseconds(0), now);
  const auto start = now;
  milliseconds busy{0};
  for (int i = 0; i < 50; ++i) {
    round(milliseconds(25));
    busy += milliseconds(100);
    schedule.want(kAllKinds, milliseconds(0), now);
  }
  EXPECT_GE(*schedule.due() - start, 21 * busy);
}

TEST_F(DumpScheduleTest, ThePauseIsBounded) {
  schedule.want(bit(Kind::kRoute), milliseconds(0), now);
  round(milliseconds(60'000));
  schedule.want(bit(Kind::kRoute), milliseconds(0), now);
  EXPECT_EQ(*schedule.due() - now, DumpSchedule::kLongestPause);
}

TEST_F(DumpScheduleTest, ADisturbedDumpForgetsNothingAndIsRepeated) {
  schedule.want(bit(Kind::kRoute), milliseconds(0), now);
  EXPECT_EQ(disturbed_round(), 0u);
  EXPECT_EQ(schedule.due(), now + milliseconds(250));
  EXPECT_EQ(round(milliseconds(1)), bit(Kind::kRoute));
  EXPECT_TRUE(schedule.is_idle());
}

TEST_F(DumpScheduleTest, AnEventOfAnotherKindDoesNotDisturbAndAGapDoes) {
  schedule.want(bit(Kind::kRoute), milliseconds(0), now);
  schedule.begin(now);
  schedule.next(now);
  schedule.saw_event(Kind::kNeighbor);
  EXPECT_EQ(schedule.finish(true, now), 1u);
  EXPECT_EQ(schedule.next(now), std::nullopt);
  schedule.want(bit(Kind::kRoute), milliseconds(0), now);
  schedule.begin(now);
  schedule.next(now);
  schedule.saw_gap();
  EXPECT_EQ(schedule.finish(true, now), 0u);
}

TEST_F(DumpScheduleTest, UnderChangesThatNeverEndTheUnnamedIsForgottenAfterSeveralPasses) {
  schedule.want(bit(Kind::kRoute), milliseconds(0), now);
  for (int turn = 0; turn < 3; ++turn) {
    for (unsigned pass = 1; pass < DumpSchedule::kDisturbedPasses; ++pass) EXPECT_EQ(disturbed_round(), 0u);
    EXPECT_EQ(disturbed_round(), DumpSchedule::kDisturbedPasses);
  }
}

TEST_F(DumpScheduleTest, AFailedDumpIsRepeatedAndIsNoPass) {
  schedule.want(bit(Kind::kRoute), milliseconds(0), now);
  for (unsigned i = 0; i < 2 * DumpSchedule::kDisturbedPasses; ++i) {
    now = *schedule.due();
    schedule.begin(now);
    EXPECT_EQ(schedule.next(now), Kind::kRoute);
    EXPECT_EQ(schedule.finish(false, now), 0u);
    EXPECT_EQ(schedule.next(now), std::nullopt);
    EXPECT_EQ(schedule.due(), now + milliseconds(250));
  }
}

}  // namespace
}  // namespace sluice::neighbor::test
