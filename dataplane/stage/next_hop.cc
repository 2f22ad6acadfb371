// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <rte_mbuf.h>

#include <cstring>

#include "dataplane/stage/stages.h"
#include "dataplane/wire/headers.h"

namespace sluice {

void next_hop(Burst& burst, const Snapshot& tables) noexcept {
  for_each(burst.live, [&](unsigned i) {
    const Target& target = tables.targets[burst.target[i]];
    const NextHop& hop = tables.next_hops[target.next_hop];
    if (!hop.resolved) [[unlikely]]
      return burst.drop(i, DropReason::kNoNextHop);
    rte_mbuf* m = burst.packet[i];
    const unsigned l2_bytes = hop.l2_bytes + sizeof(Big16);
    m->data_off = static_cast<std::uint16_t>(m->data_off - l2_bytes);
    m->data_len = static_cast<std::uint16_t>(m->data_len + l2_bytes);
    m->pkt_len = m->data_len;
    auto* at = rte_pktmbuf_mtod(m, std::uint8_t*);
    std::memcpy(at, hop.l2.data(), 12);
    if (hop.l2_bytes == 16) std::memcpy(at + 12, &hop.l2[12], 4);
    const Big16 type(target.outer_v6 ? kEtherIpv6 : kEtherIpv4);
    std::memcpy(at + hop.l2_bytes, &type, sizeof type);
    burst.egress[i] = hop.port;
  });
}

}  // namespace sluice
