// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <rte_prefetch.h>

#include "dataplane/stage/stages.h"

namespace sluice {

void select_dip(Burst& burst, const Snapshot& tables) noexcept {
  const std::uint64_t open = burst.live & ~burst.decided;
  const std::uint16_t* entry[kBurstPackets];
  for_each(open, [&](unsigned i) {
    const SlotView& dips = tables.groups[burst.group[i]].dips;
    entry[i] = &dips.slots[dips.slot(static_cast<std::uint32_t>(burst.slot_hash[i]))];
    rte_prefetch0(entry[i]);
  });
  for_each(open, [&](unsigned i) {
    const std::uint16_t member = *entry[i];
    if (member == kNoMember) [[unlikely]]
      return burst.drop(i, DropReason::kNoLiveDip);
    burst.target[i] = tables.groups[burst.group[i]].first_target + member;
    rte_prefetch0(&tables.targets[burst.target[i]]);
  });
}

}  // namespace sluice
