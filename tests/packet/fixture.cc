// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "tests/packet/fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

namespace sluice::test {
namespace {

constexpr unsigned kIpv4Type = 0x0800, kIpv6Type = 0x86dd, kGuePort = 6080;

// The IP packet of a frame, without padding.
Bytes ip_in(const Bytes& frame) {
  const Bytes l3 = read_frame(frame).l3;
  const unsigned bytes = l3.at(0) >> 4 == 4 ? get16(l3, 2) : get16(l3, 4) + 40;
  return slice(l3, 0, bytes);
}

std::string mac_in(std::string_view text) {
  return std::string(text);
}

void check_link(const Sent& sent, const Outer& expected, const Ip& outer) {
  const Frame frame = read_frame(sent.frame);
  EXPECT_EQ(frame.to, mac_in(expected.mac));
  EXPECT_EQ(frame.from, mac_in(kMuxMac));
  EXPECT_EQ(frame.tags, expected.tags);
  EXPECT_EQ(frame.type, outer.v6 ? kIpv6Type : kIpv4Type);
  EXPECT_EQ(sent.port, expected.port);
}

void check_outer(const Tunnelled& tunnel, const Ip& inner, const Outer& expected) {
  const Ip& outer = tunnel.outer;
  EXPECT_EQ(outer.protocol, expected.gue ? 17u : inner.v6 ? 41u : 4u);
  EXPECT_EQ(outer.ttl, 64u);
  EXPECT_EQ(outer.tos, inner.tos) << "DSCP and ECN are copied";
  EXPECT_FALSE(outer.more);
  EXPECT_EQ(outer.offset_bytes, 0u);
  if (!outer.v6) {
    EXPECT_EQ(outer.dont_fragment, inner.v6 || inner.dont_fragment);
  }
  if (!expected.source_in.empty()) {
    const auto net = parse_prefix(expected.source_in);
    EXPECT_TRUE(net->contains(*parse_address(outer.source))) << outer.source;
  } else {
    const std::string_view source = !expected.source.empty() ? expected.source : outer.v6 ? kMuxV6 : kMuxV4;
    EXPECT_EQ(outer.source, source);
  }
}

std::set<std::string> dips_of(const World& world, std::string_view vip) {
  std::set<std::string> all;
  for (const std::string& dip : world.service_at(vip).dips()) all.insert(dip);
  return all;
}

void check_drop(const Scene& scene, DropReason reason, std::uint64_t count) {
  for (const auto& [why, n] : scene.out.dropped) {
    EXPECT_EQ(why, reason) << "dropped as " << describe(why).word << ", not as " << describe(reason).word;
    EXPECT_EQ(n, count);
  }
  EXPECT_FALSE(scene.out.dropped.empty()) << "nothing was dropped";
}

}  // namespace

Tunnelled open_tunnel(const Bytes& frame) {
  Tunnelled tunnel;
  tunnel.outer = read_ip(read_frame(frame).l3);
  tunnel.inner = tunnel.outer.payload;
  if (tunnel.outer.protocol == 17) {
    const Udp udp = read_udp(tunnel.outer.payload);
    if (udp.destination != kGuePort) throw std::runtime_error("the UDP port is not that of GUE");
    if (udp.checksum != 0) throw std::runtime_error("the UDP checksum of GUE is not zero");
    tunnel.inner = udp.payload;
    tunnel.udp_source = udp.source;
  }
  return tunnel;
}

std::string dip_of(const Sent& sent) {
  return open_tunnel(sent.frame).outer.destination;
}

Then dropped(DropReason reason) {
  return {[reason](const Scene& scene) {
            check_drop(scene, reason, scene.in.size());
            EXPECT_TRUE(scene.out.sent.empty());
            EXPECT_TRUE(scene.out.punted.empty());
          },
          {reason}};
}

Then punted() {
  return {[](const Scene& scene) {
            ASSERT_EQ(scene.out.punted.size(), scene.in.size());
            for (std::size_t i = 0; i < scene.in.size(); ++i) {
              EXPECT_EQ(hex(scene.out.punted[i].frame), hex(scene.in[i]));
            }
            EXPECT_TRUE(scene.out.sent.empty());
            EXPECT_TRUE(scene.out.dropped.empty());
          },
          {}};
}

Then leaves(const Outer& expected) {
  return leaves(expected, {});
}

Then leaves(const Outer& expected, std::function<void(const Ip&, const Ip&)> look) {
  return {[expected, look](const Scene& scene) {
            ASSERT_EQ(scene.out.sent.size(), scene.in.size());
            EXPECT_TRUE(scene.out.dropped.empty());
            const std::set<std::string> dips = dips_of(scene.world, expected.service);
            for (std::size_t i = 0; i < scene.in.size(); ++i) {
              const Bytes came = ip_in(scene.in[i]);
              const Tunnelled tunnel = open_tunnel(scene.out.sent[i].frame);
              EXPECT_EQ(hex(tunnel.inner), hex(one_hop_further(came))) << "the inner packet";
              const Ip inner = read_ip(tunnel.inner);
              check_link(scene.out.sent[i], expected, tunnel.outer);
              check_outer(tunnel, inner, expected);
              EXPECT_TRUE(dips.contains(tunnel.outer.destination))
                  << tunnel.outer.destination << " is no DIP of " << expected.service;
              if (look) look(tunnel.outer, inner);
            }
          },
          {}};
}

std::vector<Fixture> all_fixtures() {
  std::vector<Fixture> all;
  for (auto* table : {forwarding_fixtures, service_fixtures, malformed_fixtures, extension_fixtures,
                      answer_fixtures, icmp_error_fixtures, kernel_fixtures}) {
    for (Fixture& fixture : table()) all.push_back(std::move(fixture));
  }
  return all;
}

Then echo_reply() {
  return {[](const Scene& scene) {
            ASSERT_EQ(scene.out.sent.size(), scene.in.size());
            for (std::size_t i = 0; i < scene.in.size(); ++i) {
              const Frame asked = read_frame(scene.in[i]), said = read_frame(scene.out.sent[i].frame);
              EXPECT_EQ(said.to, asked.from);
              EXPECT_EQ(said.from, asked.to);
              EXPECT_EQ(said.tags, asked.tags);
              const Ip question = read_ip(ip_in(scene.in[i]));
              const Ip answer = read_ip(ip_in(scene.out.sent[i].frame));
              EXPECT_EQ(answer.source, question.destination);
              EXPECT_EQ(answer.destination, question.source);
              EXPECT_EQ(answer.ttl, 64u);
              const Icmp ping = read_icmp(question), pong = read_icmp(answer);
              EXPECT_EQ(pong.type, question.v6 ? 129u : 0u);
              EXPECT_EQ(pong.code, 0u);
              EXPECT_EQ(pong.rest, ping.rest) << "id and sequence";
              EXPECT_EQ(hex(pong.payload), hex(ping.payload));
            }
            EXPECT_EQ(scene.out.created, 0u) << "the request itself is turned around";
          },
          {}};
}

Then error(const Error& expected) {
  return {[expected](const Scene& scene) {
            check_drop(scene, expected.reason, 1);
            ASSERT_EQ(scene.out.sent.size(), 1u);
            EXPECT_EQ(scene.out.created, 1u);
            const Frame came = read_frame(scene.in[0]), back = read_frame(scene.out.sent[0].frame);
            EXPECT_EQ(back.to, came.from);
            EXPECT_EQ(back.from, came.to);
            EXPECT_EQ(back.tags, came.tags);
            const Ip ip = read_ip(back.l3);
            EXPECT_EQ(ip.source, expected.from);
            EXPECT_EQ(ip.destination, expected.to);
            EXPECT_EQ(ip.ttl, 64u);
            const Icmp icmp = read_icmp(ip);
            EXPECT_EQ(icmp.type, expected.type);
            EXPECT_EQ(icmp.code, expected.code);
            EXPECT_EQ(icmp.rest, expected.rest);
            // As much of the packet as fits: RFC 1812 section 4.3.2.3, RFC 4443 section 2.4 (c).
            const std::size_t room = ip.v6 ? 1280 - 48 : 576 - 28;
            EXPECT_EQ(hex(icmp.payload), hex(slice(ip_in(scene.in[0]), 0, room))) << "the quoted packet";
          },
          {expected.reason}};
}

}  // namespace sluice::test
