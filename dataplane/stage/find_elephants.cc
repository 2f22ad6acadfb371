// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <rte_mbuf.h>

#include "dataplane/stage/stages.h"

namespace sluice {
namespace {

// May this packet go straight to its DIP? Everything that ends the flow, or makes it doubtful, goes the
// ordinary way.
bool usable(const Burst& burst, unsigned i, const Elephant& elephant, const Snapshot& tables) {
  constexpr std::uint8_t kTurning = Layout::kOpensFlow | Layout::kCloses;
  if (burst.layout[i].flags & kTurning) return false;
  const std::uint32_t target = tables.find_target(elephant.target);
  return target != kNoTarget && tables.targets[target].usable;
}

// The flow's packets that were handed over have all left, so that this one overtakes none.
bool caught_up(const Elephant& elephant, const HandOverRing& ring) {
  const std::uint64_t done = ring.done();
  return done >= elephant.last_handed || done == ring.sent();
}

}  // namespace

void find_elephants(Burst& burst, const Snapshot& tables, ElephantDesk& desk,
                    std::uint64_t now_tsc) noexcept {
  if (desk.table.empty()) [[likely]]
    return;
  std::uint64_t hash[kBurstPackets];
  hash_burst(tables.slot_hash, burst.key.data(), HashFields::kFiveTuple, burst.live, hash);
  for_each(burst.live, [&](unsigned i) { desk.table.prefetch(hash[i]); });
  for_each(burst.live, [&](unsigned i) {
    Elephant* elephant = desk.table.find(burst.key[i], hash[i]);
    if (!elephant || burst.layout[i].is(Layout::kIcmpError)) return;
    if (!usable(burst, i, *elephant, tables)) return desk.demote(*elephant, tables, now_tsc);
    if (!elephant->active) {
      HandOverRing& ring = *desk.handed[elephant->owner];
      elephant->active = caught_up(*elephant, ring);
      if (!elephant->active) {
        // This packet goes by the ring too, at most a burst further on.
        elephant->last_handed = ring.sent() + kBurstPackets;
        return;
      }
    }
    ++elephant->packets;
    elephant->bytes += burst.layout[i].ip_bytes;
    burst.target[i] = tables.find_target(elephant->target);
    burst.slot_hash[i] = hash[i];
    burst.decided |= 1ull << i;
  });
}

}  // namespace sluice
