// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// ICMP errors about what a server sent, which come to the VIP: each goes to the DIP of the flow it speaks of,
// so it comes out beside a packet of that flow.
#include <gtest/gtest.h>

#include "tests/packet/fixture.h"

namespace sluice::test {
namespace {

constexpr std::string_view kFarRouter = "192.0.2.1", kFarRouter6 = "2001:db8:f::1";

// The first frame is of the flow, the others are errors about it: all to one DIP.
Then same_dip(Outer outer) {
  const Then each = leaves(outer);
  return {[each](const Scene& scene) {
            each.check(scene);
            for (const Sent& sent : scene.out.sent) EXPECT_EQ(dip_of(sent), dip_of(scene.out.sent[0]));
          },
          {}};
}

Packet error4(unsigned type, unsigned code, const Packet& about, std::size_t most = 28,
              std::uint32_t rest = 0) {
  return packet()
      .ipv4(kFarRouter, address_text(slice(about.ip(), 12, 16)))
      .icmp(type, code, rest)
      .quoting(about, most);
}
Packet error6(unsigned type, unsigned code, const Packet& about, std::size_t most = 1232,
              std::uint32_t rest = 0) {
  return packet()
      .ipv6(kFarRouter6, address_text(slice(about.ip(), 8, 24)))
      .icmp(type, code, rest)
      .quoting(about, most);
}

// For eight flows, so that one DIP by chance is not enough: a packet, and an error about its answer.
std::vector<Fixture> about_tcp() {
  std::vector<Fixture> all;
  struct Kind {
    const char* name;
    unsigned type, code, rest;
  };
  for (const Kind& kind : {Kind{"host unreachable", 3, 1, 0}, Kind{"port unreachable", 3, 3, 0},
                           Kind{"fragmentation needed", 3, 4, 1400}, Kind{"TTL exceeded", 11, 0, 0},
                           Kind{"reassembly time exceeded", 11, 1, 0}, Kind{"parameter problem", 12, 0, 0}}) {
    for (unsigned flow = 0; flow < 4; ++flow) {
      const unsigned port = 2000 + flow * 37;
      const Packet answer = packet().ipv4(kWeb, kClient).tcp(80, port).payload(1000);
      all.push_back(
          {std::string(kind.name) + " goes to the DIP of flow " + std::to_string(flow),
           {packet().ipv4(kClient, kWeb).tcp(port, 80), error4(kind.type, kind.code, answer, 28, kind.rest)},
           same_dip({.service = kWeb})});
    }
  }
  for (const Kind& kind :
       {Kind{"ICMPv6 unreachable", 1, 4, 0}, Kind{"ICMPv6 packet too big", 2, 0, 1300},
        Kind{"ICMPv6 time exceeded", 3, 0, 0}, Kind{"ICMPv6 parameter problem", 4, 1, 0}}) {
    for (unsigned flow = 0; flow < 4; ++flow) {
      const unsigned port = 2000 + flow * 37;
      const Packet answer = packet().ipv6(kWeb6, kClient6).tcp(80, port).payload(1400);
      all.push_back({std::string(kind.name) + " goes to the DIP of flow " + std::to_string(flow),
                     {packet().ipv6(kClient6, kWeb6).tcp(port, 80),
                      error6(kind.type, kind.code, answer, 1232, kind.rest)},
                     same_dip({.service = kWeb6})});
    }
  }
  return all;
}

std::vector<Fixture> about_others() {
  const Packet dns = packet().ipv4(kDns, kClient).udp(53, 4242).payload(200);
  const Packet options = packet().ipv4(kWeb, kClient).options(Bytes(8, 1)).tcp(80, 4242);
  const Packet behind = packet().ipv6(kWeb6, kClient6).destination_options().tcp(80, 4242).payload(99);
  const Packet sctp = packet().ipv4(kSctpVip, kClient).sctp(5060, 4242);
  const Packet esp = packet().ipv4(kEspVip, kClient).esp(7).payload(100);
  const Packet groups = packet().ipv4(kGroupsVip, kClient).tcp(80, 4242);
  const Packet first = packet().ipv4(kDns, kClient).udp(53, 4242).piece(0, true).payload(800);
  const Packet first6 =
      packet().ipv6(kDns6, kClient6).fragment_header(0, true, 5).udp(53, 4242).payload(1192);
  const auto to = [](std::string_view vip) { return packet().ipv4(kClient, vip); };
  return {
      {"an error about UDP goes to the DIP of its flow",
       {to(kDns).udp(4242, 53), error4(3, 4, dns)},
       same_dip({.service = kDns})},
      {"an error about SCTP goes to the DIP of its flow",
       {to(kSctpVip).sctp(4242, 5060), error4(3, 4, sctp)},
       same_dip({.service = kSctpVip})},
      {"an error about ESP goes to the DIP of its flow",
       {to(kEspVip).esp(9), error4(3, 4, esp)},
       same_dip({.service = kEspVip})},
      {"an error about a packet with options finds the ports behind them",
       {to(kWeb).tcp(4242, 80), error4(3, 4, options, 36)},
       same_dip({.service = kWeb})},
      {"an error about a packet behind extension headers finds its ports",
       {packet().ipv6(kClient6, kWeb6).tcp(4242, 80), error6(2, 0, behind)},
       same_dip({.service = kWeb6})},
      {"an error about a service of several groups finds group and DIP",
       {to(kGroupsVip).tcp(4242, 80), error4(3, 4, groups)},
       same_dip({.service = kGroupsVip})},
      {"an error about the first fragment of an answer finds its ports",
       {to(kDns).udp(4242, 53), error4(11, 1, first, 28)},
       same_dip({.service = kDns})},
      {"an error about the first IPv6 fragment of an answer finds its ports, wherever the quote ends",
       {packet().ipv6(kClient6, kDns6).udp(4242, 53), error6(3, 1, first6, 1229)},
       same_dip({.service = kDns6})},
      {"an error that came tagged and padded goes the same way",
       {to(kWeb).tcp(4242, 80),
        error4(3, 4, packet().ipv4(kWeb, kClient).tcp(80, 4242)).vlan(5).padded_to(90)},
       same_dip({.service = kWeb})},
      {"an error about our own tunnel goes to the kernel",
       {error4(3, 4, packet().ipv4(kMuxV4, "10.1.0.11").protocol(4).payload(400))},
       punted()},
      {"an error about a connection of the kernel goes to the kernel",
       {error4(3, 1, packet().ipv4(kMuxV4, "192.0.2.7").tcp(179, 50000))},
       punted()},
  };
}

std::vector<Fixture> about_nothing() {
  const Packet answer = packet().ipv4(kWeb, kClient).tcp(80, 4242);
  const Packet answer6 = packet().ipv6(kWeb6, kClient6).tcp(80, 4242);
  const Packet later = packet().ipv4(kDns, kClient).protocol(kUdp).piece(800, false).payload(100);
  const auto none = [] { return dropped(DropReason::kIcmpUnrelated); };
  return {
      {"an error that quotes nothing", {packet().ipv4(kFarRouter, kWeb).icmp(3, 1)}, none()},
      {"an error whose quote ends before the ports", {error4(3, 1, answer, 23)}, none()},
      {"an error whose quote ends inside the IP header", {error4(3, 1, answer, 19)}, none()},
      {"an ICMPv6 error whose quote ends before the ports", {error6(1, 0, answer6, 43)}, none()},
      {"an ICMPv6 error whose quote ends inside the IP header", {error6(1, 0, answer6, 39)}, none()},
      {"an error that quotes the other family",
       {packet().ipv4(kFarRouter, kWeb).icmp(3, 1).quoting(answer6)},
       none()},
      {"an ICMPv6 error that quotes the other family",
       {packet().ipv6(kFarRouter6, kWeb6).icmp(1, 0).quoting(answer)},
       none()},
      {"an error about a later fragment, which has no ports", {error4(11, 1, later)}, none()},
      {"an error that quotes a header of 16 bytes",
       {error4(3, 1, packet().ipv4(kWeb, kClient).tcp(80, 1).ip_byte(0, 0x44))},
       none()},
      {"an error to one VIP about a flow of another one",
       {packet().ipv4(kFarRouter, kDns).icmp(3, 4).quoting(answer)},
       none()},
      {"an ICMPv6 error to one VIP about a flow of another one",
       {packet().ipv6(kFarRouter6, kDns6).icmp(1, 4).quoting(answer6)},
       none()},
      {"an error to us about a flow of a VIP is the kernel's business",
       {packet().ipv4(kFarRouter, kMuxV4).icmp(3, 4).quoting(answer)},
       punted()},
      {"an error to us that quotes nothing is the kernel's business",
       {packet().ipv4(kFarRouter, kMuxV4).icmp(3, 1)},
       punted()},
      {"an error about a port that has no service",
       {error4(3, 1, packet().ipv4(kWeb, kClient).tcp(81, 4242))},
       dropped(DropReason::kNoService)},
      {"an error in pieces", {in_pieces(error4(3, 4, answer, 40), 40)[0]}, none()},
      {"an error to an address that is no VIP",
       {error4(3, 1, packet().ipv4("203.0.113.99", kClient).tcp(80, 1))},
       dropped(DropReason::kNoService)},
      {"an error that quotes nothing to an address that is no VIP",
       {packet().ipv4(kFarRouter, "203.0.113.99").icmp(3, 1)},
       dropped(DropReason::kNoService)},
  };
}

}  // namespace

std::vector<Fixture> icmp_error_fixtures() {
  std::vector<Fixture> all = about_tcp();
  for (const auto& more : {about_others(), about_nothing()}) all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace sluice::test
