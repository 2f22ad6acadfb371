// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// B6: how 10,000 new flows are shared out.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "tests/unit/stage/control.h"

namespace sluice::test {
namespace {

constexpr unsigned kFlows = 10'000;

// One group of DIPs with these weights.
void serve(Control& control, config::Scheduler scheduler, const std::vector<std::uint32_t>& weights) {
  config::Service& service = control.service();
  service.scheduler = scheduler;
  service.flows = 65'536;
  config::Group group;
  group.name = "default";
  for (std::uint32_t i = 0; i < weights.size(); ++i) {
    group.dips.push_back(
        {.address = make_address(0x0a010001u + i), .port = 0, .weight = weights[i], .line = 0});
  }
  service.groups = {group};
  control.rebuild();
}

std::vector<Arrival> new_flows(std::uint32_t from, unsigned count) {
  std::vector<Arrival> arrivals;
  for (unsigned n = 0; n < count; ++n) arrivals.push_back({make_key(from + n, 6), Layout::kOpensFlow});
  return arrivals;
}

// New flows on each DIP, in the order of the group.
std::vector<unsigned> share(Control& control, unsigned flows = kFlows) {
  std::map<std::string, unsigned> count;
  for (unsigned n = 0; n < flows; n += 50) {
    for (const std::string& dip : control.carry(new_flows(n, std::min(50u, flows - n)))) ++count[dip];
  }
  EXPECT_EQ(count[""], 0u) << "flows were dropped";
  std::vector<unsigned> shares;
  for (const std::string& dip : control.dips()) shares.push_back(count[dip]);
  return shares;
}

TEST(Schedulers, RoundRobinIsExactWhateverTheWeights) {
  Control control;
  serve(control, config::Scheduler::kRoundRobin, {1, 7, 2, 5});
  EXPECT_EQ(share(control), (std::vector<unsigned>{2500, 2500, 2500, 2500}));
}

TEST(Schedulers, WeightedRoundRobinIsWithinTwoPercent) {
  Control control;
  const std::vector<std::uint32_t> weights = {1, 2, 3, 4};
  serve(control, config::Scheduler::kWeightedRoundRobin, weights);
  const auto got = share(control);
  for (std::size_t i = 0; i < got.size(); ++i)
    EXPECT_NEAR(got[i], 1000.0 * weights[i], 20.0 * weights[i]) << i;
}

TEST(Schedulers, WeightedMeansInTurnAndNotInBlocks) {
  Control control;
  serve(control, config::Scheduler::kWeightedRoundRobin, {50, 50});
  const auto got = share(control, 20);
  EXPECT_NEAR(got[0], 10, 1);
}

// Five standard deviations of a binomial: one run in a million would stray further, and the generator starts
// from a fixed state.
void expect_binomial(const std::vector<unsigned>& got, const std::vector<double>& part) {
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], kFlows * part[i], 5 * std::sqrt(kFlows * part[i] * (1 - part[i]))) << i;
  }
}

TEST(Schedulers, RandomIsEven) {
  Control control;
  serve(control, config::Scheduler::kRandom, {1, 9, 3, 1, 1});
  const auto got = share(control);
  expect_binomial(got, {.2, .2, .2, .2, .2});
  EXPECT_NE(std::ranges::min(got), std::ranges::max(got)) << "that would be taking turns";
}

TEST(Schedulers, WeightedRandomFollowsTheWeights) {
  Control control;
  serve(control, config::Scheduler::kWeightedRandom, {1, 2, 3, 4});
  expect_binomial(share(control), {.1, .2, .3, .4});
}

TEST(Schedulers, LeastFlowsFillsUpTheEmptyOnesFirst) {
  Control control;
  serve(control, config::Scheduler::kLeastFlows, {1, 5, 1});
  EXPECT_EQ(share(control, 3000), (std::vector<unsigned>{1000, 1000, 1000}));
  config::Service next = control.service();
  next.groups[0].dips.push_back({.address = make_address(0x0a010063), .port = 0, .weight = 1, .line = 0});
  control.replace(next, {});
  std::map<std::string, unsigned> count;
  for (unsigned n = 0; n < 1000; n += 50) {
    for (const std::string& dip : control.carry(new_flows(5000 + n, 50))) ++count[dip];
  }
  EXPECT_EQ(count["10.1.0.99"], 1000u)
      << "the new one has fewer flows than the others until it has a thousand";
}

TEST(Schedulers, LeastLoadCountsFlowsAgainstCapacity) {
  Control control;
  serve(control, config::Scheduler::kLeastLoad, {1, 2, 5});
  const auto got = share(control, 8000);
  EXPECT_NEAR(got[0], 1000, 5);
  EXPECT_NEAR(got[1], 2000, 5);
  EXPECT_NEAR(got[2], 5000, 5);
}

TEST(Schedulers, LeastLoadFollowsSpareCapacityWithoutATransition) {
  Control control;
  serve(control, config::Scheduler::kLeastLoad, {1, 1, 2});
  control.set_spare({{"10.1.0.1", 512}, {"10.1.0.2", 128}});
  EXPECT_FALSE(control.before().has_value());
  const auto got = share(control, 9000);
  EXPECT_NEAR(got[0], 4000, 10);
  EXPECT_NEAR(got[1], 1000, 10);
  EXPECT_NEAR(got[2], 4000, 10);
}

TEST(Schedulers, LeastLoadCountsFineAndLargeWeightsAlike) {
  Control control;
  serve(control, config::Scheduler::kLeastLoad, {65'535, 13'107, 6'553});
  control.set_spare({{"10.1.0.1", 1024}, {"10.1.0.2", 1024}, {"10.1.0.3", 1024}});
  const auto got = share(control, 6500);
  EXPECT_NEAR(got[0], 5000, 10);
  EXPECT_NEAR(got[1], 1000, 10);
  EXPECT_NEAR(got[2], 500, 10);
}

TEST(Schedulers, AServerThatDiedOrTakesNothingGetsNothing) {
  for (const auto scheduler :
       {config::Scheduler::kRoundRobin, config::Scheduler::kWeightedRandom, config::Scheduler::kLeastFlows}) {
    Control control;
    serve(control, scheduler, {1, 0, 1, 1});
    control.set_health("10.1.0.3", false);
    const auto got = share(control, 1000);
    EXPECT_EQ(got[1], 0u);
    EXPECT_EQ(got[2], 0u);
    EXPECT_EQ(got[0] + got[3], 1000u);
  }
}

TEST(Schedulers, ADryRunChangesNothing) {
  for (const auto scheduler : {config::Scheduler::kRoundRobin, config::Scheduler::kRandom,
                               config::Scheduler::kLeastFlows, config::Scheduler::kHash}) {
    Control control;
    serve(control, scheduler, {1, 1, 1});
    const auto said = control.carry(new_flows(1, 1), true);
    for (unsigned n = 0; n < 100; ++n) ASSERT_EQ(control.carry(new_flows(1, 1), true), said);
    EXPECT_EQ(control.state()->flows.size(), 0u);
    for (const std::string& dip : control.dips()) EXPECT_EQ(control.flows_on(dip), 0u);
    EXPECT_EQ(control.carry(new_flows(1, 1)), said) << "what was foretold comes true";
    EXPECT_EQ(control.state()->flows.size(), 1u);
  }
}

}  // namespace
}  // namespace sluice::test
