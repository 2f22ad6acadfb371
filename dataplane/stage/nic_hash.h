// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Which packets every NIC hashes as we do, so that its value may be compared with ours, and used for ours.
#pragma once

#include <rte_mbuf.h>

#include "dataplane/stage/burst.h"
#include "dataplane/wire/headers.h"

namespace sluice {

// True when packet i carries a hash, and is whole TCP or UDP right behind a plain IP header: what our ports
// are told to hash by addresses and ports. SCTP, ESP, fragments and ICMP get a hash too, over fields that
// differ by NIC; so do packets behind options or extension headers, which some NICs do not look past.
inline bool nic_hash_fits(const Burst& burst, unsigned i) {
  constexpr std::uint8_t kOther = Layout::kFragment | Layout::kIcmpError | Layout::kEcho;
  const Layout& layout = burst.layout[i];
  const std::uint8_t protocol = burst.key[i].protocol;
  const std::size_t plain = layout.is(Layout::kV6) ? sizeof(Ipv6Header) : sizeof(Ipv4Header);
  return (burst.packet[i]->ol_flags & RTE_MBUF_F_RX_RSS_HASH) && !(layout.flags & kOther) &&
         (protocol == kProtoTcp || protocol == kProtoUdp) && layout.l3 + plain == layout.l4;
}

}  // namespace sluice
