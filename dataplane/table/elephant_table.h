// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Tier 1's short list of flows that are big enough to skip tier 2 (B11): key -> target, bounded, owned by one
// worker. An entry is taken out as soon as anything speaks against it; the flow then goes the ordinary way.
//
// A promoted flow does not change its way while packets of it are still under way to tier 2: the entry starts
// as pending and remembers the ring position of the flow's last packet; it becomes active when tier 2 has
// sent that one, so no packet overtakes another. The other change keeps order by itself.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "dataplane/wire/flow_key.h"

namespace sluice {

struct Elephant {
  FlowKey key;
  std::uint32_t target = 0;              // stable id
  std::uint32_t service = 0;             // stable id (Service::counter)
  std::uint8_t owner = 0;                // the tier-2 worker that knows the flow
  bool active = false;                   // else pending
  std::uint64_t last_handed = 0;         // pending: HandOverRing::sent() after the flow's last packet
  std::uint64_t packets = 0, bytes = 0;  // since promotion
  std::uint64_t reported_packets = 0, reported_bytes = 0;
  std::uint64_t since_tsc = 0, reported_tsc = 0;
  std::uint64_t hash = 0;
};

class ElephantTable {
 public:
  static constexpr std::uint32_t kMost = 4096;  // entries (a core)

  ElephantTable() : cells_(kCells, kFree) { entries_.reserve(kMost); }

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(entries_.size()); }
  // `hash`: the keyed hash of the whole key. Pointers are valid until the next insert or erase.
  [[nodiscard]] Elephant* find(const FlowKey& key, std::uint64_t hash);
  void prefetch(std::uint64_t hash) const { __builtin_prefetch(&cells_[hash & kMask]); }
  // False when the table is full, or has the key.
  bool insert(const Elephant& elephant);
  void erase(const FlowKey& key, std::uint64_t hash);
  // In no order: for housekeeping in slices.
  [[nodiscard]] Elephant& at(std::uint32_t index) { return entries_[index]; }

 private:
  static constexpr std::uint32_t kCells = 4 * kMost, kMask = kCells - 1;
  static constexpr std::uint16_t kFree = 0xffff;

  [[nodiscard]] std::uint32_t cell_of(const FlowKey& key, std::uint64_t hash) const;

  std::vector<std::uint16_t> cells_;  // open addressing: index into entries_
  std::vector<Elephant> entries_;     // dense
};

}  // namespace sluice
