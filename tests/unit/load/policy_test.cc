// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Reports become figures, and figures wishes: who is fast, who is idle, who lies, who is silent, who leaves.
#include "control/load/policy.h"

#include <gtest/gtest.h>

#include <limits>

namespace sluice::load {
namespace {

Server server(const std::string& dip, double utilisation, double work, std::uint32_t weight = 1) {
  return {.dip = dip, .weight = weight, .figure = Figure{.utilisation = utilisation, .work = work}};
}
Server silent(const std::string& dip) {
  return {.dip = dip};
}
Server leaving(const std::string& dip) {
  Server one = server(dip, 0.5, 100);
  one.figure->takes = false;
  return one;
}
double factor(const std::map<std::string, Target>& targets, const std::string& dip) {
  EXPECT_EQ(targets.at(dip).wish, Wish::kFactor) << dip;
  return targets.at(dip).factor;
}

TEST(Figures, OfAReportAreSharesAndRates) {
  const Prefix vip = *parse_prefix("203.0.113.10");
  health::Report report;
  report.cpu_busy_percent = 90;
  report.cpu_busy_10s_percent = 40;
  report.vips = {{vip, 7, 1500.0}, {*parse_prefix("203.0.113.11"), 1, 9.0}};
  EXPECT_EQ(figure_of(report, vip).utilisation, 0.4) << "the smoothed one";
  EXPECT_EQ(figure_of(report, vip).work, 1500.0);
  EXPECT_FALSE(figure_of(report, *parse_prefix("203.0.113.12")).work);
  report.cpu_busy_10s_percent.reset();
  EXPECT_EQ(figure_of(report, vip).utilisation, 0.9);
}

TEST(Figures, OfVipsThatCannotBeBelievedAreNotThere) {
  const Prefix vip = *parse_prefix("203.0.113.10");
  const auto work = [&](const std::string& vips) {
    const health::Answer answer = health::read_status(R"({"state": "alive", "vips": )" + vips + "}");
    EXPECT_TRUE(answer.report) << vips;
    return figure_of(answer.report.value_or(health::Report{}), vip).work;
  };
  EXPECT_EQ(work(R"([{"address": "203.0.113.10", "rx_pps": 1500.5}])"), 1500.5);
  EXPECT_EQ(work(R"([{"address": "203.0.113.10", "rx_pps": 7}, {"address": "203.0.113.10", "rx_pps": 9e9}])"),
            7)
      << "who is named twice is believed once";
  for (const char* lie :
       {"null", "{}", "7", "[null]", "[[]]", R"([{"rx_pps": 5}])", R"([{"address": 7, "rx_pps": 5}])",
        R"([{"address": "web", "rx_pps": 5}])", R"([{"address": "203.0.113.11", "rx_pps": 5}])",
        R"([{"address": "203.0.113.10", "rx_pps": -1}])", R"([{"address": "203.0.113.10", "rx_pps": 1e11}])",
        R"([{"address": "203.0.113.10", "rx_pps": "5"}])", R"([{"address": "203.0.113.10"}])"}) {
    EXPECT_FALSE(work(lie)) << lie;
  }
  std::string many = "[";
  for (std::size_t n = 0; n < 2 * health::kMostVips; ++n)
    many += R"({"address": "2001:db8::)" + std::to_string(n % 9999) + "\"},";
  many += R"({"address": "203.0.113.10", "rx_pps": 5}])";
  EXPECT_FALSE(work(many)) << "beyond the bound nothing is read";
}

TEST(Figures, FallBackOnTheRunQueueAndMindTightMemory) {
  const Prefix vip = *parse_prefix("203.0.113.10");
  health::Report report;
  EXPECT_FALSE(figure_of(report, vip).utilisation);
  report.load_1min = 2;
  report.cpus = 8;
  EXPECT_EQ(figure_of(report, vip).utilisation, 0.25);
  report.load_1min = 80;
  EXPECT_EQ(figure_of(report, vip).utilisation, 1.0);
  report.load_1min = 2;
  report.memory_used_percent = 80;
  EXPECT_EQ(figure_of(report, vip).utilisation, 0.25);
  report.memory_used_percent = 97;
  EXPECT_EQ(figure_of(report, vip).utilisation, 0.97);
}

TEST(Figures, KnowWhoTakesNothingNew) {
  const Prefix vip = *parse_prefix("203.0.113.10");
  for (const auto life : {health::Life::kDraining, health::Life::kLeaving})
    EXPECT_FALSE(figure_of(health::Report{.life = life}, vip).takes);
  for (const auto life : {health::Life::kAlive, health::Life::kJoining, health::Life::kRestarting})
    EXPECT_TRUE(figure_of(health::Report{.life = life}, vip).takes);
}

TEST(WeightTargets, AreInProportionToSpeed) {
  const auto targets =
      weight_targets({server("a", 0.5, 100), server("b", 0.25, 100), server("c", 0.5, 100)}, true);
  EXPECT_EQ(factor(targets, "a"), 1);
  EXPECT_EQ(factor(targets, "b"), 2) << "the same work at half the trouble";
}

TEST(WeightTargets, AreRelativeToTheConfiguredWeights) {
  const auto targets =
      weight_targets({server("a", 0.5, 100, 1), server("b", 0.5, 300, 3), server("c", 0.5, 100, 2)}, true);
  EXPECT_EQ(factor(targets, "a"), 1);
  EXPECT_EQ(factor(targets, "b"), 1) << "three times the weight and three times the speed";
  EXPECT_EQ(factor(targets, "c"), 0.5);
}

TEST(WeightTargets, DoNotDependOnTheWeightsInForce) {
  // The same servers under other shares: speeds 200 and 400 a second.
  const auto even =
      weight_targets({server("a", 0.5, 100), server("b", 0.25, 100), server("c", 0.5, 100)}, true);
  const auto odd = weight_targets({server("a", 0.25, 50), server("b", 0.5, 200), server("c", 0.3, 60)}, true);
  for (const char* dip : {"a", "b", "c"}) EXPECT_DOUBLE_EQ(factor(even, dip), factor(odd, dip));
}

TEST(WeightTargets, OfTheSilentAreWhatIsConfigured) {
  Server without_work = server("b", 0.5, 0);
  without_work.figure->work.reset();
  Server without_cpu = server("c", 0.5, 100);
  without_cpu.figure->utilisation.reset();
  const auto targets = weight_targets({silent("a"), without_work, without_cpu, server("d", 0.5, 100)}, true);
  for (const char* dip : {"a", "b", "c"}) EXPECT_EQ(targets.at(dip).wish, Wish::kConfigured) << dip;
}

TEST(WeightTargets, OfOneWithoutWorkIsToStay) {
  const auto targets = weight_targets({server("a", 0.5, 0), server("b", 0.5, 100)}, true);
  EXPECT_EQ(targets.at("a").wish, Wish::kStay);
}

TEST(WeightTargets, StayWhereTheServiceIsIdle) {
  const auto targets =
      weight_targets({server("a", 0.02, 10), server("b", 0.01, 100), server("c", 0.9, 1)}, true);
  for (const char* dip : {"a", "b", "c"}) EXPECT_EQ(targets.at(dip).wish, Wish::kStay) << dip;
}

TEST(WeightTargets, OfTheHonestDoNotMoveWhenOneLies) {
  std::vector<Server> servers;
  for (char c = 'a'; c < 'k'; ++c) servers.push_back(server(std::string(1, c), 0.5, 100));
  const auto honest = weight_targets(servers, true);
  for (const auto& [utilisation, work] :
       {std::pair{0.0, 1e10}, std::pair{1.0, 1e-9}, std::pair{0.0, 1e-300}, std::pair{1.0, 1e10}}) {
    servers[0] = server("a", utilisation, work);
    const auto targets = weight_targets(servers, true);
    for (char c = 'b'; c < 'k'; ++c)
      EXPECT_EQ(targets.at(std::string(1, c)).factor, honest.at(std::string(1, c)).factor);
  }
}

TEST(WeightTargets, CanBeToldByTheServer) {
  std::vector<Server> servers = {server("a", 0.5, 100), server("b", 0.5, 100), server("c", 0.5, 100)};
  servers[0].figure = Figure{.told = 0.5};
  servers[1].figure = Figure{.told = 0};
  const auto targets = weight_targets(servers, true);
  EXPECT_EQ(factor(targets, "a"), 0.5);
  EXPECT_EQ(targets.at("b").wish, Wish::kNothing);
}

TEST(WeightTargets, OfOneThatDrainsIsNothingEvenWhereWeightsAreConfigured) {
  for (const bool adapt : {true, false}) {
    const auto targets = weight_targets({leaving("a"), server("b", 0.5, 100)}, adapt);
    EXPECT_EQ(targets.at("a").wish, Wish::kNothing);
    EXPECT_EQ(targets.at("b").wish, adapt ? Wish::kFactor : Wish::kConfigured);
  }
}

TEST(WeightTargets, NobodyIsHeardWhenAllWantToLeave) {
  Server dead = server("c", 0.5, 100);
  dead.up = false;
  for (const auto& [dip, target] : weight_targets({leaving("a"), leaving("b"), dead}, true))
    EXPECT_NE(target.wish, Wish::kNothing) << dip;
}

TEST(SpareTargets, FollowWhatIsIdle) {
  const auto targets =
      spare_targets({server("a", 0.2, 0), server("b", 0.6, 0), server("c", 0.8, 0), silent("d")});
  EXPECT_DOUBLE_EQ(factor(targets, "a"), 2);
  EXPECT_DOUBLE_EQ(factor(targets, "b"), 1);
  EXPECT_DOUBLE_EQ(factor(targets, "c"), 0.5);
  EXPECT_EQ(targets.at("d").wish, Wish::kConfigured);
}

TEST(SpareTargets, OfAFullServerAreStillSomething) {
  const auto targets = spare_targets({server("a", 1, 0), server("b", 1, 0), server("c", 0, 0)});
  EXPECT_EQ(factor(targets, "a"), 1);
  EXPECT_DOUBLE_EQ(factor(targets, "c"), 1 / kLeastSpare);
}

}  // namespace
}  // namespace sluice::load
