// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/stage/stages.h"

namespace sluice {
namespace {

// Every path must pass so much in one piece (RFC 791 section 3.2): the longest header and eight bytes.
constexpr unsigned kLeastPathBytes = 68;

}  // namespace

std::uint64_t next_hop(Burst& burst, const Snapshot& tables, const WorkerCounters& counters) noexcept {
  const Target* const targets = tables.targets.data();
  const NextHop* const hops = tables.next_hops.data();
  const TrafficCounters* const traffic = counters.target.get();
  std::uint64_t oversized = 0;
  for_each(burst.live, [&](unsigned i) {
    const Layout layout = burst.layout[i];
    const Target& target = targets[burst.target[i]];
    const NextHop& hop = hops[target.next_hop];
    burst.egress[i] = hop.port;
    __builtin_prefetch(&traffic[target.counter], 1);  // encapsulate's
    const bool fits = unsigned{layout.ip_bytes} + target.outer_bytes <= hop.mtu;
    if (layout.hops_left > 1 && fits && hop.resolved) [[likely]]
      return;
    if (layout.hops_left <= 1) return burst.drop(i, DropReason::kTtlExpired);
    if (!fits && (layout.is(Layout::kDontFragment) || hop.mtu < target.outer_bytes + kLeastPathBytes))
      return burst.drop(i, DropReason::kTooBig);
    if (!hop.resolved) return burst.drop(i, DropReason::kNoNextHop);
    oversized |= 1ull << i;
  });
  return oversized;
}

}  // namespace sluice
