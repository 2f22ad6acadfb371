// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/status.h"

#include <gtest/gtest.h>

namespace sluice::agent::test {
namespace {

TEST(Status, TellsEveryFactUnderItsName) {
  Config config;
  config.vips = {{*parse_prefix("203.0.113.10"), {{Protocol::kTcp, 80, 8080}, {Protocol::kUdp, 53, 0}}},
                 {*parse_prefix("2001:db8:cb::/64"), {Service{}}}};
  StatusFacts facts;
  facts.state = "draining";
  facts.healthy = false;
  facts.health_text = "HTTP status 500";
  facts.uptime_s = 12.3456;
  facts.machine = {{0.5, 1.25, 2}, 33.3333, 21.2345, 4, {8192, 4096}, 48.5};
  facts.interfaces = {{"eth0", 1500, 1452, 2}};
  facts.held = {true, false};
  facts.connections = {{5, {3, 1}}, {2, {2}}};
  facts.counters.resize(3);
  facts.counters[0].packets[TUNNEL_OTHER_TUNNEL] = 7;
  facts.counters[1].packets[TUNNEL_IPV4_IN_IPV4] = 10;
  facts.counters[1].packets[TUNNEL_GUE_OVER_IPV6] = 5;
  facts.counters[1].packets[TUNNEL_REPLY] = 9;
  facts.counters[1].rx_bytes = 1000;
  facts.counters[1].tx_bytes = 2000;
  facts.rx_pps = {12.345, 0};
  Drains drains;
  const DrainClock::time_point start{};
  drains.begin({{*parse_prefix("203.0.113.10"), Protocol::kTcp, 80, 8080}, std::chrono::seconds(60)},
               *parse_address("10.0.0.10"), start);
  drains.count(drains.all().begin()->first, 0, start + std::chrono::seconds(4));
  facts.drains = &drains;
  facts.hook = "done";
  facts.now = start + std::chrono::seconds(10);

  const nlohmann::json status = make_status(config, facts);
  EXPECT_EQ(status["version"], SLUICE_VERSION);
  EXPECT_EQ(status["state"], "draining");
  EXPECT_EQ(status["healthy"], false);
  EXPECT_EQ(status["health"], "HTTP status 500");
  EXPECT_EQ(status["uptime_s"], 12.35);
  EXPECT_EQ(status["connections"], 7);
  EXPECT_EQ(status["load"],
            (nlohmann::json{{"average_1min", 0.5}, {"average_5min", 1.25}, {"average_15min", 2.0}}));
  EXPECT_EQ(status["cpu"],
            (nlohmann::json{{"count", 4}, {"busy_percent", 33.33}, {"busy_10s_percent", 21.23}}));
  EXPECT_EQ(status["temperature_c"], 48.5);
  EXPECT_EQ(status["memory"], (nlohmann::json{{"total_bytes", 8192}, {"available_bytes", 4096}}));
  EXPECT_EQ(
      status["interfaces"][0],
      (nlohmann::json{{"name", "eth0"}, {"mtu_bytes", 1500}, {"inner_mtu_bytes", 1452}, {"rp_filter", 2}}));
  EXPECT_EQ(status["left_alone_packets"],
            (nlohmann::json{{"other-tunnel", 7}, {"outer-fragment", 0}, {"bad-tunnel", 0}}));

  const auto& vip = status["vips"][0];
  EXPECT_EQ(vip["address"], "203.0.113.10");
  EXPECT_EQ(vip["held"], true);
  EXPECT_EQ(status["vips"][1]["held"], false);
  EXPECT_EQ(vip["connections"], 5);
  EXPECT_EQ(vip["rx_packets"], 15);
  EXPECT_EQ(vip["rx_bytes"], 1000);
  EXPECT_EQ(vip["tx_packets"], 9);
  EXPECT_EQ(vip["tx_bytes"], 2000);
  EXPECT_EQ(vip["packets"]["gue-over-ipv6"], 5);
  EXPECT_FALSE(vip["packets"].contains("other-tunnel"));
  EXPECT_EQ(
      vip["services"][0],
      (nlohmann::json{
          {"protocol", "tcp"}, {"port", 80}, {"dip_port", 8080}, {"state", "draining"}, {"connections", 3}}));
  EXPECT_EQ(
      vip["services"][1],
      (nlohmann::json{
          {"protocol", "udp"}, {"port", 53}, {"dip_port", 53}, {"state", "alive"}, {"connections", 1}}));
  EXPECT_EQ(vip["rx_pps"], 12.35);
  EXPECT_EQ(status["drains"], nlohmann::json::array({{{"vip", "203.0.113.10"},
                                                      {"protocol", "tcp"},
                                                      {"port", 80},
                                                      {"since_s", 10.0},
                                                      {"remaining_s", 50.0},
                                                      {"connections", 0},
                                                      {"empty_s", 6.0}}}));
  EXPECT_EQ(status["drain_hook"], "done");
  EXPECT_EQ(status["vips"][1]["address"], "2001:db8:cb::/64");
  EXPECT_EQ(status["vips"][1]["services"][0]["protocol"], "any");
}

}  // namespace
}  // namespace sluice::agent::test
