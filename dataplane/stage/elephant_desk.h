// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What a worker needs to promote and demote elephants (B11): its own table (tier 1's part), and rings of
// notes to and from the others. A full ring costs an optimisation, never a packet or a flow.
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/door/hand_over.h"
#include "dataplane/door/note_ring.h"
#include "dataplane/table/elephant_table.h"
#include "dataplane/table/flow.h"
#include "dataplane/table/snapshot.h"

namespace sluice {

struct ElephantDesk {
  unsigned self = 0;
  std::uint64_t tsc_hz = FlowClock::kTicksPerSecond;
  ElephantTable table;
  // By worker; null for this one and where the configuration needs none.
  std::vector<NoteRing*> to, from;
  std::vector<HandOverRing*> handed;  // the packets that this worker hands to that one
  std::uint32_t next_review = 0;

  // The time of flow tables.
  [[nodiscard]] std::uint32_t flow_clock(std::uint64_t tsc) const {
    return static_cast<std::uint32_t>(tsc / (tsc_hz / FlowClock::kTicksPerSecond));
  }

  // Tier 2: this flow is big; asks the worker that receives its packets to take it. False: no room now.
  bool promote(unsigned tier1, const FlowKey& key, std::uint32_t target, const Snapshot& tables,
               std::uint64_t now_tsc);

  // Both tiers, once a turn, at most `budget` notes a ring. Tier 1 takes promoted flows in; tier 2 learns
  // that its elephants live, which keeps their entries fresh, and which of them come back.
  void read_notes(const Snapshot& tables, std::uint64_t now_tsc, unsigned budget);

  // Tier 1, `budget` entries of the table: reports every second; lets go of flows that have become slow,
  // whose DIP can no longer take them, or whose service is gone.
  void review(const Snapshot& tables, std::uint64_t now_tsc, unsigned budget);

  // Tier 1: the flow goes the ordinary way again; `elephant` is gone afterwards.
  void demote(const Elephant& elephant, const Snapshot& tables, std::uint64_t now_tsc);
  // Tier 1: all flows of a service (by counter id); their owners forget them by themselves.
  void forget_service(std::uint32_t service);

 private:
  void take_in(const Note& note, const Snapshot& tables, std::uint64_t now_tsc);
  void report(const Elephant& elephant, Note::Kind kind, const Snapshot& tables, std::uint64_t now_tsc);
  void settle(const Note& note, const Snapshot& tables, std::uint64_t now_tsc);
};

}  // namespace sluice
