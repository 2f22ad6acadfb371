// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// From wishes to factors in force: damping, bounds, the grid, tolerance, and the pace of changes.
#include "control/load/follower.h"

#include <gtest/gtest.h>

#include <cmath>

namespace sluice::load {
namespace {

using maps::Loads;
using std::chrono::seconds;
using Targets = std::map<std::string, Target>;

TimePoint at(int s) {
  return TimePoint(seconds(s));
}
Target want(double factor) {
  return {Wish::kFactor, factor};
}
// A follower whose changes come into force.
struct Obeyed {
  std::optional<Loads::Factors> round(const Targets& targets, const Bounds& bounds, TimePoint now) {
    const auto changed = follower.round(factors, targets, bounds, now);
    if (changed) factors = *changed;
    return changed;
  }
  [[nodiscard]] const Loads::Factors& in_force() const { return factors; }

  Follower follower = {};
  Loads::Factors factors = {};
};

// Rounds every ten seconds until nothing changes; how many changes there were.
int settle(Obeyed& obeyed, const Targets& targets, int from = 0, const Bounds& bounds = {}) {
  int changes = 0;
  for (int n = 0; n < 30; ++n) changes += obeyed.round(targets, bounds, at(from + 10 * n)).has_value();
  return changes;
}

TEST(Follower, StepsAreASixteenthOfADoubling) {
  EXPECT_EQ(factor_of_steps(0), Loads::kUnit);
  EXPECT_EQ(factor_of_steps(16), 2 * Loads::kUnit);
  EXPECT_EQ(factor_of_steps(-32), Loads::kUnit / 4);
  for (int n = -32; n < 32; ++n) EXPECT_LT(factor_of_steps(n), factor_of_steps(n + 1)) << n;
  EXPECT_EQ(factor_of_steps(-1000), 1) << "never nothing";
  EXPECT_EQ(factor_of_steps(1000), 65535);
}

TEST(Follower, WithoutWishesNothingChanges) {
  Obeyed follower;
  EXPECT_EQ(settle(follower, {{"a", {}}, {"b", {}}}), 0);
}

TEST(Follower, ComesToTheFactorByParts) {
  Obeyed follower;
  const auto first = follower.round({{"a", want(2)}, {"b", {}}}, {}, at(0));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->at("a"), factor_of_steps(5)) << "three tenths of sixteen steps";
  EXPECT_FALSE(first->contains("b"));
  settle(follower, {{"a", want(2)}, {"b", {}}}, 10);
  EXPECT_NEAR(follower.in_force().at("a"), 2 * Loads::kUnit, 0.07 * 2 * Loads::kUnit);
}

TEST(Follower, StaysWithinItsBoundsWhateverIsWished) {
  for (const double wish : {1e-300, 1e300}) {
    Obeyed follower;
    settle(follower, {{"a", want(wish)}}, 0, {.lowest = 0.3, .highest = 3});
    const double factor = follower.in_force().at("a") / double{Loads::kUnit};
    EXPECT_GE(factor, 0.3 * 0.99);
    EXPECT_LE(factor, 3 * 1.01);
  }
}

TEST(Follower, DoesNotMindALittle) {
  Obeyed follower;
  EXPECT_EQ(settle(follower, {{"a", want(1.06)}, {"b", want(0.95)}}), 0);
  EXPECT_GT(settle(follower, {{"a", want(1.08)}, {"b", want(0.95)}}, 1000), 0);
}

TEST(Follower, PutsAllInTheirPlacesWhenOneMustMove) {
  Obeyed follower;
  settle(follower, {{"a", want(1.05)}, {"b", want(2)}});
  EXPECT_EQ(follower.in_force().at("a"), factor_of_steps(1));
}

TEST(Follower, ChangesNoMoreOftenThanItMay) {
  Obeyed follower;
  const Bounds bounds{.gap = seconds(100)};
  int changes = 0;
  for (int s = 0; s < 1000; s += 10)
    changes += follower.round({{"a", want(s / 10 % 2 ? 4 : 0.25)}}, bounds, at(s)).has_value();
  EXPECT_LE(changes, 10);
  EXPECT_GT(changes, 1);
}

TEST(Follower, GoesBackToOneWhenTheReportIsMissingAndStaysWhenTold) {
  Obeyed follower;
  settle(follower, {{"a", want(2)}, {"b", want(2)}});
  settle(follower, {{"a", {}}, {"b", {Wish::kStay}}}, 1000);
  EXPECT_FALSE(follower.in_force().contains("a"));
  EXPECT_GE(follower.in_force().at("b"), factor_of_steps(15));
}

TEST(Follower, NothingIsNothingAndEndsAtOnce) {
  Obeyed follower;
  const auto out = follower.round({{"a", {Wish::kNothing}}, {"b", {}}}, {}, at(0));
  ASSERT_TRUE(out);
  EXPECT_EQ(out->at("a"), 0);
  const auto back = follower.round({{"a", {}}, {"b", {}}}, {}, at(10));
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->empty());
}

TEST(Follower, BeginsWithWhatIsInForce) {
  Obeyed follower;
  follower.factors = {{"a", factor_of_steps(16)}, {"b", factor_of_steps(-9)}};
  EXPECT_EQ(settle(follower, {{"a", want(2)}, {"b", {Wish::kStay}}}), 0);
}

TEST(Follower, ADipThatGetsNothingDoesNotKeepTheOthersMoving) {
  Obeyed follower;
  EXPECT_EQ(settle(follower, {{"a", {Wish::kNothing}}, {"b", {}}}), 1);
  EXPECT_EQ(settle(follower, {{"a", {Wish::kNothing}}, {"b", want(1.01)}}, 1000), 0);
}

TEST(Follower, MuxesThatBeganApartComeTogether) {
  Obeyed one, other;
  settle(one, {{"a", want(3)}, {"b", want(0.4)}, {"c", want(1)}});
  settle(other, {{"a", want(0.3)}, {"b", want(1)}, {"c", want(2)}});
  const Targets same = {{"a", want(1.5)}, {"b", want(0.7)}, {"c", want(1.1)}};
  settle(one, same, 1000);
  settle(other, same, 1000);
  for (const char* dip : {"a", "b", "c"}) {
    const auto steps = [&](const Obeyed& f) {
      const auto found = f.in_force().find(dip);
      const double factor = found == f.in_force().end() ? 1 : found->second / double{Loads::kUnit};
      return kStepsToDouble * std::log2(factor);
    };
    EXPECT_NEAR(steps(one), steps(other), 1.2) << dip;
  }
}

}  // namespace
}  // namespace sluice::load
