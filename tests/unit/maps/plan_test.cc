// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// From changes of the model and of health to plans.
#include "control/maps/plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/maps/written.h"

namespace sluice::maps {
namespace {

using namespace test;
using std::chrono::seconds;

// A line for each group: its DIPs; leaving (-), gone (!), down (*).
std::string picture(const Plan& plan) {
  std::string text;
  for (const PlannedGroup& g : plan.at(0).groups) {
    text += (text.empty() ? "" : "; ") + g.name + (g.leaving ? "-" : "") + ":";
    for (const PlannedDip& d : g.dips) {
      text += " " + d.name.substr(d.name.rfind('.') + 1) +
              (d.gone      ? "!"
               : d.leaving ? "-"
                           : "") +
              (d.healthy ? "" : "*");
    }
  }
  return text;
}

struct Mux {
  config::Model in_force;
  History history;

  void change(config::Model next, int when, const ChangeOptions& options = {}) {
    begin_changes(history, in_force, next, at(when), options);
    in_force = std::move(next);
  }
  void health(const std::string& dip, bool up, int when) {
    set_health(history, in_force, "web", dip, up, at(when));
  }
  void tick(int when) {
    const config::Service& service = in_force.services[0];
    history.transitions.tick(
        at(when), [](const MapKey&, const std::string&, const Transitions::Leaving&) { return false; },
        [&](const MapKey& key) {
          if (key.group.empty()) return members_of(service, history);
          const auto found = std::ranges::find(service.groups, key.group, &config::Group::name);
          return found == service.groups.end() ? Members{} : members_of(service, *found, history);
        });
    forget_left(history, in_force);
  }
  Plan plan() const { return make_plan(in_force, history); }
  std::string picture() const { return maps::picture(plan()); }
};

TEST(Plan, AtRestItIsTheModel) {
  const Mux mux{model({group("g", {dip(1), dip(2, 0)})}), {}};
  const Plan plan = mux.plan();
  EXPECT_EQ(mux.picture(), "g: 1 2");
  EXPECT_EQ(plan[0].groups[0].base, nullptr);
  EXPECT_EQ(plan[0].groups[0].dips[0].state(), DipState::kUp);
  EXPECT_EQ(plan[0].groups[0].dips[1].state(), DipState::kDraining);
}

TEST(Plan, ADipThatIsNewToAServiceWithProbesBeginsAsIfDown) {
  History history;
  config::Model before = model({group("a", {dip(1)})}), next = model({group("a", {dip(1), dip(2)})});
  begin_joining(history, before, next);
  EXPECT_EQ(picture(make_plan(next, history)), "a: 1 2") << "nobody asks it, so nobody waits for its answer";
  before.services[0].health.type = next.services[0].health.type = config::HealthType::kTcp;
  begin_joining(history, before, next);
  EXPECT_EQ(picture(make_plan(next, history)), "a: 1 2*");
  set_health(history, next, "web", "10.1.0.2", true, at(1));
  EXPECT_EQ(picture(make_plan(next, history)), "a: 1 2");
  begin_joining(history, next, next);
  EXPECT_EQ(picture(make_plan(next, history)), "a: 1 2");
}

TEST(Plan, ADrainedDipStaysInThePlanUntilItsDeadline) {
  Mux mux{model({group("g", {dip(1), dip(2)})}), {}};
  mux.change(model({group("g", {dip(1)})}), 0);
  EXPECT_EQ(mux.picture(), "g: 1 2-");
  EXPECT_EQ(mux.plan()[0].groups[0].dips[1].state(), DipState::kDraining);
  mux.tick(99);
  EXPECT_EQ(mux.picture(), "g: 1 2-");
  mux.tick(100);
  EXPECT_EQ(mux.picture(), "g: 1");
  EXPECT_TRUE(mux.history.left.empty());
}

TEST(Plan, ADeadlineOfTheCommandStandsAboveTheServices) {
  Mux mux{model({group("g", {dip(1), dip(2)})}), {}};
  mux.change(model({group("g", {dip(1)})}), 0, {.deadline = seconds(7), .now = false});
  mux.tick(7);
  EXPECT_EQ(mux.picture(), "g: 1");
}

TEST(Plan, KeepHasNoDeadline) {
  config::Model before = model({group("g", {dip(1), dip(2)})}), after = model({group("g", {dip(1)})});
  before.services[0].transition.at_deadline = after.services[0].transition.at_deadline =
      config::AtDeadline::kKeep;
  Mux mux{before, {}};
  mux.change(after, 0);
  mux.tick(86'400 * 30);
  EXPECT_EQ(mux.picture(), "g: 1 2-");
}

TEST(Plan, TakenOutAtOnceIsGoneFromTheStart) {
  Mux mux{model({group("g", {dip(1), dip(2)})}), {}};
  mux.change(model({group("g", {dip(1)})}), 0, {.deadline = {}, .now = true});
  EXPECT_EQ(mux.picture(), "g: 1 2!");
  EXPECT_FALSE(mux.plan()[0].groups[0].dips[1].usable());
  mux.tick(1);
  EXPECT_EQ(mux.picture(), "g: 1");
}

TEST(Plan, AStatelessServiceRemembersItsOldMapEvenThen) {
  config::Model before = model({group("g", {dip(1), dip(2)})}), after = model({group("g", {dip(1)})});
  before.services[0].stickiness = after.services[0].stickiness = config::Stickiness::kNone;
  Mux mux{before, {}};
  mux.change(after, 0, {.deadline = {}, .now = true});
  mux.tick(99);
  EXPECT_EQ(mux.picture(), "g: 1 2!");
  mux.tick(100);
  EXPECT_EQ(mux.picture(), "g: 1");
}

TEST(Plan, ANewWeightIsATransition) {
  Mux mux{model({group("g", {dip(1), dip(2)})}), {}};
  mux.change(model({group("g", {dip(1, 5), dip(2)})}), 0);
  ASSERT_NE(mux.plan()[0].groups[0].base, nullptr);
  EXPECT_EQ(mux.plan()[0].groups[0].base->at("10.1.0.1").weight, 1u);
  EXPECT_EQ(mux.plan()[0].groups[0].changes, 1u);
}

TEST(Plan, DeathIsNoTransitionAndReturnIsOne) {
  Mux mux{model({group("g", {dip(1), dip(2)})}), {}};
  mux.health("10.1.0.2", false, 0);
  EXPECT_TRUE(mux.history.transitions.empty());
  EXPECT_EQ(mux.picture(), "g: 1 2*");
  mux.health("10.1.0.2", true, 10);
  EXPECT_EQ(mux.picture(), "g: 1 2");
  ASSERT_NE(mux.plan()[0].groups[0].base, nullptr);
  EXPECT_FALSE(mux.plan()[0].groups[0].base->at("10.1.0.2").up);
  mux.tick(110);
  EXPECT_TRUE(mux.history.transitions.empty());
}

TEST(Plan, WhoDiesDuringATransitionAndReturnsHoldsNothingInTheOldMap) {
  Mux mux{model({group("g", {dip(1), dip(2)})}), {}};
  mux.change(model({group("g", {dip(1), dip(2), dip(3)})}), 0);
  mux.health("10.1.0.2", false, 10);
  mux.health("10.1.0.2", true, 20);
  const Members& base = *mux.plan()[0].groups[0].base;
  EXPECT_FALSE(base.at("10.1.0.2").up) << "its flows have gone to others and stay there";
  EXPECT_TRUE(base.at("10.1.0.1").up);
}

TEST(Plan, HealthThatIsKnownChangesNothing) {
  Mux mux{model({group("g", {dip(1), dip(2)})}), {}};
  mux.health("10.1.0.2", true, 0);
  EXPECT_TRUE(mux.history.transitions.empty());
  mux.health("10.1.0.2", false, 0);
  mux.health("10.1.0.2", false, 1);
  EXPECT_EQ(mux.picture(), "g: 1 2*");
}

TEST(Plan, TheTiersOfOneGroupDoNotMove) {
  Mux mux{model({group("g", {dip(1)})}), {}};
  mux.change(model({group("g", {dip(1), dip(2)})}), 0);
  EXPECT_TRUE(mux.plan()[0].older.empty());
}

TEST(Plan, AGroupIsAddedAndTierOneRemembersItsMap) {
  Mux mux{model({group("g", {dip(1)})}), {}};
  mux.change(model({group("g", {dip(1)}), group("h", {dip(2)})}), 0);
  EXPECT_EQ(mux.picture(), "g: 1; h: 2");
  ASSERT_EQ(mux.plan()[0].older.size(), 1u);
  EXPECT_FALSE(mux.plan()[0].older[0]->contains("h"));
  EXPECT_EQ(mux.plan()[0].groups[0].base, nullptr) << "its own DIPs are the same";
}

TEST(Plan, ARemovedGroupStaysAsLongAsItsFlows) {
  Mux mux{model({group("g", {dip(1)}), group("h", {dip(2)})}), {}};
  mux.change(model({group("g", {dip(1)})}), 0);
  EXPECT_EQ(mux.picture(), "g: 1; h-: 2-");
  EXPECT_FALSE(mux.plan()[0].groups[1].up());
  mux.tick(100);
  EXPECT_EQ(mux.picture(), "g: 1");
  EXPECT_TRUE(mux.history.left.empty());
}

TEST(Plan, AGroupInWhichNobodyIsLeftHoldsNothingInTierOnesOldMaps) {
  Mux mux{model({group("g", {dip(1)}), group("h", {dip(2)})}), {}};
  mux.change(model({group("g", {dip(1), dip(3)}), group("h", {dip(2)})}), 0);
  ASSERT_EQ(mux.plan()[0].older.size(), 1u);
  EXPECT_TRUE(mux.plan()[0].older[0]->at("h").up);
  mux.health("10.1.0.2", false, 5);
  mux.health("10.1.0.2", true, 6);
  EXPECT_FALSE(mux.plan()[0].older[0]->at("h").up);
  EXPECT_TRUE(mux.plan()[0].older[0]->at("g").up);
}

TEST(Plan, AnotherVipIsAnotherService) {
  config::Model before = model({group("g", {dip(1), dip(2)})}), after = model({group("g", {dip(1)})});
  after.services[0].port = 443;
  Mux mux{before, {}};
  mux.health("10.1.0.1", false, 0);
  mux.change(after, 0);
  EXPECT_TRUE(mux.history.transitions.empty());
  EXPECT_EQ(mux.picture(), "g: 1") << "nothing is known of it, no death either";
}

TEST(Plan, AbortGivesBackTheFirstMapAndKeepsTheSecondForItsFlows) {
  Mux mux{model({group("g", {dip(1)})}), {}};
  const config::Model first = mux.in_force;
  mux.change(model({group("g", {dip(1), dip(2)})}), 0);
  mux.change(first, 50);
  EXPECT_EQ(mux.picture(), "g: 1 2-");
  EXPECT_EQ(mux.plan()[0].groups[0].changes, 2u);
  mux.tick(100);
  EXPECT_TRUE(mux.plan()[0].groups[0].base->contains("10.1.0.2"));
  mux.tick(150);
  EXPECT_EQ(mux.picture(), "g: 1");
}

}  // namespace
}  // namespace sluice::maps
