// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Transitions by themselves (A7): which map is V, who is leaving, and when it is over. The clock is a number.
#include "control/maps/transition.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/unit/maps/written.h"

namespace sluice::maps {
namespace {

using std::chrono::seconds;
using test::at;
using Names = std::vector<std::string>;

const MapKey kGroup{"web", "default"};
const Members kA = {{"a", {1}}}, kAB = {{"a", {1}}, {"b", {1}}}, kABC = {{"a", {1}}, {"b", {1}}, {"c", {1}}},
              kBC = {{"b", {1}}, {"c", {1}}};

// What is under way for one group, and one who says which DIPs are empty.
struct Story {
  Transitions transitions;
  Members now_in_force;
  Names empty;

  void change(const Members& next, int when, int deadline, bool until_deadline = false) {
    transitions.begin(kGroup, now_in_force, next, at(when), seconds(deadline), until_deadline);
    now_in_force = next;
  }
  // Emptied, then those at their deadline after "|"; "-" when nothing ended.
  std::string tick(int when) {
    const auto is_empty = [&](const MapKey&, const std::string& dip, const Transitions::Leaving&) {
      return std::ranges::find(empty, dip) != empty.end();
    };
    const auto ended = transitions.tick(at(when), is_empty, [&](const MapKey&) { return now_in_force; });
    if (ended.empty()) return "-";
    std::string text;
    for (const std::string& dip : ended[0].emptied) text += dip;
    text += "|";
    for (const std::string& dip : ended[0].at_deadline) text += dip;
    return text;
  }
  Members base() const {
    const Members* base = transitions.base(kGroup);
    return base ? *base : Members{};
  }
  std::string leaving() const {
    std::string text;
    for (const auto& [dip, state] : transitions.leaving(kGroup, now_in_force))
      text += dip + (state.gone ? "!" : "");
    return text;
  }
};

TEST(Transitions, NothingChangedIsNoTransition) {
  Story s{.transitions = {}, .now_in_force = kAB, .empty = {}};
  s.change(kAB, 0, 300);
  EXPECT_TRUE(s.transitions.empty());
  EXPECT_EQ(s.transitions.base(kGroup), nullptr);
  EXPECT_FALSE(s.transitions.deadline(kGroup));
}

TEST(Transitions, AnAddedDipNeedsTheOldMapUntilTheDeadline) {
  Story s{.transitions = {}, .now_in_force = kAB, .empty = {"a", "b", "c"}};
  s.change(kABC, 0, 300);
  EXPECT_EQ(s.base(), kAB);
  EXPECT_EQ(s.leaving(), "");
  EXPECT_EQ(s.tick(299), "-");
  EXPECT_EQ(s.base(), kAB);
  EXPECT_EQ(s.tick(300), "|");
  EXPECT_TRUE(s.transitions.empty());
}

TEST(Transitions, ADrainEndsWhenTheLastFlowHasGone) {
  Story s{.transitions = {}, .now_in_force = kABC, .empty = {}};
  s.change(kBC, 0, 300);
  EXPECT_EQ(s.leaving(), "a");
  EXPECT_EQ(s.tick(5), "-");
  s.empty = {"a"};
  EXPECT_EQ(s.tick(6), "a|");
  EXPECT_TRUE(s.transitions.empty());
}

TEST(Transitions, ADrainEndsAtItsDeadline) {
  Story s{.transitions = {}, .now_in_force = kABC, .empty = {}};
  s.change(kBC, 10, 30);
  EXPECT_EQ(*s.transitions.deadline(kGroup), at(40));
  EXPECT_EQ(s.tick(39), "-");
  EXPECT_EQ(s.tick(40), "|a");
  EXPECT_TRUE(s.transitions.empty());
}

TEST(Transitions, WithoutFlowTablesTheOldMapStaysWhenTheDipIsGone) {
  Story s{.transitions = {}, .now_in_force = kABC, .empty = {}};
  s.change(kBC, 0, 300, true);
  s.transitions.skip(kGroup, "a");
  EXPECT_EQ(s.tick(1), "-") << "flows of b and c still rely on where they were";
  EXPECT_EQ(s.leaving(), "a!");
  EXPECT_FALSE(s.base().at("a").up);
  EXPECT_EQ(s.tick(300), "|");
  EXPECT_TRUE(s.transitions.empty());
}

TEST(Transitions, WithFlowTablesATakenOutDipEndsItsTransitionAtOnce) {
  Story s{.transitions = {}, .now_in_force = kABC, .empty = {}};
  s.change(kBC, 0, 300);
  s.transitions.skip(kGroup, "a");
  EXPECT_EQ(s.tick(0), "|");
  EXPECT_TRUE(s.transitions.empty());
}

TEST(Transitions, SeveralChangesQueueUpAndEndOldestFirst) {
  Story s{.transitions = {}, .now_in_force = kA, .empty = {}};
  s.change(kAB, 0, 100);
  s.change(kABC, 10, 100);
  EXPECT_EQ(s.base(), kA);
  EXPECT_EQ(s.transitions.maps(kGroup).size(), 2u);
  EXPECT_EQ(*s.transitions.deadline(kGroup), at(110));
  EXPECT_EQ(s.tick(100), "|");
  EXPECT_EQ(s.base(), kAB);
  EXPECT_EQ(s.tick(110), "|");
  EXPECT_TRUE(s.transitions.empty());
}

TEST(Transitions, ALaterChangeWithAnEarlierDeadlineWaitsForTheOlderOne) {
  Story s{.transitions = {}, .now_in_force = kA, .empty = {}};
  s.change(kAB, 0, 100);
  s.change(kABC, 10, 20);
  EXPECT_EQ(s.tick(30), "-");
  EXPECT_EQ(s.base(), kA);
  EXPECT_EQ(s.tick(100), "|");
  EXPECT_TRUE(s.transitions.empty());
}

TEST(Transitions, ADipThatIsGoneHoldsNothingInTheMapsThatAreLeft) {
  Story s{.transitions = {}, .now_in_force = kAB, .empty = {}};
  s.change(kABC, 0, 300);
  s.change(kBC, 10, 20);
  EXPECT_EQ(s.tick(30), "|a");
  EXPECT_EQ(s.leaving(), "a!");
  EXPECT_FALSE(s.base().at("a").up);
  EXPECT_TRUE(s.base().at("b").up);
}

TEST(Transitions, ADipThatComesBackWhileItLeavesIsNoLongerLeaving) {
  Story s{.transitions = {}, .now_in_force = kABC, .empty = {}};
  s.change(kBC, 0, 300);
  s.change(kABC, 10, 300);
  EXPECT_EQ(s.leaving(), "");
  EXPECT_EQ(s.base(), kABC);
  EXPECT_EQ(s.tick(300), "|");
  EXPECT_EQ(s.base(), kBC);
}

TEST(Transitions, ADipThatComesBackAfterItWasGoneDoesNotGetItsOldFlowsBack) {
  Story s{.transitions = {}, .now_in_force = kABC, .empty = {}};
  s.change(kBC, 0, 300, true);
  s.transitions.skip(kGroup, "a");
  s.change(kABC, 10, 300, true);
  EXPECT_EQ(s.leaving(), "");
  EXPECT_FALSE(s.base().at("a").up) << "its flows have been with others since";
}

TEST(Transitions, TheDeadlineOfADipIsThatOfTheChangeThatTookItOutLast) {
  Story s{.transitions = {}, .now_in_force = kABC, .empty = {}};
  s.change(kBC, 0, 100);
  s.change(kABC, 10, 100);
  s.change(kBC, 20, 100);
  EXPECT_EQ(s.tick(100), "|");
  EXPECT_EQ(s.leaving(), "a");
  EXPECT_EQ(s.tick(119), "|") << "the second change is over";
  EXPECT_EQ(s.tick(120), "|a");
  EXPECT_TRUE(s.transitions.empty());
}

TEST(Transitions, FinishEndsAllAtOnceAndNamesThoseWhoLeft) {
  Story s{.transitions = {}, .now_in_force = kABC, .empty = {}};
  s.change(kBC, 0, 300);
  s.change(kAB, 5, 300);
  const auto ended = s.transitions.finish(kGroup, s.now_in_force);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->at_deadline, (Names{"c"}));
  EXPECT_TRUE(s.transitions.empty());
  EXPECT_FALSE(s.transitions.finish(kGroup, s.now_in_force));
}

TEST(Transitions, GroupsDoNotConcernEachOther) {
  Transitions t;
  const MapKey other{"web", "other"};
  t.begin(kGroup, kA, kAB, at(0), seconds(10));
  t.begin(other, kAB, kA, at(0), seconds(50));
  const auto never = [](const MapKey&, const std::string&, const Transitions::Leaving&) { return false; };
  t.tick(at(10), never, [&](const MapKey& key) { return key == kGroup ? kAB : kA; });
  EXPECT_EQ(t.groups(), std::vector<MapKey>{other});
  t.forget(other);
  EXPECT_TRUE(t.empty());
}

}  // namespace
}  // namespace sluice::maps
