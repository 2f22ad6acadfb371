// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The operator's model with the servers' loads in it: weights, lent DIPs, and what the change of them begins.
#include "control/maps/loads.h"

#include <gtest/gtest.h>

#include "tests/unit/maps/written.h"

namespace sluice::maps {
namespace {

using namespace test;

Loads weights(Loads::Factors factors) {
  return {.weights = {{"web", std::move(factors)}}};
}
Loads lent(const std::string& dip, const std::string& from, const std::string& to) {
  return {.lent = {{"web", {{{dip, from}, to}}}}};
}

// "a: 1*256 2*256; b: 3*256": the last part of each address, and its weight.
std::string picture(const config::Model& m) {
  std::string text;
  for (const config::Group& g : m.services[0].groups) {
    text += (text.empty() ? "" : "; ") + g.name + ":";
    for (const config::Dip& d : g.dips) {
      const std::string name = dip_name(d);
      text += " " + name.substr(name.rfind('.') + 1) + "*" + std::to_string(d.weight);
    }
  }
  return text;
}

TEST(Loads, WithoutAnyTheModelIsWhatItWas) {
  const config::Model written = model({group("g", {dip(1), dip(2, 3)})});
  EXPECT_EQ(effective(written, {}), written);
}

TEST(Loads, WeightsAreScaledFineAndWhoIsNotNamedKeepsItsOwn) {
  const config::Model written = model({group("g", {dip(1), dip(2, 3), dip(3, 0)})});
  EXPECT_EQ(picture(effective(written, weights({{"10.1.0.1", 384}}))), "g: 1*384 2*768 3*0");
}

TEST(Loads, TheLargestWeightTimesTheLargestFactorHasRoom) {
  const config::Model written = model({group("g", {dip(1, 65'535), dip(2)})});
  EXPECT_EQ(picture(effective(written, weights({{"10.1.0.1", 65'535}}))), "g: 1*4294836225 2*256");
}

TEST(Loads, TierOnesSharesStayThoseOfTheModel) {
  const config::Model written = model({group("a", {dip(1), dip(2)}), group("b", {dip(3, 5)})});
  const History history;
  const Members tier1 = members_of(written.services[0], history);
  const config::Model scaled = effective(written, weights({{"10.1.0.1", 1024}}));
  EXPECT_EQ(members_of(scaled.services[0], history), tier1);
  const config::Model moved = effective(written, lent("10.1.0.1", "a", "b"));
  EXPECT_EQ(members_of(moved.services[0], history), tier1);
}

TEST(Loads, ALentDipServesTheOtherGroup) {
  const config::Model written = model({group("a", {dip(1), dip(2)}), group("b", {dip(3)})});
  EXPECT_EQ(picture(effective(written, lent("10.1.0.1", "a", "b"))), "a: 2*1; b: 3*1 1*1");
}

TEST(Loads, NoGroupIsEmptiedByLending) {
  const config::Model written = model({group("a", {dip(1), dip(2, 0)}), group("b", {dip(3)})});
  EXPECT_EQ(effective(written, lent("10.1.0.1", "a", "b")).services[0].groups[0].dips.size(), 2u)
      << "nobody else of group a takes flows";
  Loads both = lent("10.1.0.1", "a", "b");
  both.lent["web"][{"10.1.0.2", "a"}] = "b";
  const config::Model two = model({group("a", {dip(1), dip(2)}), group("b", {dip(3)})});
  EXPECT_EQ(effective(two, both).services[0].groups[0].dips.size(), 1u);
}

TEST(Loads, WhatCannotBeLentStays) {
  const config::Model written = model({group("a", {dip(1), dip(2)}), group("b", {dip(3), dip(1)})});
  for (const Loads& loads : {lent("10.1.0.1", "a", "b"), lent("10.1.0.2", "a", "none"),
                             lent("10.1.0.9", "a", "b"), lent("10.1.0.2", "none", "b")}) {
    EXPECT_EQ(picture(effective(written, loads)), picture(written));
  }
}

struct Mux {
  config::Model written;
  config::Model in_force = written;
  History history = {};

  void load(const Loads& loads, int when, const ChangeOptions& options = {}) {
    config::Model next = effective(written, loads);
    begin_changes(history, in_force, next, at(when), options);
    in_force = std::move(next);
  }
};

TEST(Loads, ANewFactorIsATransitionThatTakesNobodyOut) {
  Mux mux{model({group("g", {dip(1), dip(2)})})};
  mux.load(weights({{"10.1.0.1", 512}}), 0, {.by_load = true});
  const Plan plan = make_plan(mux.in_force, mux.history);
  ASSERT_NE(plan[0].groups[0].base, nullptr);
  EXPECT_EQ(plan[0].groups[0].dips[0].dip.weight, 512u);
  EXPECT_EQ(plan[0].groups[0].dips[1].dip.weight, 256u);
  EXPECT_TRUE(plan[0].older.empty());
}

TEST(Loads, ATransitionByLoadEndsEvenWhereFlowsAreKept) {
  for (const bool by_load : {true, false}) {
    config::Model written = model({group("g", {dip(1), dip(2)})});
    written.services[0].transition.at_deadline = config::AtDeadline::kKeep;
    Mux mux{written};
    mux.load(weights({{"10.1.0.1", 512}}), 0, {.by_load = by_load});
    EXPECT_EQ(*mux.history.transitions.deadline({"web", "g"}) == at(100), by_load);
  }
}

TEST(Loads, ALentDipLeavesOneGroupWithItsFlowsAndJoinsTheOther) {
  Mux mux{model({group("a", {dip(1), dip(2)}), group("b", {dip(3)})})};
  mux.load(lent("10.1.0.1", "a", "b"), 0);
  const Plan plan = make_plan(mux.in_force, mux.history);
  const PlannedGroup &a = plan[0].groups[0], &b = plan[0].groups[1];
  ASSERT_EQ(a.dips.size(), 2u);
  EXPECT_EQ(a.dips[1].name, "10.1.0.1");
  EXPECT_TRUE(a.dips[1].leaving && a.dips[1].usable());
  ASSERT_EQ(b.dips.size(), 2u);
  EXPECT_EQ(b.dips[1].state(), DipState::kUp);
  EXPECT_TRUE(plan[0].older.empty()) << "tier 1 has nothing to do with it";
}

}  // namespace
}  // namespace sluice::maps
