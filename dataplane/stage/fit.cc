// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <rte_mbuf.h>

#include "dataplane/stage/stages.h"
#include "dataplane/wire/headers.h"

namespace sluice {
namespace {

// Every path must pass so much in one piece (RFC 791 section 3.2): the longest header and eight bytes.
constexpr unsigned kLeastPathBytes = 68;

std::uint8_t hops_left(const Burst& burst, unsigned i) {
  const Layout& layout = burst.layout[i];
  return layout.is(Layout::kV6) ? burst.at<Ipv6Header>(i, layout.l3)->hop_limit
                                : burst.at<Ipv4Header>(i, layout.l3)->ttl;
}

}  // namespace

std::uint64_t fit(Burst& burst, const Snapshot& tables) noexcept {
  std::uint64_t oversized = 0;
  for_each(burst.live, [&](unsigned i) {
    const Target& target = tables.targets[burst.target[i]];
    const unsigned room = tables.next_hops[target.next_hop].mtu;
    if (hops_left(burst, i) <= 1) [[unlikely]]
      return burst.drop(i, DropReason::kTtlExpired);
    if (unsigned{burst.layout[i].ip_bytes} + target.outer_bytes <= room) [[likely]]
      return;
    if (burst.layout[i].is(Layout::kDontFragment) || room < target.outer_bytes + kLeastPathBytes) {
      return burst.drop(i, DropReason::kTooBig);
    }
    oversized |= 1ull << i;
  });
  return oversized;
}

}  // namespace sluice
