// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/stage/kernel_rates.h"

#include <rte_mbuf.h>

#include <algorithm>
#include <optional>

#include "dataplane/wire/headers.h"
#include "dataplane/wire/reader.h"

namespace sluice {
namespace {

// Who says that it sent this; none for what is neither ARP nor IP.
std::optional<IpAddress> sender(Reader& r, std::uint16_t type) {
  if (type == kEtherArp) {
    const auto* arp = r.peek<ArpHeader>();
    if (arp) return IpAddress::v4(arp->sender);
  } else if (type == kEtherIpv4) {
    const auto* ip = r.peek<Ipv4Header>();
    if (ip) return IpAddress::v4(ip->source);
  } else if (type == kEtherIpv6) {
    const auto* ip = r.peek<Ipv6Header>();
    if (ip) return IpAddress::v6(ip->source.data());
  }
  return {};
}

}  // namespace

KernelClass kernel_class(const rte_mbuf& packet, const Snapshot& tables) {
  Reader r(rte_pktmbuf_mtod(&packet, const std::uint8_t*), packet.data_len);
  const auto* ethernet = r.take<EthernetHeader>();
  if (!ethernet) return KernelClass::kEverybody;
  std::uint16_t type = ethernet->type.value();
  if (type == kEtherVlan) {
    const auto* tag = r.take<VlanTag>();
    if (tag) type = tag->type.value();
  }
  const std::optional<IpAddress> from = sender(r, type);
  if (from && std::ranges::binary_search(tables.known_hosts, *from)) return KernelClass::kKnown;
  if (ethernet->destination.byte[0] & 1) return KernelClass::kEverybody;  // IEEE 802: the group bit
  if (type != kEtherIpv4 && type != kEtherIpv6) return KernelClass::kKnown;
  const bool near =
      from && (from->is_link_local() || std::ranges::any_of(tables.own_subnets, [&](const Prefix& own) {
                 return own.contains(*from);
               }));
  return near ? KernelClass::kKnown : KernelClass::kStrangers;
}

}  // namespace sluice
