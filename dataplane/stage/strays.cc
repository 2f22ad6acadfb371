// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/stage/strays.h"

#include <algorithm>

#include "dataplane/table/group_state.h"

namespace sluice {
namespace {

// A flow that no map leads to is lost already.
bool led_here(const Service& service, std::uint32_t slot, std::uint32_t group) {
  const auto* end = service.older_groups.begin() + service.older_count;
  return std::any_of(service.older_groups.begin(), end,
                     [&](const std::uint16_t* map) { return map[slot] == group; });
}

}  // namespace

void count_strays(const Snapshot& tables, std::uint32_t group, std::uint32_t budget) noexcept {
  const Service& service = tables.service_of(group);
  if (service.older_count == 0) return;
  GroupState& state = *tables.groups[group].state;
  Strays& strays = state.strays;
  const std::uint32_t here = group - service.first_group;
  if (strays.cursor == 0) {
    strays.generation = tables.generation;
    strays.found = 0;
  }
  strays.cursor = state.flows.visit(strays.cursor, budget, [&](const FlowKey& key, const Flow&) {
    const std::uint32_t slot = service.groups.slot(tables.toeplitz.hash(key, service.hash_fields));
    strays.found += service.groups.slots[slot] != here && led_here(service, slot, here);
  });
  if (strays.cursor != FlowTable::kEnd) return;
  strays.cursor = 0;
  strays.count.store(strays.found, std::memory_order_relaxed);
  strays.walked.store(strays.generation, std::memory_order_release);
}

}  // namespace sluice
