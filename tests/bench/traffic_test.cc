// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What scripts/bench sends and how it reads delays: a wrong frame or a wrong order would measure something
// else.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <set>

#include "tests/bench/flow_order.h"
#include "tests/bench/frames.h"
#include "tests/bench/latency.h"

namespace sluice::bench {
namespace {

constexpr std::uint64_t kSomeFlows[] = {0, 1, 7, 99'999, 4'194'304, 123'456'789};

TEST(Frames, of_flow_0_are_the_pattern) {
  for (const bool v6 : {false, true}) {
    const FrameShape shape{.v6 = v6};
    const Frame pattern = make_frame(shape);
    Frame written;
    FrameWriter(shape).write(written.bytes.data(), 0);
    EXPECT_EQ(written.bytes, pattern.bytes);
    EXPECT_EQ(pattern.size, v6 ? 74 : 60);
  }
}

TEST(Frames, have_the_client_the_port_and_the_vip_of_their_flow_and_a_right_checksum) {
  const FrameWriter writer({.services = 100});
  for (const std::uint64_t n : kSomeFlows) {
    std::array<std::uint8_t, 80> frame{};
    writer.write(frame.data(), n);
    Ipv4Header ip;
    std::memcpy(&ip, &frame[sizeof(EthernetHeader)], sizeof ip);
    PortPair ports;
    std::memcpy(&ports, &frame[sizeof(EthernetHeader) + sizeof ip], sizeof ports);
    EXPECT_TRUE(ipv4_checksum_holds(ip)) << n;
    EXPECT_EQ(IpAddress::v4(ip.source), client_of(n, false));
    EXPECT_EQ(IpAddress::v4(ip.destination), service_vip(false, static_cast<std::uint32_t>(n % 100)));
    EXPECT_EQ(ports.source.value(), client_port_of(n));
    EXPECT_EQ(ports.destination.value(), kServicePort);
  }
}

TEST(Frames, of_ipv6_have_the_client_and_the_vip_of_their_flow) {
  const FrameWriter writer({.v6 = true, .services = 3});
  for (const std::uint64_t n : kSomeFlows) {
    std::array<std::uint8_t, 80> frame{};
    writer.write(frame.data(), n);
    Ipv6Header ip;
    std::memcpy(&ip, &frame[sizeof(EthernetHeader)], sizeof ip);
    EXPECT_EQ(ip.source, client_of(n, true).byte);
    EXPECT_EQ(ip.destination, service_vip(true, static_cast<std::uint32_t>(n % 3)).byte);
  }
}

TEST(Order, random_takes_all_flows_about_equally_often) {
  FlowOrder order(Order::kRandom, 100);
  std::map<std::uint64_t, unsigned> seen;
  for (unsigned i = 0; i < 100'000; ++i) ++seen[order.next()];
  EXPECT_EQ(seen.size(), 100u);
  for (const auto& [flow, times] : seen) EXPECT_NEAR(times, 1'000, 100) << flow;
}

TEST(Order, burst_local_has_eight_packets_of_each_of_eight_flows_in_a_burst) {
  FlowOrder order(Order::kLocal, 1'000'000);
  for (unsigned burst = 0; burst < 100; ++burst) {
    std::map<std::uint64_t, unsigned> seen;
    for (unsigned i = 0; i < 64; ++i) ++seen[order.next()];
    EXPECT_EQ(seen.size(), 8u);
    for (const auto& [flow, times] : seen) EXPECT_EQ(times, 8u) << flow;
  }
}

TEST(Order, zipf_gives_flow_k_a_share_that_falls_as_one_over_k) {
  constexpr std::uint32_t kFlows = 100'000;
  FlowOrder order(Order::kZipf, kFlows);
  constexpr unsigned kDraws = 1'000'000;
  std::vector<unsigned> seen(kFlows);
  for (unsigned i = 0; i < kDraws; ++i) ++seen.at(order.next());
  for (const unsigned k : {1u, 2u, 10u, 100u}) {
    const double share = std::log(1.0 + 1.0 / k) / std::log(kFlows + 1.0);
    EXPECT_NEAR(seen[k - 1] / (kDraws * share), 1, 0.1) << k;
  }
}

TEST(Order, new_never_repeats) {
  FlowOrder order(Order::kNew, 10);
  std::set<std::uint64_t> seen;
  for (unsigned i = 0; i < 1'000; ++i) EXPECT_TRUE(seen.insert(order.next()).second);
}

TEST(Delays, are_read_to_two_percent) {
  for (const double ns : {5.0, 63.0, 64.0, 1'000.0, 123'456.0, 1e9}) {
    Delays delays;
    for (unsigned i = 0; i < 1'000; ++i) delays.add(static_cast<std::uint64_t>(ns));
    EXPECT_NEAR(delays.percentile_us(0.5) * 1e3 / ns, 1, 0.02) << ns;
    EXPECT_EQ(delays.most_us() * 1e3, ns);
  }
}

TEST(Delays, know_which_share_is_faster) {
  Delays delays;
  for (unsigned us = 1; us <= 10'000; ++us) delays.add(us * 1'000);
  EXPECT_NEAR(delays.percentile_us(0.5), 5'000, 100);
  EXPECT_NEAR(delays.percentile_us(0.99), 9'900, 200);
  EXPECT_NEAR(delays.percentile_us(0.999), 9'990, 200);
  EXPECT_EQ(delays.count(), 10'000u);
  EXPECT_EQ(Delays{}.percentile_us(0.5), 0);
}

}  // namespace
}  // namespace sluice::bench
