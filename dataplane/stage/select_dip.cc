// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <rte_prefetch.h>

#include "dataplane/stage/stages.h"

namespace sluice {

void select_dip(Burst& burst, const Snapshot& tables) noexcept {
  HashFields fields[kBurstPackets];
  for_each(burst.live, [&](unsigned i) { fields[i] = tables.services[burst.service[i]].hash_fields; });
  hash_burst(tables.slot_hash, burst.key.data(), fields, burst.live, burst.slot_hash.data());

  const std::uint16_t* entry[kBurstPackets];
  for_each(burst.live, [&](unsigned i) {
    const SlotView& dips = tables.groups[burst.group[i]].dips;
    entry[i] = &dips.slots[dips.slot(static_cast<std::uint32_t>(burst.slot_hash[i]))];
    rte_prefetch0(entry[i]);
  });
  for_each(burst.live, [&](unsigned i) {
    const std::uint16_t member = *entry[i];
    if (member == kNoMember) [[unlikely]]
      return burst.drop(i, DropReason::kNoLiveDip);
    burst.target[i] = tables.groups[burst.group[i]].first_target + member;
    rte_prefetch0(&tables.targets[burst.target[i]]);
  });
}

}  // namespace sluice
