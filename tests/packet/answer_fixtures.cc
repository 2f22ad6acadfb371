// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What Sluice says itself: echo replies, "time exceeded", "too big"; and when it says nothing.
#include "tests/packet/fixture.h"

namespace sluice::test {
namespace {

constexpr unsigned kUnreachable = 3, kTimeExceeded = 11, kNeedsFragmentation = 4, kTooBig6 = 2,
                   kTimeExceeded6 = 3;

World nameless_town() {  // no address of its own on the port
  World w;
  w.service(kWeb, kTcp, 80).group({"10.1.0.11"});
  w.service(kWeb6, kTcp, 80).group({"2001:db8:1::11"});
  return w;
}

World gue_over_6() {
  World w;
  w.service(kDns, kUdp, 53).group({"2001:db8:1::11"}).gue();
  w.service(kDns6, kUdp, 53).group({"10.1.0.11"}).gue();
  return w;
}

Packet ping(std::string_view vip, std::size_t bytes = 56) {
  return packet().ipv4(kClient, vip).echo(77, 1).payload(bytes);
}
Packet ping6(std::string_view vip, std::size_t bytes = 56) {
  return packet().ipv6(kClient6, vip).echo(77, 1).payload(bytes);
}

std::vector<Fixture> echoes() {
  return {
      {"a ping to a v4 VIP is answered", {ping(kWeb)}, echo_reply()},
      {"a ping to a v6 VIP is answered", {ping6(kWeb6)}, echo_reply()},
      {"a ping of odd length is answered", {ping(kWeb, 57), ping(kWeb, 1), ping(kWeb, 1399)}, echo_reply()},
      {"a ping of odd length over IPv6 is answered", {ping6(kWeb6, 57), ping6(kWeb6, 1)}, echo_reply()},
      {"a ping without data is answered", {ping(kWeb, 0), ping(kWeb, 0)}, echo_reply()},
      {"a padded ping is answered", {ping(kWeb, 2).padded_to(60)}, echo_reply()},
      {"a tagged ping is answered with its tag", {ping(kWeb).vlan(12)}, echo_reply()},
      {"a ping with TTL 1 is answered, for it has arrived", {ping(kWeb).ttl(1)}, echo_reply()},
      {"a ping with options is answered", {ping(kWeb).options(Bytes(4, 1))}, echo_reply()},
      {"a ping to an address inside a prefix VIP is answered", {ping("203.0.114.77")}, echo_reply()},
      {"a ping to an any-protocol VIP is answered", {ping(kAnyProtocolVip)}, echo_reply()},
      {"a ping behind extension headers is answered",
       {packet().ipv6(kClient6, kWeb6).hop_by_hop().echo(1, 2)},
       echo_reply()},
      {"a ping to a VIP whose DIPs are dead is answered", {ping(kDeadVip)}, echo_reply()},
      {"64 pings in a burst are answered", std::vector<Bytes>(64, ping(kWeb)), echo_reply()},
      {"a ping to a service that wants ICMP goes to its DIP",
       {ping(kPingVip)},
       leaves({.service = kPingVip})},
      {"a ping to no VIP belongs to no service", {ping("203.0.113.99")}, dropped(DropReason::kNoService)},
      {"an echo reply to a VIP belongs to no service",
       {packet().ipv4(kClient, kWeb).icmp(0, 0, 7).payload(8)},
       dropped(DropReason::kNoService)},
      {"a timestamp request to a VIP belongs to no service",
       {packet().ipv4(kClient, kWeb).icmp(13, 0, 7).payload(12)},
       dropped(DropReason::kNoService)},
      {"an ICMPv6 echo over IPv4 is no ping",
       {packet().ipv4(kClient, kWeb).icmp(128, 0, 7).payload(8)},
       dropped(DropReason::kNoService)},
  };
}

Packet dying(unsigned ttl) {
  return packet().ipv4(kClient, kWeb).ttl(ttl).tcp(1234, 80).syn();
}

std::vector<Fixture> time_exceeded() {
  const Error from_mux{DropReason::kTtlExpired, kMuxV4, kClient, kTimeExceeded, 0, 0};
  const Error from_mux6{DropReason::kTtlExpired, kMuxV6, kClient6, kTimeExceeded6, 0, 0};
  Error from_vip = from_mux, from_vip6 = from_mux6;
  from_vip.from = kWeb;
  from_vip6.from = kWeb6;
  return {
      {"TTL 1 runs out here and the client is told", {dying(1)}, error(from_mux)},
      {"TTL 0 runs out here and the client is told", {dying(0)}, error(from_mux)},
      {"hop limit 1 runs out here and the client is told",
       {packet().ipv6(kClient6, kWeb6).ttl(1).tcp(1234, 80)},
       error(from_mux6)},
      {"a port without address lets the VIP say that TTL ran out",
       {dying(1)},
       error(from_vip),
       nameless_town},
      {"a port without address lets the v6 VIP say so",
       {packet().ipv6(kClient6, kWeb6).ttl(1).tcp(1234, 80)},
       error(from_vip6),
       nameless_town},
      {"the error about a tagged frame has its tag", {dying(1).vlan(7)}, error(from_mux)},
      {"the error about a padded frame quotes no padding", {dying(1).padded_to(60)}, error(from_mux)},
      {"a long packet is quoted as far as 576 bytes go",
       {packet().ipv4(kClient, kWeb).ttl(1).tcp(1234, 80).payload(1300)},
       error(from_mux)},
      {"a long IPv6 packet is quoted as far as 1280 bytes go",
       {packet().ipv6(kClient6, kWeb6).ttl(1).tcp(1234, 80).payload(1300)},
       error(from_mux6)},
      {"a packet with options is quoted with them", {dying(1).options(Bytes(12, 1))}, error(from_mux)},
      {"nothing is said about a dying ICMP error",
       {packet()
            .ipv4("192.0.2.1", kWeb)
            .ttl(1)
            .icmp(3, 1)
            .quoting(packet().ipv4(kWeb, kClient).tcp(80, 1234))},
       dropped(DropReason::kTtlExpired)},
      {"nothing is said about a dying ICMPv6 error",
       {packet()
            .ipv6("2001:db8:f::1", kWeb6)
            .ttl(1)
            .icmp(1, 0)
            .quoting(packet().ipv6(kWeb6, kClient6).tcp(80, 1234))},
       dropped(DropReason::kTtlExpired)},
  };
}

std::vector<Fixture> too_big() {
  const auto big = [](std::string_view vip, std::size_t bytes) {
    return packet().ipv4(kClient, vip).dont_fragment().udp(99, 53).payload(bytes - 28);
  };
  const auto big6 = [](std::string_view vip, std::size_t bytes) {
    return packet().ipv6(kClient6, vip).udp(99, 53).payload(bytes - 48);
  };
  const auto told = [](std::string_view vip, unsigned mtu) {
    return error({DropReason::kTooBig, vip, kClient, kUnreachable, kNeedsFragmentation, mtu});
  };
  const auto told6 = [](std::string_view vip, unsigned mtu) {
    return error({DropReason::kTooBig, vip, kClient6, kTooBig6, 0, mtu});
  };
  return {
      {"with DF the largest packet that fits is forwarded", {big(kDns, 1480)}, leaves({.service = kDns})},
      {"one byte more with DF is too big, and the VIP says what fits", {big(kDns, 1481)}, told(kDns, 1480)},
      {"the largest IPv6 packet that fits is forwarded", {big6(kDns6, 1460)}, leaves({.service = kDns6})},
      {"one byte more of IPv6 is too big, and the VIP says what fits",
       {big6(kDns6, 1461)},
       told6(kDns6, 1460)},
      {"a narrow way to the DIP counts", {big(kNarrowVip, 1381)}, told(kNarrowVip, 1380)},
      {"a narrow way over IPv6 counts", {big6(kNarrowVip6, 1361)}, told6(kNarrowVip6, 1360)},
      {"GUE over IPv6 takes 48 bytes", {big(kDns, 1453)}, told(kDns, 1452), gue_over_6},
      {"GUE over IPv4 takes 28 bytes", {big6(kDns6, 1473)}, told6(kDns6, 1472), gue_over_6},
      {"Ethernet padding does not make a packet too big",
       {big(kDns, 1480).padded_to(1600)},
       leaves({.service = kDns})},
      {"a TTL that runs out comes before a size that does not fit",
       {packet().ipv4(kClient, kDns).ttl(1).dont_fragment().udp(99, 53).payload(1460)},
       error({DropReason::kTtlExpired, kMuxV4, kClient, kTimeExceeded, 0, 0})},
      {"nothing is said about an ICMP error that is too big",
       {packet()
            .ipv4("192.0.2.1", kDns)
            .dont_fragment()
            .icmp(3, 1)
            .quoting(packet().ipv4(kDns, kClient).udp(53, 99).payload(1460), 1460)},
       dropped(DropReason::kTooBig)},
  };
}

}  // namespace

std::vector<Fixture> answer_fixtures() {
  std::vector<Fixture> all = echoes();
  for (const auto& more : {time_exceeded(), too_big()}) all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace sluice::test
