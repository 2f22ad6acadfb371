// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Frames that lie about themselves: each is dropped by its own name, and nothing answers.
#include "tests/packet/fixture.h"

namespace sluice::test {
namespace {

Packet tcp4() {
  return packet().ipv4(kClient, kWeb).tcp(1234, 80).syn();
}
Packet tcp6() {
  return packet().ipv6(kClient6, kWeb6).tcp(1234, 80).syn();
}
Packet udp4() {
  return packet().ipv4(kClient, kDns).udp(1234, 53).payload(20);
}
Packet from(std::string_view source) {
  return packet().ipv4(source, kWeb).tcp(1234, 80);
}
Packet from6(std::string_view source) {
  return packet().ipv6(source, kWeb6).tcp(1234, 80);
}

std::vector<Fixture> links() {
  return {
      {"an empty frame", {Bytes{}}, dropped(DropReason::kFrameTruncated)},
      {"a frame cut inside its Ethernet header", {tcp4().cut_to(13)}, dropped(DropReason::kFrameTruncated)},
      {"a frame that ends with its Ethernet header",
       {tcp4().cut_to(14)},
       dropped(DropReason::kFrameTruncated)},
      {"a frame cut inside its VLAN tag", {tcp4().vlan(7).cut_to(17)}, dropped(DropReason::kFrameTruncated)},
      {"a frame cut inside its IPv4 header", {tcp4().cut_to(33)}, dropped(DropReason::kFrameTruncated)},
      {"a frame cut inside its IPv6 header", {tcp6().cut_to(53)}, dropped(DropReason::kFrameTruncated)},
      {"a frame with two tags", {tcp4().vlan(7).vlan(8)}, dropped(DropReason::kNestedVlan)},
      {"a frame in two buffers",
       {tcp4()},
       dropped(DropReason::kFrameSegmented),
       town,
       {},
       {.in_two_segments = true}},
      {"a frame without headroom", {tcp4()}, dropped(DropReason::kNoHeadroom), town, {}, {.headroom = 0}},
      {"a frame with one byte of headroom too few",
       {tcp4()},
       dropped(DropReason::kNoHeadroom),
       town,
       {},
       {.headroom = 23}},
  };
}

std::vector<Fixture> ipv4() {
  return {
      {"version 5", {tcp4().ip_byte(0, 0x55)}, dropped(DropReason::kBadIpVersion)},
      {"version 6 behind the EtherType of IPv4",
       {tcp6().ether_type(0x0800)},
       dropped(DropReason::kBadIpVersion)},
      {"version 4 behind the EtherType of IPv6",
       {tcp4().ether_type(0x86dd)},
       dropped(DropReason::kBadIpVersion)},
      {"an IPv4 header of 16 bytes", {tcp4().ip_byte(0, 0x44)}, dropped(DropReason::kBadIpHeader)},
      {"an IPv4 header of no bytes", {tcp4().ip_byte(0, 0x40)}, dropped(DropReason::kBadIpHeader)},
      {"an IPv4 header longer than its packet",
       {packet().ipv4(kClient, kAnyProtocolVip).protocol(253).payload(8).ip_byte(0, 0x4f)},
       dropped(DropReason::kBadIpHeader)},
      {"a total length below the header", {tcp4().ip_length(19)}, dropped(DropReason::kBadIpHeader)},
      {"a total length of zero", {tcp4().ip_length(0)}, dropped(DropReason::kBadIpHeader)},
      {"a total length beyond the frame", {tcp4().ip_length(41)}, dropped(DropReason::kBadIpLength)},
      {"a total length far beyond the frame", {tcp4().ip_length(65535)}, dropped(DropReason::kBadIpLength)},
      {"a frame cut inside its payload",
       {tcp4().payload(100).cut_to(100)},
       dropped(DropReason::kBadIpLength)},
      {"a wrong IPv4 header checksum", {tcp4().ip_checksum_wrong()}, dropped(DropReason::kBadIpChecksum)},
      {"a wrong checksum over options",
       {tcp4().options(Bytes(40, 1)).ip_checksum_wrong()},
       dropped(DropReason::kBadIpChecksum)},
      {"a source that is the destination", {from(kWeb)}, dropped(DropReason::kSourceIsDestination)},
      {"a multicast source",
       {from("224.0.0.5"), from("239.255.255.255")},
       dropped(DropReason::kSourceMulticast)},
      {"a broadcast source", {from("255.255.255.255")}, dropped(DropReason::kSourceBroadcast)},
      {"a loopback source", {from("127.0.0.1"), from("127.255.0.9")}, dropped(DropReason::kSourceLoopback)},
      {"an unspecified source", {from("0.0.0.0")}, dropped(DropReason::kSourceUnspecified)},
  };
}

std::vector<Fixture> ipv6() {
  return {
      {"an IPv6 packet of version 7", {tcp6().ip_byte(0, 0x70)}, dropped(DropReason::kBadIpVersion)},
      {"an IPv6 payload length beyond the frame", {tcp6().ip_length(21)}, dropped(DropReason::kBadIpLength)},
      {"an IPv6 source that is the destination", {from6(kWeb6)}, dropped(DropReason::kSourceIsDestination)},
      {"an IPv6 multicast source", {from6("ff02::1")}, dropped(DropReason::kSourceMulticast)},
      {"an IPv6 loopback source", {from6("::1")}, dropped(DropReason::kSourceLoopback)},
      {"an IPv6 unspecified source", {from6("::")}, dropped(DropReason::kSourceUnspecified)},
      {"an IPv4-mapped source", {from6("::ffff:198.51.100.1")}, dropped(DropReason::kMappedAddress)},
      {"an IPv4-mapped destination that would be a VIP",
       {packet().ipv6(kClient6, "::ffff:203.0.113.10").tcp(1, 80)},
       dropped(DropReason::kMappedAddress)},
  };
}

std::vector<Fixture> transports() {
  const auto short_l4 = [](unsigned protocol, std::size_t bytes) {
    return packet().ipv4(kClient, kAnyProtocolVip).protocol(protocol).payload(bytes);
  };
  return {
      {"a TCP header cut off", {short_l4(kTcp, 19), short_l4(kTcp, 0)}, dropped(DropReason::kTruncatedL4)},
      {"a UDP header cut off", {short_l4(kUdp, 7)}, dropped(DropReason::kTruncatedL4)},
      {"an SCTP header cut off", {short_l4(kSctp, 11)}, dropped(DropReason::kTruncatedL4)},
      {"an ICMP header cut off", {short_l4(kIcmp, 7)}, dropped(DropReason::kTruncatedL4)},
      {"an ESP header cut off", {short_l4(kEsp, 7)}, dropped(DropReason::kTruncatedL4)},
      {"an AH header cut off", {short_l4(kAh, 11)}, dropped(DropReason::kTruncatedL4)},
      {"a TCP header that the padding completes is cut off all the same",
       {short_l4(kTcp, 12).padded_to(60)},
       dropped(DropReason::kTruncatedL4)},
      {"an ICMPv6 header cut off",
       {packet().ipv6(kClient6, kAnyProtocolVip6).protocol(58).payload(std::size_t{7})},
       dropped(DropReason::kTruncatedL4)},
      {"a TCP header of 16 bytes", {tcp4().l4_byte(12, 0x40)}, dropped(DropReason::kBadL4Header)},
      {"a TCP header longer than its packet", {tcp4().l4_byte(12, 0x60)}, dropped(DropReason::kBadL4Header)},
      {"a TCP header over IPv6 longer than its packet",
       {tcp6().l4_byte(12, 0xf0)},
       dropped(DropReason::kBadL4Header)},
      {"a UDP length below its header", {udp4().l4_byte(5, 7)}, dropped(DropReason::kBadL4Header)},
      {"a UDP length beyond its packet", {udp4().l4_byte(5, 29)}, dropped(DropReason::kBadL4Header)},
  };
}

std::vector<Fixture> fragments() {
  const auto piece = [] { return packet().ipv4(kClient, kDns).protocol(kUdp); };
  return {
      {"an empty fragment", {piece().piece(64, false)}, dropped(DropReason::kBadFragment)},
      {"a middle fragment that is no multiple of eight",
       {piece().piece(64, true).payload(15)},
       dropped(DropReason::kBadFragment)},
      {"a fragment that reaches beyond 65535 bytes",
       {piece().piece(65528, false).payload(8)},
       dropped(DropReason::kBadFragment)},
      {"a first fragment too small for its TCP header",
       {packet().ipv4(kClient, kWeb).protocol(kTcp).piece(0, true).payload(16)},
       dropped(DropReason::kTruncatedL4)},
      {"an IPv6 fragment that reaches beyond 65535 bytes",
       {packet().ipv6(kClient6, kDns6).fragment_header(65528, false, 1).protocol(kUdp).payload(8)},
       dropped(DropReason::kBadFragment)},
      {"an IPv6 middle fragment that is no multiple of eight",
       {packet().ipv6(kClient6, kDns6).fragment_header(64, true, 1).protocol(kUdp).payload(15)},
       dropped(DropReason::kBadFragment)},
      {"an empty IPv6 fragment",
       {packet().ipv6(kClient6, kDns6).fragment_header(64, false, 1).protocol(kUdp)},
       dropped(DropReason::kBadFragment)},
  };
}

}  // namespace

std::vector<Fixture> malformed_fixtures() {
  std::vector<Fixture> all = links();
  for (const auto& more : {ipv4(), ipv6(), transports(), fragments()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace sluice::test
