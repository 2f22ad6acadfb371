// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What the owner of a group keeps from packet to packet: its flow table and the place of its wheel. Made and
// freed by control, touched by one worker alone: the keeper. A group whose map alone decides has none; a
// stateless service's group has one while a transition is under way (table S of A7).
//
// A group moves to another worker without losing a flow (B2): control publishes a snapshot with the new owner
// and lists the move. The former owner, when it sees that snapshot, gives the state up at once, by a store
// that the new owner reads. Until then whoever gets a packet of the group passes it on to the keeper, so
// nobody waits and nothing is held.
#pragma once

#include <atomic>
#include <cstdint>

#include "dataplane/table/flow_table.h"
#include "dataplane/table/snapshot.h"

namespace sluice {

// Flows in this table that only an older map of tier 1 leads to: counted, while there are such maps, by a
// walk over the whole table in slices (stage/strays.h).
struct Strays {
  // The owner's: the walk under way, and the snapshot that it began with.
  std::uint64_t cursor = 0, found = 0, generation = 0;
  // The owner writes, control reads: the last walk that is done. `walked` is written last.
  std::atomic<std::uint64_t> count{0}, walked{0};
};

struct GroupState {
  // `first_keeper`: index of the worker whose it is to begin with, and which `observer` belongs to.
  GroupState(const FlowTable::Limits& limits, FlowObserver observer, unsigned first_keeper = 0)
      : flows(limits, observer), keeper(static_cast<std::uint8_t>(first_keeper)) {}

  FlowTable flows;
  std::uint64_t turn = 0;    // how many flows the wheel has placed
  std::uint64_t random = 1;  // state of the random schedulers
  Strays strays;
  // Only the keeper writes, and only to name another; what it did before is then visible to that one.
  std::atomic<std::uint8_t> keeper;
};

// Worker `self`: who may look into this group's state now. A worker that `self` is not the owner of is asked
// no further: the owner itself knows when it is not the keeper yet.
inline unsigned keeper_of(const Group& group, const Snapshot& tables, unsigned self) {
  if (tables.moves.empty() || group.owner != self) [[likely]]
    return group.owner;
  return group.state->keeper.load(std::memory_order_acquire);
}

// Worker `self`, once a turn: gives up what other workers own now.
inline void give_up_moved(const Snapshot& tables, unsigned self) {
  for (const GroupMove& move : tables.moves) {
    const Group& group = tables.groups[move.group];
    if (group.owner == self || group.state->keeper.load(std::memory_order_relaxed) != self) continue;
    group.state->flows.set_observer(move.observer);
    group.state->keeper.store(group.owner, std::memory_order_release);
  }
}

}  // namespace sluice
