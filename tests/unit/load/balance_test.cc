// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// B10: who is lent to whom, when, and when not.
#include "control/load/balance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace sluice::load {
namespace {

using std::chrono::seconds;

TimePoint at(int s) {
  return TimePoint(seconds(s));
}
GroupMember member(const std::string& dip, const std::string& home, double utilisation,
                   std::uint32_t weight = 1) {
  return {{.dip = dip, .weight = weight, .figure = Figure{.utilisation = utilisation}}, home};
}
// A group of its own servers a1, a2, …, equally busy.
GroupOf group(const std::string& name, unsigned servers, double utilisation) {
  GroupOf made{name, {}};
  for (unsigned i = 1; i <= servers; ++i)
    made.members.push_back(member(name + std::to_string(i), name, utilisation));
  return made;
}
const BalanceBounds kBounds{.difference = 0.25, .interval = seconds(60), .least = 2};

// Asks every ten seconds for as long as a loan takes, and once more.
std::optional<Loan> patiently(GroupBalance& balance, const std::vector<GroupOf>& groups, int from = 0,
                              const BalanceBounds& bounds = kBounds) {
  for (int s = from; s <= from + 70; s += 10) {
    if (auto loan = balance.round(groups, bounds, at(s))) return loan;
  }
  return {};
}

TEST(GroupLoad, IsByWeightOverThoseThatAreUpAndReport) {
  GroupOf a{"a", {member("1", "a", 0.9, 1), member("2", "a", 0.3, 3)}};
  EXPECT_DOUBLE_EQ(*load_of(a), 0.45);
  a.members[0].server.up = false;
  EXPECT_DOUBLE_EQ(*load_of(a), 0.3);
  a.members[0] = {{.dip = "1", .weight = 10}, "a"};
  EXPECT_FALSE(load_of(a)) << "3 of 13 report";
  EXPECT_FALSE(load_of({"empty", {}}));
}

TEST(GroupBalance, LendsAServerToTheBusierGroup) {
  GroupBalance balance;
  const auto loan = patiently(balance, {group("a", 4, 0.2), group("b", 4, 0.9)});
  ASSERT_TRUE(loan);
  EXPECT_EQ(loan->dip, "a1") << "among equals the first by name";
  EXPECT_EQ(loan->from, "a");
  EXPECT_EQ(loan->to, "b");
  EXPECT_EQ(loan->why, "group b is 90 % busy and group a 20 %");
}

TEST(GroupBalance, WaitsUntilTheDifferenceHasLasted) {
  GroupBalance balance;
  const std::vector<GroupOf> apart = {group("a", 4, 0.2), group("b", 4, 0.9)},
                             close = {group("a", 4, 0.5), group("b", 4, 0.6)};
  EXPECT_FALSE(balance.round(apart, kBounds, at(0)));
  EXPECT_FALSE(balance.round(apart, kBounds, at(59)));
  EXPECT_FALSE(balance.round(close, kBounds, at(60))) << "a peak that has passed";
  EXPECT_FALSE(balance.round(apart, kBounds, at(61)));
  EXPECT_FALSE(balance.round(apart, kBounds, at(120)));
  EXPECT_TRUE(balance.round(apart, kBounds, at(121)));
  EXPECT_FALSE(balance.round(apart, kBounds, at(131))) << "one at a time";
}

TEST(GroupBalance, LeavesGroupsAloneThatDifferALittle) {
  GroupBalance balance;
  EXPECT_FALSE(patiently(balance, {group("a", 4, 0.5), group("b", 4, 0.7)}));
}

TEST(GroupBalance, NeverLeavesAGroupWithFewerThanItKeeps) {
  GroupBalance balance;
  EXPECT_FALSE(patiently(balance, {group("a", 2, 0.1), group("b", 4, 0.9)}));
  EXPECT_FALSE(patiently(balance, {group("a", 1, 0.1), group("b", 4, 0.9)}, 1000,
                         {.difference = 0.25, .interval = seconds(60), .least = 1}));
  GroupOf a = group("a", 4, 0.1);
  a.members[2].server.up = a.members[3].server.up = false;
  EXPECT_FALSE(patiently(balance, {a, group("b", 4, 0.9)}, 2000)) << "the dead do not count";
}

TEST(GroupBalance, DoesNotLendWhatWouldOnlyTurnTheTables) {
  // Half of group a's weight is one server: without it, a would be busier than b is now.
  GroupBalance balance;
  const GroupOf a{"a", {member("a1", "a", 0.5, 10), member("a2", "a", 0.5, 10)}};
  EXPECT_FALSE(patiently(balance, {a, group("b", 2, 0.8)}, 0,
                         {.difference = 0.25, .interval = seconds(60), .least = 1}));
}

TEST(GroupBalance, ChoosesTheServerThatBringsThemClosest) {
  GroupBalance balance;
  GroupOf a = group("a", 6, 0.2);
  a.members[4].server.weight = 3;
  const auto loan = patiently(balance, {a, group("b", 4, 0.9)});
  ASSERT_TRUE(loan);
  EXPECT_EQ(loan->dip, "a5");
}

TEST(GroupBalance, GivesBackFirst) {
  GroupBalance balance;
  GroupOf a = group("a", 4, 0.2);
  a.members.push_back(member("z9", "b", 0.2));
  const auto loan = patiently(balance, {a, group("b", 3, 0.9)});
  ASSERT_TRUE(loan);
  EXPECT_EQ(loan->dip, "z9") << "it goes home";
}

TEST(GroupBalance, AGroupWhoseOwnServersDiedGetsTheLentOneBackAtOnce) {
  GroupBalance balance;
  GroupOf a = group("a", 2, 0.5), b = group("b", 3, 0.5);
  a.members[0].server.up = a.members[1].server.up = false;
  b.members.push_back(member("a3", "a", 0.5));
  const auto loan = balance.round({a, b}, kBounds, at(0));
  ASSERT_TRUE(loan);
  EXPECT_EQ(loan->dip, "a3");
  EXPECT_EQ(loan->from, "b");
  EXPECT_EQ(loan->to, "a");
}

TEST(GroupBalance, ASharedServerIsNotLentToWhereItServesAlready) {
  GroupBalance balance;
  GroupOf a = group("a", 3, 0.2), b = group("b", 3, 0.9);
  for (const GroupMember& m : a.members) b.members.push_back(m);
  for (std::size_t i = 3; i < 6; ++i) b.members[i].server.figure->utilisation = 0.9;
  EXPECT_FALSE(patiently(balance, {a, b}));
}

TEST(GroupBalance, SilentGroupsAreLeftAlone) {
  GroupBalance balance;
  GroupOf b = group("b", 4, 0.9);
  for (GroupMember& m : b.members) m.server.figure.reset();
  EXPECT_FALSE(patiently(balance, {group("a", 4, 0.2), b}));
}

// Groups with a fixed share of the work each, servers that are as busy as their group's share says.
TEST(GroupBalance, ComesToRestWhereAllAreWithinTheBoundOrNothingHelps) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 chance(seed);
    std::vector<GroupOf> groups;
    std::vector<double> work;
    for (unsigned g = 0; g < 4; ++g) {
      const std::string name(1, static_cast<char>('a' + g));
      groups.push_back(group(name, 4 + chance() % 6, 0));
      work.push_back(1 + static_cast<double>(chance() % 50) / 10);
    }
    GroupBalance balance;
    int loans = 0, late_loans = 0;
    for (int s = 0; s < 7200; s += 10) {
      for (std::size_t g = 0; g < groups.size(); ++g) {
        for (GroupMember& m : groups[g].members)
          m.server.figure->utilisation =
              std::min(1.0, work[g] / static_cast<double>(groups[g].members.size()));
      }
      const auto loan = balance.round(groups, kBounds, at(s));
      if (!loan) continue;
      ++loans;
      late_loans += s > 3600;
      GroupOf& from = *std::ranges::find(groups, loan->from, &GroupOf::name);
      GroupOf& to = *std::ranges::find(groups, loan->to, &GroupOf::name);
      const auto dip =
          std::ranges::find_if(from.members, [&](const auto& m) { return m.server.dip == loan->dip; });
      ASSERT_NE(dip, from.members.end());
      to.members.push_back(*dip);
      from.members.erase(dip);
      ASSERT_GE(from.members.size(), kBounds.least);
    }
    EXPECT_EQ(late_loans, 0) << "seed " << seed << ": " << loans << " loans, and it still goes on";
  }
}

}  // namespace
}  // namespace sluice::load
