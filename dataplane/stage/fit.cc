// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/stage/stages.h"

namespace sluice {
namespace {

// Every path must pass so much in one piece (RFC 791 section 3.2): the longest header and eight bytes.
constexpr unsigned kLeastPathBytes = 68;

}  // namespace

std::uint64_t fit(Burst& burst, const Snapshot& tables) noexcept {
  std::uint64_t oversized = 0;
  for_each(burst.live, [&](unsigned i) {
    const Layout layout = burst.layout[i];
    const Target& target = tables.targets[burst.target[i]];
    const unsigned room = tables.next_hops[target.next_hop].mtu;
    if (layout.hops_left <= 1) [[unlikely]]
      return burst.drop(i, DropReason::kTtlExpired);
    if (unsigned{layout.ip_bytes} + target.outer_bytes <= room) [[likely]]
      return;
    if (layout.is(Layout::kDontFragment) || room < target.outer_bytes + kLeastPathBytes) {
      return burst.drop(i, DropReason::kTooBig);
    }
    oversized |= 1ull << i;
  });
  return oversized;
}

}  // namespace sluice
