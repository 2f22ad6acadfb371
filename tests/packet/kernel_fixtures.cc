// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What is the kernel's business goes to it untouched, or is dropped where there is no way to it.
#include "tests/packet/fixture.h"

namespace sluice::test {
namespace {

constexpr unsigned kArpType = 0x0806, kLldpType = 0x88cc, kStagType = 0x88a8;

Packet not_ip(unsigned type, std::size_t bytes) {
  return packet().ether_type(type).payload(bytes);
}

}  // namespace

std::vector<Fixture> kernel_fixtures() {
  const Packet arp = not_ip(kArpType, 28).to_mac("ff:ff:ff:ff:ff:ff").padded_to(60);
  const Packet solicitation = packet()
                                  .to_mac("33:33:ff:00:00:10")
                                  .ipv6("2001:db8:a::1", "ff02::1:ff00:10")
                                  .ttl(255)
                                  .icmp(135, 0)
                                  .payload(16);
  const RigOptions alone{.kernel = false};
  return {
      {"ARP goes to the kernel with its padding", {arp}, punted()},
      {"a tagged ARP goes to the kernel with its tag", {not_ip(kArpType, 28).vlan(7)}, punted()},
      {"LLDP goes to the kernel", {not_ip(kLldpType, 50)}, punted()},
      {"a service tag goes to the kernel", {not_ip(kStagType, 50)}, punted()},
      {"a frame with a length in place of the EtherType goes to the kernel", {not_ip(38, 38)}, punted()},
      {"neighbour solicitation goes to the kernel", {solicitation}, punted()},
      {"duplicate address detection goes to the kernel, though it has no source",
       {packet().ipv6("::", "ff02::1:ff00:10").ttl(255).icmp(135, 0).payload(16)},
       punted()},
      {"neighbour advertisement to our link-local address goes to the kernel",
       {packet().ipv6("fe80::1", "fe80::10").ttl(255).icmp(136, 0).payload(16)},
       punted()},
      {"IPv4 multicast goes to the kernel",
       {packet().ipv4("10.0.0.1", "224.0.0.5").protocol(89).payload(44)},
       punted()},
      {"IPv4 broadcast goes to the kernel",
       {packet().ipv4("10.0.0.1", "255.255.255.255").udp(67, 68)},
       punted()},
      {"BGP to our own address goes to the kernel",
       {packet().ipv4("10.0.0.1", kMuxV4).tcp(33333, 179)},
       punted()},
      {"BGP to our own v6 address goes to the kernel",
       {packet().ipv6("2001:db8:a::1", kMuxV6).tcp(33333, 179)},
       punted()},
      {"a ping to our own address goes to the kernel",
       {packet().ipv4("10.0.0.1", kMuxV4).echo(1, 1)},
       punted()},
      {"a fragment to our own address goes to the kernel",
       {packet().ipv4("10.0.0.1", kMuxV4).protocol(17).piece(800, false).payload(100)},
       punted()},
      {"a tagged packet to our own address goes to the kernel",
       {packet().vlan(9).ipv4("10.0.0.1", kMuxV4).tcp(1, 22)},
       punted()},
      {"TTL 1 to our own address goes to the kernel",
       {packet().ipv4("10.0.0.1", kMuxV4).ttl(1).tcp(1, 179)},
       punted()},
      {"without an exception path ARP is dropped", {arp}, dropped(DropReason::kNoKernelPath), town, alone},
      {"without an exception path BGP is dropped",
       {packet().ipv4("10.0.0.1", kMuxV4).tcp(33333, 179)},
       dropped(DropReason::kNoKernelPath),
       town,
       alone},
      {"without an exception path traffic is forwarded all the same",
       {packet().ipv4(kClient, kWeb).tcp(1, 80)},
       leaves({.service = kWeb}),
       town,
       alone},
  };
}

}  // namespace sluice::test
