// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// When a member's data path counts as dead, round by round.
#include "control/pool/path_watch.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice::pool::test {
namespace {

using namespace std::chrono_literals;
using Path = PathWatch::Path;

// Rounds in which some members answer, and perhaps the gateway.
struct Rounds {
  void run(const std::set<std::string>& answer, bool gateway = false, bool held_up = false) {
    for (const std::string& name : answer) watch.answered(name);
    if (gateway) watch.own_path_works();
    watch.begin(asked, held_up, now += 500ms);
  }

  PathWatch watch{3};
  std::vector<std::string> asked = {"mux2", "mux3"};
  TimePoint now{1h};
};

TEST(PathWatch, KnowsNothingBeforeTheFirstAnswer) {
  Rounds rounds;
  rounds.run({});
  EXPECT_EQ(rounds.watch.of("mux2"), Path::kUnknown);
  rounds.run({"mux2"});
  EXPECT_EQ(rounds.watch.of("mux2"), Path::kAlive);
  EXPECT_EQ(rounds.watch.of("mux3"), Path::kUnknown) << "one missed round is no verdict";
}

TEST(PathWatch, ThreeMissedRoundsInARowAreDeathWhileAnotherMemberAnswers) {
  Rounds rounds;
  rounds.run({});
  for (int i = 0; i < 2; ++i) rounds.run({"mux3"});
  EXPECT_TRUE(rounds.watch.dead().empty());
  rounds.run({"mux2", "mux3"});
  for (int i = 0; i < 2; ++i) rounds.run({"mux3"});
  EXPECT_TRUE(rounds.watch.dead().empty()) << "the row begins anew";
  rounds.run({"mux3"});
  EXPECT_EQ(rounds.watch.dead(), (std::map<std::string, TimePoint>{{"mux2", rounds.now}}));
  EXPECT_EQ(rounds.watch.of("mux2"), Path::kDead);
  EXPECT_EQ(rounds.watch.missed(), 5u);
}

TEST(PathWatch, TheGatewayProvesOurOwnPathWhereNobodyElseAnswers) {
  Rounds rounds;
  rounds.asked = {"mux2"};
  rounds.run({});
  rounds.run({});
  EXPECT_TRUE(rounds.watch.in_doubt()) << "now it is worth asking";
  rounds.run({}, true);
  rounds.run({}, true);
  EXPECT_EQ(rounds.watch.of("mux2"), Path::kDead);
}

TEST(PathWatch, WhenNothingAnswersTheFaultMayBeOnThisSide) {
  Rounds rounds;
  rounds.run({});
  rounds.run({"mux2", "mux3"});
  for (int i = 0; i < 20; ++i) rounds.run({});
  EXPECT_TRUE(rounds.watch.dead().empty());
}

TEST(PathWatch, AVerdictEndsWhenOurOwnPathProvesNothingAnyMore) {
  Rounds rounds;
  rounds.run({});
  for (int i = 0; i < 3; ++i) rounds.run({"mux3"});
  EXPECT_EQ(rounds.watch.of("mux2"), Path::kDead);
  for (int i = 0; i < 3; ++i) rounds.run({});
  EXPECT_TRUE(rounds.watch.dead().empty());
}

TEST(PathWatch, TwoAnsweredRoundsAreLife) {
  Rounds rounds;
  rounds.run({});
  for (int i = 0; i < 3; ++i) rounds.run({"mux3"});
  rounds.run({"mux2", "mux3"});
  EXPECT_EQ(rounds.watch.of("mux2"), Path::kDead) << "one may be luck";
  rounds.run({"mux2", "mux3"});
  EXPECT_EQ(rounds.watch.of("mux2"), Path::kAlive);
}

TEST(PathWatch, RoundsInWhichWeWereHeldUpSayNothing) {
  Rounds rounds;
  rounds.run({});
  for (int i = 0; i < 20; ++i) rounds.run({"mux3"}, false, true);
  EXPECT_TRUE(rounds.watch.dead().empty());
  EXPECT_EQ(rounds.watch.missed(), 0u);
}

TEST(PathWatch, WhoIsAskedNoMoreIsForgotten) {
  Rounds rounds;
  rounds.run({});
  for (int i = 0; i < 3; ++i) rounds.run({"mux3"});
  rounds.asked = {"mux3"};
  rounds.run({"mux3"});
  EXPECT_EQ(rounds.watch.of("mux2"), Path::kUnknown);
  EXPECT_TRUE(rounds.watch.dead().empty());
}

}  // namespace
}  // namespace sluice::pool::test
