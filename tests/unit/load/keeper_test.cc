// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Reports of agents in, loads out: the keeper over a model of its own, on a made-up clock.
#include "control/load/keeper.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "control/maps/plan.h"

namespace sluice::load {
namespace {

using maps::Loads;
using std::chrono::seconds;

TimePoint at(int s) {
  return TimePoint(seconds(s));
}
config::Dip dip(unsigned last, std::uint32_t weight = 1) {
  return {.address = IpAddress::v4(Big32(0x0a010000 + last)), .weight = weight};
}
std::string name(unsigned last) {
  return "10.1.0." + std::to_string(last);
}
config::Group group(const std::string& called, std::vector<config::Dip> dips) {
  config::Group made;
  made.name = called;
  made.dips = std::move(dips);
  return made;
}

class Keepers : public testing::Test {
 protected:
  Keepers() {
    config::Service service;
    service.name = "web";
    service.vip = *parse_prefix("203.0.113.10");
    service.health.type = config::HealthType::kAgent;
    service.weights = config::Weights::kAdaptive;
    service.transition.deadline_s = 32;
    service.groups = {group("g", {dip(1), dip(2), dip(3)})};
    model_.services = {service};
  }
  config::Service& service() { return model_.services[0]; }

  void report(unsigned last, double busy_percent, double rx_pps, health::Life life = health::Life::kAlive) {
    health::Report said{.life = life};
    said.cpu_busy_10s_percent = busy_percent;
    said.vips = {{service().vip, 1, rx_pps}};
    keeper_.report("web", name(last), said, now_);
  }
  // A tick a second, and before each of them the reports.
  void pass(
      int count, const std::function<void()>& reports = [] {}) {
    for (int n = 0; n < count; ++n) {
      now_ += seconds(1);
      reports();
      const config::Model effective = maps::effective(model_, loads_);
      keeper_.tick({model_, effective, loads_, directory_}, now_);
    }
  }
  std::uint32_t factor(unsigned last) const { return maps::factor_of(loads_.weights, "web", name(last)); }
  // Where DIPs serve: "a: 1 2; b: 3".
  std::string groups() const {
    std::string text;
    const config::Model effective = maps::effective(model_, loads_);
    for (const config::Group& g : effective.services[0].groups) {
      text += (text.empty() ? "" : "; ") + g.name + ":";
      for (const config::Dip& d : g.dips) text += " " + maps::dip_name(d).substr(7);
    }
    return text;
  }

  config::Model model_;
  Loads loads_;
  maps::Directory directory_;
  TimePoint now_ = at(1000);
  std::vector<std::string> log_;
  int by_load_ = 0, others_ = 0;
  std::optional<std::string> refuse_;
  Keeper keeper_{[this](Loads next, const maps::ChangeOptions& options) -> std::optional<std::string> {
                   if (refuse_) return refuse_;
                   loads_ = std::move(next);
                   ++(options.by_load ? by_load_ : others_);
                   return {};
                 },
                 [this](const std::string& sentence) { log_.push_back(sentence); }};
};

TEST_F(Keepers, WeightsFollowTheReports) {
  pass(120, [&] {
    report(1, 50, 100);
    report(2, 25, 100);
    report(3, 50, 100);
  });
  EXPECT_EQ(factor(1), Loads::kUnit);
  EXPECT_NEAR(factor(2), 2 * Loads::kUnit, 36) << "to a step and a half";
  EXPECT_EQ(others_, 0) << "nobody leaves a group";
  ASSERT_FALSE(log_.empty());
  EXPECT_EQ(log_[0].find("service web: weights by load: 10.1.0.2 1.24"), 0u) << log_[0];
}

TEST_F(Keepers, ChangesAreAsRareAsTheServiceSays) {
  service().load.interval_s = 20;
  int turn = 0;
  pass(400, [&] {
    ++turn;
    report(1, turn / 20 % 2 ? 90 : 10, 100);
    report(2, 30, 100);
    report(3, 30, 100);
  });
  EXPECT_GT(by_load_, 0);
  EXPECT_LE(by_load_, 20);
}

TEST_F(Keepers, SoManyChangesAreUnderWayAndNoMore) {
  service().transition.deadline_s = 1600;  // each change is remembered for so long
  int turn = 0;
  pass(1600, [&] {
    ++turn;
    report(1, turn / 100 % 2 ? 90 : 10, 100);
    report(2, 30, 100);
    report(3, 30, 100);
  });
  EXPECT_GT(by_load_, 1);
  EXPECT_LE(by_load_, static_cast<int>(kMostUnderWay));
}

TEST_F(Keepers, ConfiguredWeightsStay) {
  service().weights = config::Weights::kConfigured;
  pass(120, [&] {
    report(1, 90, 100);
    report(2, 10, 100);
    report(3, 50, 100);
  });
  EXPECT_EQ(loads_, Loads{});
}

TEST_F(Keepers, SilenceBringsTheConfiguredWeightBack) {
  pass(120, [&] {
    report(1, 50, 100);
    report(2, 25, 100);
    report(3, 50, 100);
  });
  EXPECT_TRUE(keeper_.last(service(), name(2), now_));
  pass(60, [&] {
    report(1, 50, 100);
    report(3, 50, 100);
  });
  EXPECT_EQ(factor(2), Loads::kUnit);
  EXPECT_FALSE(keeper_.last(service(), name(2), now_));
}

TEST_F(Keepers, WhatIsSwitchedOffIsTakenBack) {
  const auto unequal = [&] {
    report(1, 50, 100);
    report(2, 25, 100);
    report(3, 50, 100);
  };
  pass(120, unequal);
  service().weights = config::Weights::kConfigured;
  pass(60, unequal);
  EXPECT_EQ(factor(2), Loads::kUnit);
  service().health.type = config::HealthType::kHttp;
  pass(1);
  EXPECT_EQ(loads_, Loads{}) << "no trace is left";
}

TEST_F(Keepers, AServerThatSaysThatItDrainsGetsNoNewFlowsWhateverTheWeights) {
  service().weights = config::Weights::kConfigured;
  pass(30, [&] {
    report(1, 50, 100, health::Life::kDraining);
    report(2, 50, 100);
  });
  EXPECT_EQ(factor(1), 0u);
  EXPECT_EQ(factor(2), Loads::kUnit);
  pass(60, [&] { report(1, 50, 100); });
  EXPECT_EQ(factor(1), Loads::kUnit);
}

TEST_F(Keepers, CapacitiesFollowSpareWithoutAWordAboutWeights) {
  service().weights = config::Weights::kConfigured;
  service().scheduler = config::Scheduler::kLeastLoad;
  pass(120, [&] {
    report(1, 20, 1);
    report(2, 60, 1);
    report(3, 80, 1);
  });
  EXPECT_TRUE(loads_.weights.empty());
  EXPECT_NEAR(maps::factor_of(loads_.spare, "web", name(1)), 2 * Loads::kUnit, 36);
  EXPECT_NEAR(maps::factor_of(loads_.spare, "web", name(3)), Loads::kUnit / 2, 9);
  service().scheduler = config::Scheduler::kHash;
  pass(1);
  EXPECT_TRUE(loads_.spare.empty());
}

TEST_F(Keepers, AGroupLendsAServerAndItsHomeIsRemembered) {
  service().weights = config::Weights::kConfigured;
  service().balance_groups = true;
  service().groups = {group("a", {dip(1), dip(2), dip(3), dip(4)}), group("b", {dip(5), dip(6)})};
  const auto apart = [&] {
    for (unsigned n = 1; n <= 4; ++n) report(n, 10, 1);
    for (unsigned n = 5; n <= 6; ++n) report(n, 90, 1);
  };
  pass(90, apart);
  EXPECT_EQ(groups(), "a: 2 3 4; b: 5 6 1");
  EXPECT_EQ(others_, 1);
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_EQ(
      log_[0],
      "service web: DIP 10.1.0.1 goes from group a to group b, since group b is 90 % busy and group a 10 %");
  // The tables turn: it goes home first.
  pass(120, [&] {
    for (const unsigned n : {2u, 3u, 4u}) report(n, 90, 1);
    for (const unsigned n : {1u, 5u, 6u}) report(n, 10, 1);
  });
  EXPECT_EQ(groups(), "a: 1 2 3 4; b: 5 6");
  EXPECT_TRUE(loads_.lent.empty());
}

TEST_F(Keepers, WhoIsTakenOutOfTheModelIsNotLentAnyMore) {
  service().balance_groups = true;
  service().groups = {group("a", {dip(1), dip(2), dip(3), dip(4)}), group("b", {dip(5), dip(6)})};
  loads_.lent["web"][{name(1), "a"}] = "b";
  service().groups[0].dips.erase(service().groups[0].dips.begin());
  pass(1);
  EXPECT_TRUE(loads_.lent.empty());
}

TEST_F(Keepers, ARefusalIsNamedOnce) {
  refuse_ = "not applied: more than 3 DIPs";
  pass(120, [&] {
    report(1, 50, 100);
    report(2, 25, 100);
    report(3, 50, 100);
  });
  EXPECT_EQ(loads_, Loads{});
  EXPECT_EQ(std::ranges::count(log_, "load: not applied: more than 3 DIPs"), 1);
}

}  // namespace
}  // namespace sluice::load
