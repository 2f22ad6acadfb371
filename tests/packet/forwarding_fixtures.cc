// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// From a client to a DIP: the forms of encapsulation, what the outer header takes over, the links on both
// sides.
#include <gtest/gtest.h>

#include <set>

#include "tests/packet/fixture.h"

namespace sluice::test {
namespace {

constexpr std::string_view kGueVip = "203.0.113.40", kGueVip6 = "2001:db8:cb::40", kGue4In6 = "203.0.113.41",
                           kGue6In4 = "2001:db8:cb::41";

World gue_town() {
  World w;
  w.service(kGueVip, kTcp, 80).group({"10.1.0.11", "10.1.0.12"}).gue();
  w.service(kGueVip6, kTcp, 80).group({"2001:db8:1::11", "2001:db8:1::12"}).gue();
  w.service(kGue4In6, kTcp, 80).group({"2001:db8:1::11"}).gue();
  w.service(kGue6In4, kTcp, 80).group({"10.1.0.11"}).gue();
  return w;
}

World client_source_town() {
  World w;
  w.service(kWeb, kTcp, 80).group({"10.1.0.11"}).outer_source_client();
  w.service(kWeb6, kTcp, 80).group({"2001:db8:1::11"}).outer_source_client();
  w.service(kGueVip, kTcp, 80).group({"10.1.0.11"}).outer_source_client().gue();
  return w;
}

constexpr std::string_view kSpread4 = "10.9.0.0/16", kSpread6 = "2001:db8:9::/64",
                           kSpread6Short = "2001:db8::/32", kSpread6Long = "2001:db8:9::8000:0/104";

World prefix_source_town() {
  World w;
  w.service(kWeb, kTcp, 80).group({"10.1.0.11"}).outer_source_prefix(kSpread4);
  w.service(kWeb6, kTcp, 80).group({"2001:db8:1::11"}).outer_source_prefix(kSpread6);
  w.service("2001:db8:cb::42", kTcp, 80).group({"2001:db8:1::11"}).outer_source_prefix(kSpread6Short);
  w.service("2001:db8:cb::43", kTcp, 80).group({"2001:db8:1::11"}).outer_source_prefix(kSpread6Long);
  w.service("203.0.113.43", kTcp, 80).group({"10.1.0.11"}).outer_source_prefix("10.9.0.7/32");
  return w;
}

World two_sided_town() {
  World w;
  w.service(kWeb, kTcp, 80).group({"10.1.0.11"});
  w.service(kTaggedVip, kTcp, 80).group({"10.7.0.1"});
  w.way("10.0.0.0/8", {.port = 1});
  w.way("10.7.0.0/16", {.port = 1, .vlan = 7});
  return w;
}

std::vector<Bytes> twenty_flows(std::string_view client, std::string_view vip) {
  std::vector<Bytes> flows;
  for (unsigned i = 0; i < 20; ++i) flows.push_back(packet().ipv4(client, vip).tcp(2000 + i * 7, 80).syn());
  return flows;
}

// Twenty flows do not all look the same to a receiver that hashes outer addresses and ports.
Then spread(Outer outer, std::function<std::string(const Tunnelled&)> of) {
  const Then each = leaves(outer);
  return {[each, of](const Scene& scene) {
            each.check(scene);
            std::set<std::string> seen;
            for (const Sent& sent : scene.out.sent) seen.insert(of(open_tunnel(sent.frame)));
            EXPECT_GE(seen.size(), 10u) << "the entropy does not spread";
          },
          {}};
}

std::string outer_source(const Tunnelled& t) {
  return t.outer.source;
}
std::string udp_source(const Tunnelled& t) {
  EXPECT_GE(t.udp_source, 0xc000u) << "entropy stays in the ephemeral range";
  return std::to_string(t.udp_source);
}
std::string flow_label(const Tunnelled& t) {
  return std::to_string(t.outer.flow_label);
}

Packet syn(std::string_view client, std::string_view vip) {
  return packet().ipv4(client, vip).tcp(1234, 80).syn();
}

std::vector<Fixture> encapsulation() {
  return {
      {"a SYN to a v4 VIP leaves as IPv4 in IPv4 to its DIP",
       {syn(kClient, kWeb)},
       leaves({.service = kWeb})},
      {"a SYN to a v6 VIP leaves as IPv6 in IPv6 to its DIP",
       {syn(kClient6, kWeb6)},
       leaves({.service = kWeb6})},
      {"a v4 VIP with v6 DIPs leaves as IPv4 in IPv6", {syn(kClient, k4In6)}, leaves({.service = k4In6})},
      {"a v6 VIP with v4 DIPs leaves as IPv6 in IPv4", {syn(kClient6, k6In4)}, leaves({.service = k6In4})},
      {"GUE carries IPv4 over IPv4",
       {syn(kClient, kGueVip)},
       leaves({.service = kGueVip, .gue = true}),
       gue_town},
      {"GUE carries IPv6 over IPv6",
       {syn(kClient6, kGueVip6)},
       leaves({.service = kGueVip6, .gue = true}),
       gue_town},
      {"GUE carries IPv4 over IPv6",
       {syn(kClient, kGue4In6)},
       leaves({.service = kGue4In6, .gue = true}),
       gue_town},
      {"GUE carries IPv6 over IPv4",
       {syn(kClient6, kGue6In4)},
       leaves({.service = kGue6In4, .gue = true}),
       gue_town},
      {"the source port of GUE tells flows apart over IPv4", twenty_flows(kClient, kGueVip),
       spread({.service = kGueVip, .gue = true}, udp_source), gue_town},
      {"the source port of GUE tells flows apart over IPv6", twenty_flows(kClient6, kGueVip6),
       spread({.service = kGueVip6, .gue = true}, udp_source), gue_town},
      {"the outer flow label tells flows apart", twenty_flows(kClient6, kWeb6),
       spread({.service = kWeb6}, flow_label)},
      {"a payload of odd length arrives as it was",
       {packet().ipv4(kClient, kWeb).tcp(1234, 80).payload(333)},
       leaves({.service = kWeb})},
      {"a full frame without DF that just fits is not split",
       {packet().ipv4(kClient, kWeb).tcp(1234, 80).payload(1480 - 40)},
       leaves({.service = kWeb})},
      {"a UDP datagram without payload is forwarded",
       {packet().ipv4(kClient, kDns).udp(5353, 53)},
       leaves({.service = kDns})},
      {"a UDP datagram without checksum is forwarded untouched",
       {packet().ipv4(kClient, kDns).udp(5353, 53).payload(30).l4_byte(6, 0).l4_byte(7, 0)},
       leaves({.service = kDns})},
      {"a wrong TCP checksum is the DIP's business",
       {packet().ipv4(kClient, kWeb).tcp(1234, 80).l4_byte(16, 0xde)},
       leaves({.service = kWeb})},
      {"a burst of 64 packets leaves whole and in order", std::vector<Bytes>(64, syn(kClient, kWeb)),
       leaves({.service = kWeb})},
      {"200 packets leave whole and in order", std::vector<Bytes>(200, syn(kClient6, kWeb6)),
       leaves({.service = kWeb6})},
  };
}

void expect_tos(const Ip& outer, unsigned tos) {
  EXPECT_EQ(outer.tos, tos);
}
void expect_df(const Ip& outer, bool df) {
  EXPECT_EQ(outer.dont_fragment, df);
}

std::vector<Fixture> inheritance() {
  const auto tos = [](unsigned value) {
    return [value](const Ip& outer, const Ip&) { expect_tos(outer, value); };
  };
  const auto df = [](bool value) { return [value](const Ip& outer, const Ip&) { expect_df(outer, value); }; };
  return {
      {"DSCP and ECN are copied from IPv4 to IPv4",
       {syn(kClient, kWeb).tos(0xb9)},
       leaves({.service = kWeb}, tos(0xb9))},
      {"DSCP and ECN are copied from IPv6 to IPv6",
       {syn(kClient6, kWeb6).tos(0xb9)},
       leaves({.service = kWeb6}, tos(0xb9))},
      {"DSCP and ECN are copied from IPv4 to IPv6",
       {syn(kClient, k4In6).tos(0x2e)},
       leaves({.service = k4In6}, tos(0x2e))},
      {"DSCP and ECN are copied from IPv6 to IPv4",
       {syn(kClient6, k6In4).tos(0x2e)},
       leaves({.service = k6In4}, tos(0x2e))},
      {"congestion experienced is not hidden",
       {syn(kClient, kWeb).tos(0x03)},
       leaves({.service = kWeb}, tos(0x03))},
      {"DF on the inner packet sets DF on the outer one",
       {syn(kClient, kWeb).dont_fragment()},
       leaves({.service = kWeb}, df(true))},
      {"without DF the outer packet has none either",
       {syn(kClient, kWeb)},
       leaves({.service = kWeb}, df(false))},
      {"IPv6 in IPv4 sets DF", {syn(kClient6, k6In4)}, leaves({.service = k6In4}, df(true))},
      {"TTL 2 is enough for one hop",
       {syn(kClient, kWeb).ttl(2)},
       leaves({.service = kWeb}, [](const Ip&, const Ip& inner) { EXPECT_EQ(inner.ttl, 1u); })},
      {"TTL 255 is an ordinary one", {syn(kClient, kWeb).ttl(255)}, leaves({.service = kWeb})},
      {"hop limit 2 is enough for one hop", {syn(kClient6, kWeb6).ttl(2)}, leaves({.service = kWeb6})},
      {"the outer source is the client where the service says so",
       {syn(kClient, kWeb)},
       leaves({.service = kWeb, .source = kClient}),
       client_source_town},
      {"the outer source is the client for IPv6 too",
       {syn(kClient6, kWeb6)},
       leaves({.service = kWeb6, .source = kClient6}),
       client_source_town},
      {"the outer source of GUE is the client where the service says so",
       {syn(kClient, kGueVip)},
       leaves({.service = kGueVip, .gue = true, .source = kClient}),
       client_source_town},
      {"outer sources from a v4 prefix tell flows apart", twenty_flows(kClient, kWeb),
       spread({.service = kWeb, .source_in = kSpread4}, outer_source), prefix_source_town},
      {"outer sources from a /64 tell flows apart", twenty_flows(kClient6, kWeb6),
       spread({.service = kWeb6, .source_in = kSpread6}, outer_source), prefix_source_town},
      {"outer sources from a /32 of IPv6 tell flows apart", twenty_flows(kClient6, "2001:db8:cb::42"),
       spread({.service = "2001:db8:cb::42", .source_in = kSpread6Short}, outer_source), prefix_source_town},
      {"outer sources from a /104 tell flows apart", twenty_flows(kClient6, "2001:db8:cb::43"),
       spread({.service = "2001:db8:cb::43", .source_in = kSpread6Long}, outer_source), prefix_source_town},
      {"a source prefix of one address is that address",
       {syn(kClient, "203.0.113.43")},
       leaves({.service = "203.0.113.43", .source = "10.9.0.7"}),
       prefix_source_town},
  };
}

std::vector<Fixture> links() {
  const Bytes record_route = {7, 7, 4, 0, 0, 0, 0};
  return {
      {"a tagged frame comes in and leaves untagged",
       {syn(kClient, kWeb).vlan(100)},
       leaves({.service = kWeb})},
      {"a priority tag changes nothing", {syn(kClient, kWeb).vlan(0xe000)}, leaves({.service = kWeb})},
      {"an untagged frame leaves with the tag of its next hop",
       {syn(kClient, kTaggedVip)},
       leaves({.service = kTaggedVip, .mac = "02:00:00:00:07:fe", .tags = {7}})},
      {"a tagged frame leaves with another tag",
       {syn(kClient, kTaggedVip).vlan(100)},
       leaves({.service = kTaggedVip, .mac = "02:00:00:00:07:fe", .tags = {7}})},
      {"a tagged IPv6 frame leaves untagged", {syn(kClient6, kWeb6).vlan(4094)}, leaves({.service = kWeb6})},
      {"Ethernet padding is cut off", {syn(kClient, kWeb).padded_to(60)}, leaves({.service = kWeb})},
      {"Ethernet padding behind IPv6 is cut off",
       {packet().ipv6(kClient6, kDns6).udp(9, 53).padded_to(90)},
       leaves({.service = kDns6})},
      {"a long tail behind the packet is cut off",
       {syn(kClient, kWeb).padded_to(1400)},
       leaves({.service = kWeb})},
      {"IPv4 options travel with the inner packet",
       {syn(kClient, kWeb).options(record_route)},
       leaves({.service = kWeb})},
      {"forty bytes of IPv4 options travel with the inner packet",
       {syn(kClient, kWeb).options(Bytes(40, 1))},
       leaves({.service = kWeb})},
      {"a server behind another port leaves there",
       {syn(kClient, kWeb)},
       leaves({.service = kWeb, .port = 1}),
       two_sided_town,
       {.ports = 2}},
      {"a server behind a tagged port leaves there with the tag",
       {syn(kClient, kTaggedVip)},
       leaves({.service = kTaggedVip, .tags = {7}, .port = 1}),
       two_sided_town,
       {.ports = 2}},
      {"the least headroom that an outer header needs is enough",
       {syn(kClient, kWeb)},
       leaves({.service = kWeb}),
       town,
       {},
       {.headroom = 24}},
      {"a checksum that the NIC has checked is not checked again",
       {syn(kClient, kWeb)},
       leaves({.service = kWeb}),
       town,
       {},
       {.nic_says_checksum_good = true}},
  };
}

}  // namespace

std::vector<Fixture> forwarding_fixtures() {
  std::vector<Fixture> all = encapsulation();
  for (const auto& more : {inheritance(), links()}) all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace sluice::test
