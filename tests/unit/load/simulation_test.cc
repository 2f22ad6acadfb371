// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Weights by load, simulated: servers of unequal speed get work in proportion to their weights, report how
// busy they are, and the policy has its rounds. The seed is printed with what fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "control/load/policy.h"

namespace sluice::load {
namespace {

constexpr unsigned kServers = 100;
constexpr int kRounds = 20;
constexpr double kFull = maps::Loads::kUnit;

struct World {
  explicit World(unsigned seed) : chance(seed) {
    // From 0.4 to 2.5 times the middle, evenly on a logarithmic scale.
    std::uniform_real_distribution<double> octave(std::log(0.4), std::log(2.5));
    for (unsigned i = 0; i < kServers; ++i) {
      speed.push_back(1000 * std::exp(octave(chance)));
      servers.push_back({.dip = "dip" + std::to_string(100 + i), .figure = Figure{}});
      work.push_back(0);
    }
    double all = 0;
    for (const double s : speed) all += s;
    arriving = 0.6 * all;
    for (unsigned i = 0; i < kServers; ++i) work[i] = arriving / kServers;
  }

  double share(unsigned i) const {
    const auto found = factors.find(servers[i].dip);
    return servers[i].weight * (found == factors.end() ? kFull : found->second);
  }
  double utilisation(unsigned i) const { return std::min(1.0, work[i] / speed[i] + background); }

  // `follows`: the part of the work that follows the weights within a round; the rest are old flows.
  void round() {
    double all = 0;
    for (unsigned i = 0; i < kServers; ++i) all += share(i);
    std::normal_distribution<double> jitter(1, noise);
    for (unsigned i = 0; i < kServers; ++i) {
      work[i] += follows * (arriving * share(i) / all - work[i]);
      if (!servers[i].figure) continue;
      servers[i].figure->utilisation = std::clamp(utilisation(i) * jitter(chance), 0.0, 1.0);
      servers[i].figure->work = std::max(0.0, work[i] * jitter(chance));
    }
    if (lie) lie(servers);
    now += std::chrono::seconds(10);
    const auto changed = follower.round(factors, weight_targets(servers, true), {}, now);
    if (changed) factors = *changed;
    changes += changed.has_value();
  }
  void rounds(int count) {
    for (int n = 0; n < count; ++n) round();
  }

  // The largest deviation from the mean utilisation, relative to it, over servers that report.
  double worst() const {
    double mean = 0, reporting = 0;
    for (unsigned i = 0; i < kServers; ++i) {
      if (!servers[i].figure) continue;
      mean += utilisation(i);
      ++reporting;
    }
    mean /= reporting;
    double worst = 0;
    for (unsigned i = 0; i < kServers; ++i)
      if (servers[i].figure) worst = std::max(worst, std::abs(utilisation(i) / mean - 1));
    return worst;
  }

  std::mt19937 chance;
  std::vector<double> speed, work;
  std::vector<Server> servers;
  std::function<void(std::vector<Server>&)> lie;
  maps::Loads::Factors factors;
  Follower follower;
  TimePoint now{};
  double arriving = 0, follows = 1, noise = 0, background = 0;
  int changes = 0;
};

class Simulation : public testing::TestWithParam<unsigned> {
 protected:
  World world_{GetParam()};
};

TEST_P(Simulation, AHundredUnequalServersAreEquallyBusyInTwentyRoundsAndStay) {
  world_.round();
  EXPECT_GT(world_.worst(), 0.5) << "they begin far apart";
  world_.rounds(kRounds - 1);
  EXPECT_LT(world_.worst(), 0.1);
  const int before = world_.changes;
  for (int n = 0; n < 200; ++n) {
    world_.round();
    ASSERT_LT(world_.worst(), 0.1) << "round " << n;
  }
  EXPECT_EQ(world_.changes, before) << "at rest nothing changes";
}

TEST_P(Simulation, NobodySwingsOnTheWay) {
  std::vector<double> last(kServers, kFull);
  std::vector<int> turns(kServers), direction(kServers);
  for (int n = 0; n < kRounds; ++n) {
    world_.round();
    for (unsigned i = 0; i < kServers; ++i) {
      const int step = (world_.share(i) > last[i]) - (world_.share(i) < last[i]);
      if (step != 0 && step == -direction[i]) ++turns[i];
      if (step != 0) direction[i] = step;
      last[i] = world_.share(i);
    }
  }
  // The middle moves when the slowest stop being full; nobody goes to and fro.
  EXPECT_LE(*std::ranges::max_element(turns), 1);
}

TEST_P(Simulation, OldFlowsThatStayDoNotMakeItSwing) {
  world_.follows = 0.1;
  world_.rounds(60);
  EXPECT_LT(world_.worst(), 0.1);
  const int before = world_.changes;
  world_.rounds(100);
  EXPECT_LT(world_.worst(), 0.1);
  EXPECT_LE(world_.changes, before + 1);
}

TEST_P(Simulation, NoisyReportsKeepItCloseAndDoNotMakeItRestless) {
  world_.noise = 0.02;
  world_.rounds(kRounds);
  const int before = world_.changes;
  for (int n = 0; n < 200; ++n) {
    world_.round();
    ASSERT_LT(world_.worst(), 0.15) << "round " << n;
  }
  EXPECT_LE(world_.changes - before, 40) << "in 200 rounds";
}

TEST_P(Simulation, OtherWorkOnTheServersIsTakenIntoAccount) {
  world_.background = 0.1;
  world_.rounds(40);
  EXPECT_LT(world_.worst(), 0.12);
}

TEST_P(Simulation, ALiarTakesNoMoreThanItsBoundAndHarmsNobody) {
  for (const auto& [utilisation, work] : {std::pair{0.0, 1e10}, std::pair{1.0, 1e-9}, std::pair{0.5, 0.0}}) {
    World world(GetParam());
    const Figure lie{.utilisation = utilisation, .work = work};
    world.lie = [&](std::vector<Server>& servers) { servers[0].figure = lie; };
    world.rounds(60);
    double all = 0, largest = 0, smallest = 1e9;
    for (unsigned i = 0; i < kServers; ++i) {
      all += world.share(i);
      largest = std::max(largest, world.share(i));
      smallest = std::min(smallest, world.share(i));
    }
    EXPECT_LE(world.share(0), 4 * kFull);
    EXPECT_GE(world.share(0), kFull / 4);
    EXPECT_LE(world.share(0) / all, 4.0 / (kServers - 1) * 1.3) << "of the whole";
    // The others are as equal among themselves as without it.
    double mean = 0;
    for (unsigned i = 1; i < kServers; ++i) mean += world.utilisation(i) / (kServers - 1);
    for (unsigned i = 1; i < kServers; ++i) ASSERT_NEAR(world.utilisation(i) / mean, 1, 0.1) << i;
  }
}

TEST_P(Simulation, WhoReportsNothingKeepsTheConfiguredWeight) {
  for (unsigned i = 0; i < 20; ++i) world_.servers[i].figure.reset();
  world_.rounds(40);
  for (unsigned i = 0; i < 20; ++i) EXPECT_EQ(world_.share(i), kFull);
  EXPECT_LT(world_.worst(), 0.1) << "among those that report";
}

TEST_P(Simulation, AServerThatBecomesSlowGetsLess) {
  world_.rounds(kRounds);
  const double before = world_.share(7);
  world_.speed[7] /= 1.5;
  world_.rounds(kRounds);
  EXPECT_LT(world_.share(7), before * 0.75);
  EXPECT_LT(world_.worst(), 0.1);
}

// Two MUXes hear the same reports, each on its own clock and from another beginning, and send half of the
// work each. They do not speak to each other: what they come to must be the same by itself.
TEST_P(Simulation, TwoMuxesComeToTheSameWeights) {
  World& world = world_;
  Follower other;
  maps::Loads::Factors others;
  for (unsigned i = 0; i < kServers; i += 3) others[world.servers[i].dip] = 2 * maps::Loads::kUnit;
  const auto factor = [](const maps::Loads::Factors& factors, const std::string& dip) {
    const auto found = factors.find(dip);
    return found == factors.end() ? kFull : static_cast<double>(found->second);
  };
  const auto deal = [&](const maps::Loads::Factors& factors, std::vector<double>& work) {
    double all = 0;
    for (const Server& server : world.servers) all += server.weight * factor(factors, server.dip);
    for (unsigned i = 0; i < kServers; ++i)
      work[i] += world.arriving / 2 * world.servers[i].weight * factor(factors, world.servers[i].dip) / all;
  };
  const auto report = [&] {
    std::vector<double> work(kServers, 0);
    deal(world.factors, work);
    deal(others, work);
    world.work = work;
    for (unsigned i = 0; i < kServers; ++i)
      world.servers[i].figure = Figure{.utilisation = world.utilisation(i), .work = work[i]};
  };
  const auto follow = [&](Follower& follower, maps::Loads::Factors& factors) {
    report();
    const auto changed = follower.round(factors, weight_targets(world.servers, true), {}, world.now);
    if (changed) factors = *changed;
    return changed.has_value();
  };
  for (int n = 0; n < 3 * kRounds; ++n) {
    world.now += std::chrono::seconds(4);
    follow(world.follower, world.factors);
    world.now += std::chrono::seconds(6);
    follow(other, others);
  }
  report();
  EXPECT_LT(world.worst(), 0.1);
  for (const Server& server : world.servers) {
    const double ours = factor(world.factors, server.dip), theirs = factor(others, server.dip);
    EXPECT_NEAR(std::log2(ours / theirs), 0, 3.01 / 16) << server.dip << ": each within a step and a half";
  }
  for (int n = 0; n < 50; ++n) {
    world.now += std::chrono::seconds(5);
    EXPECT_FALSE(follow(n % 2 ? world.follower : other, n % 2 ? world.factors : others)) << "at rest";
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Simulation, testing::Range(1u, 11u));

}  // namespace
}  // namespace sluice::load
