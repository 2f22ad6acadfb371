// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Which service a packet belongs to, by VIP, protocol and port, and which group and DIP of it.
#include <gtest/gtest.h>

#include <set>

#include "tests/packet/fixture.h"

namespace sluice::test {
namespace {

std::vector<Bytes> flows(std::string_view vip, unsigned count, unsigned port = 80) {
  std::vector<Bytes> all;
  for (unsigned i = 0; i < count; ++i) all.push_back(packet().ipv4(kClient, vip).tcp(1024 + i * 11, port));
  return all;
}

// Every DIP of the service that is up gets flows, and no other one.
Then all_dips_get_some(Outer outer) {
  const Then each = leaves(outer);
  return {[each, outer](const Scene& scene) {
            each.check(scene);
            std::set<std::string> used, wanted;
            for (const Sent& sent : scene.out.sent) used.insert(dip_of(sent));
            for (const std::string& dip : scene.world.service_at(outer.service).dips()) wanted.insert(dip);
            EXPECT_EQ(used, wanted);
          },
          {}};
}

// All that came in goes to one DIP.
Then one_dip(Outer outer) {
  const Then each = leaves(outer);
  return {[each](const Scene& scene) {
            each.check(scene);
            std::set<std::string> used;
            for (const Sent& sent : scene.out.sent) used.insert(dip_of(sent));
            EXPECT_EQ(used.size(), 1u);
          },
          {}};
}

// 203.0.113.10: TCP 80, TCP any port, any protocol; around it 203.0.113.0/24 for TCP 80 and 443.
World nested_town() {
  World w;
  w.service("203.0.113.10", kTcp, 80).group({"10.1.0.1"});
  w.service("203.0.113.10/32", kTcp, kAnyPort).group({"10.1.0.2"});
  w.service("203.0.113.0/24", kTcp, 80).group({"10.1.0.4"});
  w.service("203.0.113.0/25", kAnyProtocol, kAnyPort).group({"10.1.0.5"});
  w.service("203.0.112.0/20", kTcp, 443).group({"10.1.0.6"});
  w.service("0.0.0.0/0", kUdp, 53).group({"10.1.0.7"});
  w.service("2001:db8:cb::/48", kTcp, 80).group({"2001:db8:1::1"});
  w.service("2001:db8:cb::10", kTcp, 443).group({"2001:db8:1::2"});
  w.service("::/0", kTcp, 80).group({"2001:db8:1::3"});
  return w;
}

World dead_group_town() {
  World w;
  w.service(kGroupsVip, kTcp, 80)
      .group({"10.1.0.80", "10.1.0.81"})
      .group({"10.1.0.82"})
      .group({"10.1.0.83"})
      .down("10.1.0.82");
  w.service(kDeadVip, kTcp, 80).group({"10.1.0.90"}).group({"10.1.0.91"}).down("10.1.0.90").down("10.1.0.91");
  return w;
}

World three_tuple_town() {
  World w;
  w.service(kWeb, kTcp, 80).group({"10.1.0.1", "10.1.0.2", "10.1.0.3"}).hash(HashFields::kThreeTuple);
  w.service(kGroupsVip, kTcp, 80)
      .group({"10.1.0.4"})
      .group({"10.1.0.5"})
      .group({"10.1.0.6"})
      .hash(HashFields::kSource);
  return w;
}

Packet to(std::string_view vip, unsigned port) {
  return packet().ipv4(kClient, vip).tcp(1234, port).syn();
}
Packet to6(std::string_view vip, unsigned port) {
  return packet().ipv6(kClient6, vip).tcp(1234, port).syn();
}

std::vector<Fixture> lookup() {
  return {
      {"another port of the VIP belongs to no service", {to(kWeb, 81)}, dropped(DropReason::kNoService)},
      {"another protocol of the VIP belongs to no service",
       {packet().ipv4(kClient, kWeb).udp(1234, 80)},
       dropped(DropReason::kNoService)},
      {"an address that is no VIP belongs to no service",
       {to("203.0.113.11", 80)},
       dropped(DropReason::kNoService)},
      {"a v6 address that is no VIP belongs to no service",
       {to6("2001:db8:cb::11", 80)},
       dropped(DropReason::kNoService)},
      {"any port of an any-port VIP is served",
       {to(kAnyPortVip, 1), to(kAnyPortVip, 80), to(kAnyPortVip, 65535)},
       leaves({.service = kAnyPortVip})},
      {"an any-port VIP is one for its protocol only",
       {packet().ipv4(kClient, kAnyPortVip).udp(1, 2)},
       dropped(DropReason::kNoService)},
      {"any protocol of an any-protocol VIP is served",
       {to(kAnyProtocolVip, 22), packet().ipv4(kClient, kAnyProtocolVip).udp(1, 2),
        packet().ipv4(kClient, kAnyProtocolVip).esp(7), packet().ipv4(kClient, kAnyProtocolVip).sctp(3, 4),
        packet().ipv4(kClient, kAnyProtocolVip).protocol(47).payload(40)},
       leaves({.service = kAnyProtocolVip})},
      {"an unknown protocol may be empty",
       {packet().ipv4(kClient, kAnyProtocolVip).protocol(253)},
       leaves({.service = kAnyProtocolVip})},
      {"ICMPv6 over IPv4 is just a protocol",
       {packet().ipv4(kClient, kAnyProtocolVip).protocol(58).payload(Bytes{128, 0, 0, 0})},
       leaves({.service = kAnyProtocolVip})},
      {"ICMP over IPv6 is just a protocol",
       {packet().ipv6(kClient6, kAnyProtocolVip6).protocol(1).payload(Bytes{8, 0, 0, 0})},
       leaves({.service = kAnyProtocolVip6})},
      {"IPv6 without a next header is just a protocol",
       {packet().ipv6(kClient6, kAnyProtocolVip6).protocol(59)},
       leaves({.service = kAnyProtocolVip6})},
      {"SCTP is served by its port",
       {packet().ipv4(kClient, kSctpVip).sctp(1234, 5060)},
       leaves({.service = kSctpVip})},
      {"SCTP to another port belongs to no service",
       {packet().ipv4(kClient, kSctpVip).sctp(1234, 5061)},
       dropped(DropReason::kNoService)},
      {"ESP is a flow without ports",
       {packet().ipv4(kClient, kEspVip).esp(0x1001).payload(64)},
       leaves({.service = kEspVip})},
      {"AH is a flow without ports",
       {packet().ipv4(kClient, kAhVip).ah(0x1001)},
       leaves({.service = kAhVip})},
      {"every address of a prefix VIP is served",
       {to("203.0.114.0", 80), to("203.0.114.10", 80), to("203.0.114.255", 80)},
       leaves({.service = kPrefixVip})},
      {"the neighbours of a prefix VIP are not served",
       {to("203.0.115.0", 80), to("203.0.112.255", 80)},
       dropped(DropReason::kNoService)},
      {"address, protocol and port win over the rest",
       {to("203.0.113.10", 80)},
       leaves({.service = "203.0.113.10"}),
       nested_town},
      {"any port comes next", {to("203.0.113.10", 81)}, leaves({.service = "203.0.113.10/32"}), nested_town},
      {"a longer prefix wins over a better port",
       {to("203.0.113.20", 80)},
       leaves({.service = "203.0.113.0/25"}),
       nested_town},
      {"beyond the longer prefix the shorter one answers",
       {to("203.0.113.200", 80)},
       leaves({.service = "203.0.113.0/24"}),
       nested_town},
      {"a VIP without service for a port lets a shorter prefix answer",
       {to("203.0.113.200", 443)},
       leaves({.service = "203.0.112.0/20"}),
       nested_town},
      {"a default service takes what is left",
       {packet().ipv4(kClient, "8.8.8.8").udp(9, 53)},
       leaves({.service = "0.0.0.0/0"}),
       nested_town},
      {"a v6 VIP without service for a port lets its prefix answer",
       {to6("2001:db8:cb::10", 80)},
       leaves({.service = "2001:db8:cb::/48"}),
       nested_town},
      {"a v6 VIP with the port wins",
       {to6("2001:db8:cb::10", 443)},
       leaves({.service = "2001:db8:cb::10"}),
       nested_town},
      {"a v6 default service takes what is left",
       {to6("2001:db8:ffff::1", 80)},
       leaves({.service = "::/0"}),
       nested_town},
      {"a v4 packet is nothing to a v6 default service",
       {to("8.8.8.8", 80)},
       dropped(DropReason::kNoService),
       nested_town},
  };
}

std::vector<Bytes> clients(std::string_view vip, unsigned count) {
  std::vector<Bytes> all;
  for (unsigned i = 0; i < count; ++i) {
    all.push_back(packet().ipv4("198.51.100." + std::to_string(1 + i), vip).tcp(1234, 80));
  }
  return all;
}

std::vector<Fixture> choice() {
  const Bytes again = to(kWeb, 80);
  return {
      {"all packets of a flow go to one DIP",
       {to(kWeb, 80), packet().ipv4(kClient, kWeb).tcp(1234, 80).payload(1000),
        packet().ipv4(kClient, kWeb).ttl(9).tos(8).tcp(1234, 80), again},
       one_dip({.service = kWeb})},
      {"many flows use every DIP", flows(kWeb, 200), all_dips_get_some({.service = kWeb})},
      {"many flows use every group and every DIP in it", flows(kGroupsVip, 200),
       all_dips_get_some({.service = kGroupsVip})},
      {"flows of a source-hash service go by the client alone", flows(kSourceHashVip, 100),
       one_dip({.service = kSourceHashVip})},
      {"clients of a source-hash service use every DIP", clients(kSourceHashVip, 100),
       all_dips_get_some({.service = kSourceHashVip})},
      {"flows of a 3-tuple service go by the addresses", flows(kWeb, 100), one_dip({.service = kWeb}),
       three_tuple_town},
      {"clients of a 3-tuple service use every DIP", clients(kWeb, 100), all_dips_get_some({.service = kWeb}),
       three_tuple_town},
      {"flows of a source-hash service choose one group", flows(kGroupsVip, 100),
       one_dip({.service = kGroupsVip}), three_tuple_town},
      {"clients of a source-hash service use every group", clients(kGroupsVip, 100),
       all_dips_get_some({.service = kGroupsVip}), three_tuple_town},
      {"a DIP that is down gets nothing", flows(kHalfDeadVip, 200),
       all_dips_get_some({.service = kHalfDeadVip})},
      {"a group that is down gets nothing", flows(kGroupsVip, 200),
       all_dips_get_some({.service = kGroupsVip}), dead_group_town},
      {"a service without a live DIP drops", {to(kDeadVip, 80)}, dropped(DropReason::kNoLiveDip)},
      {"a service without a live group drops",
       {to(kDeadVip, 80)},
       dropped(DropReason::kNoLiveDip),
       dead_group_town},
      {"a DIP whose next hop is not resolved drops", {to(kLostVip, 80)}, dropped(DropReason::kNoNextHop)},
  };
}

}  // namespace

std::vector<Fixture> service_fixtures() {
  std::vector<Fixture> all = lookup();
  for (const Fixture& fixture : choice()) all.push_back(fixture);
  return all;
}

}  // namespace sluice::test
