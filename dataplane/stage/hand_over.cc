// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <rte_mbuf.h>

#include <bit>

#include "dataplane/stage/stages.h"
#include "dataplane/table/group_state.h"

namespace sluice {
namespace {

static_assert(sizeof(Layout) == sizeof(HandOver::layout));

void write_note(const Burst& burst, unsigned i, const Snapshot& tables) {
  HandOver& note = HandOver::of(burst.packet[i]);
  note.key = burst.key[i];
  note.layout = std::bit_cast<std::uint64_t>(burst.layout[i]);
  note.service = burst.service[i];
  note.group = burst.group[i];
  note.hash = burst.hash[i];
  note.chain = burst.chained >> i & 1 ? burst.chain[i] : 0;
  note.generation = tables.generation;
}

void put(Burst& burst, std::uint64_t mask, HandOverRing& ring) {
  rte_mbuf* out[kBurstPackets];
  std::uint8_t index[kBurstPackets];
  unsigned count = 0;
  for_each(mask, [&](unsigned i) {
    out[count] = burst.packet[i];
    index[count++] = static_cast<std::uint8_t>(i);
  });
  const unsigned taken = ring.put(out, count);
  for (unsigned k = 0; k < taken; ++k) burst.take_out(index[k]);
  for (unsigned k = taken; k < count; ++k) burst.drop(index[k], DropReason::kHandoverFull);
}

}  // namespace

void hand_over(Burst& burst, const Snapshot& tables, unsigned self, HandOverRing* const* rings) noexcept {
  std::uint64_t elsewhere = 0;
  std::uint8_t keeper[kBurstPackets];  // asked once: it may change meanwhile, and passes on what comes late
  for_each(burst.live & ~burst.decided, [&](unsigned i) {
    const Group& group = tables.groups[burst.group[i]];
    if (group.state == nullptr) return;
    keeper[i] = static_cast<std::uint8_t>(keeper_of(group, tables, self));
    elsewhere |= std::uint64_t{keeper[i] != self} << i;
  });
  if (elsewhere == 0) [[likely]]
    return;
  for_each(elsewhere, [&](unsigned i) { write_note(burst, i, tables); });
  while (elsewhere) {
    const unsigned first = keeper[std::countr_zero(elsewhere)];
    std::uint64_t mask = 0;
    for_each(elsewhere, [&](unsigned i) { mask |= std::uint64_t{keeper[i] == first} << i; });
    put(burst, mask, *rings[first]);
    elsewhere &= ~mask;
  }
}

void take_over(Burst& burst, const Snapshot& tables) noexcept {
  std::uint64_t stale = 0;
  for_each(burst.live, [&](unsigned i) {
    const HandOver& note = HandOver::of(burst.packet[i]);
    burst.key[i] = note.key;
    burst.layout[i] = std::bit_cast<Layout>(note.layout);
    burst.service[i] = note.service;
    burst.group[i] = note.group;
    burst.hash[i] = note.hash;
    burst.chain[i] = static_cast<std::uint8_t>(note.chain);
    burst.chained |= std::uint64_t{note.chain != 0} << i;
    stale |= std::uint64_t{note.generation != tables.generation} << i;
  });
  if (stale == 0) [[likely]]
    return;
  // Another snapshot numbers its services and groups in its own way.
  const std::uint64_t all = burst.live;
  burst.live = stale;
  find_service(burst, tables);
  select_group(burst, tables, false);
  burst.live |= all & ~stale;
}

}  // namespace sluice
