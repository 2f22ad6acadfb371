// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/table/elephant_table.h"

namespace sluice {

// The cell that holds the key, or the free one at which the search ends.
std::uint32_t ElephantTable::cell_of(const FlowKey& key, std::uint64_t hash) const {
  auto at = static_cast<std::uint32_t>(hash) & kMask;
  while (cells_[at] != kFree) {
    const Elephant& e = entries_[cells_[at]];
    if (e.hash == hash && e.key == key) break;
    at = (at + 1) & kMask;
  }
  return at;
}

Elephant* ElephantTable::find(const FlowKey& key, std::uint64_t hash) {
  const std::uint16_t index = cells_[cell_of(key, hash)];
  return index == kFree ? nullptr : &entries_[index];
}

bool ElephantTable::insert(const Elephant& elephant) {
  const std::uint32_t at = cell_of(elephant.key, elephant.hash);
  if (entries_.size() == kMost || cells_[at] != kFree) return false;
  cells_[at] = static_cast<std::uint16_t>(entries_.size());
  entries_.push_back(elephant);
  return true;
}

void ElephantTable::erase(const FlowKey& key, std::uint64_t hash) {
  std::uint32_t hole = cell_of(key, hash);
  const std::uint16_t index = cells_[hole];
  if (index == kFree) return;
  // The last entry takes the freed place.
  if (const auto last = static_cast<std::uint16_t>(entries_.size() - 1); index != last) {
    cells_[cell_of(entries_[last].key, entries_[last].hash)] = index;
    entries_[index] = entries_[last];
  }
  entries_.pop_back();
  // Close the gap, so that no search ends too early.
  cells_[hole] = kFree;
  for (std::uint32_t at = (hole + 1) & kMask; cells_[at] != kFree; at = (at + 1) & kMask) {
    const auto home = static_cast<std::uint32_t>(entries_[cells_[at]].hash) & kMask;
    if (((at - home) & kMask) < ((at - hole) & kMask)) continue;
    cells_[hole] = cells_[at];
    cells_[at] = kFree;
    hole = at;
  }
}

}  // namespace sluice
