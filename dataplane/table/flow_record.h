// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A flow on its way from one process to the next (F4, docs/restart.md): what its entry says that outlives a
// restart, at fixed places, so that another build of Sluice reads it too. Little endian but for the key,
// which is in network order. What is measured (rates, elephants) is measured anew.
#pragma once

#include <bit>
#include <cstdint>
#include <span>

#include "dataplane/table/flow.h"
#include "dataplane/wire/address.h"
#include "dataplane/wire/keyed_hash.h"

namespace sluice {

static_assert(std::endian::native == std::endian::little, "records are little endian");

// `Key`: FlowKeyV4 or FlowKeyV6 of flow_store.h.
template <typename Key>
struct FlowRecord {
  Key key;
  std::uint32_t target;      // id in the process that wrote it
  std::uint32_t idle_ticks;  // FlowClock, when it was written
  std::uint8_t protocol;
  std::uint8_t state;    // FlowState, but kFree
  std::uint8_t packets;  // seen in probation, 1 to 3
  std::uint8_t zero;
};

inline constexpr std::size_t kFlowRecordBytesV4 = 24, kFlowRecordBytesV6 = 48;

enum class FlowFamily : std::uint8_t { kV4, kV6 };

// Where FlowTable::pack is. A new one is the start.
struct FlowPackCursor {
  std::uint32_t entry = 0;          // first all that have proven themselves,
  std::uint32_t list = 0;           // then those in probation: which list,
  std::uint32_t node = 0xffffffff;  // and the next one in it
};

// How records become flows again.
struct FlowRestoring {
  static constexpr std::uint32_t kGone = 0xffffffff;

  const KeyedHash& hash;
  HashFields fields = HashFields::kFiveTuple;  // what tells flows apart: the rest of a key is zero (B15)
  Prefix vip;                                  // flows to other addresses are wrong
  std::span<const std::uint32_t> target_of;    // id in the old process -> ours, or kGone
  std::span<std::uint32_t> taken;              // as long: grows by one for each flow taken, by old id
  std::uint32_t now = 0;                       // FlowClock
  std::uint32_t elapsed_ticks = 0;             // since the records were written
};

// What became of them.
struct FlowsRestored {
  std::uint64_t taken = 0;
  std::uint64_t expired = 0;  // their timeout ended meanwhile
  std::uint64_t gone = 0;     // their DIP is not in use any more
  std::uint64_t no_room = 0;  // the table is smaller than the old one
  std::uint64_t wrong = 0;    // not a flow that this table could hold; twice the same

  FlowsRestored& operator+=(const FlowsRestored& other) {
    taken += other.taken;
    expired += other.expired;
    gone += other.gone;
    no_room += other.no_room;
    wrong += other.wrong;
    return *this;
  }
};

}  // namespace sluice
