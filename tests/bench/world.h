// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The small world that all measurements share: one service on one VIP or many, their DIPs in groups, and what
// is remembered of the flows that frames.h numbers. Everything follows from the seed.
#pragma once

#include <cstdint>
#include <memory>

#include "dataplane/table/snapshot.h"
#include "tests/bench/frames.h"

namespace sluice::bench {

struct WorldShape {
  unsigned flows = 100'000;
  unsigned dips = 1'000;      // of each service
  unsigned groups = 1;        // the DIPs of a single service are spread over them evenly
  unsigned services = 1;      // several: each with a group, DIPs and maps of its own
  bool one_map = false;       // the services have the same DIPs, so that control makes one map for all
  bool sticky = false;        // a flow table in each group, of `flows` entries
  double moved = 0;           // share of the slots that a transition under way moves
  unsigned elephant_pps = 0;  // from which rate on; 0 = never
  std::uint8_t owner = 0;     // index of the worker that all groups belong to
  bool v6 = false;            // clients, VIP, MUX and DIPs
  unsigned rounds = 20'000;   // of what is measured burst by burst
  std::uint32_t seed = 4711;
};

std::unique_ptr<const Snapshot> make_snapshot(const WorldShape& shape);

// What `tables` remembers before the first packet: of a service with a flow table every flow, as if it had
// sent a SYN and more; of another one, which a transition is under way for, every second flow that it moves.
// There is one service with one group.
void remember(const Snapshot& tables, const WorldShape& shape);

ToeplitzKey make_toeplitz_key(std::uint32_t seed);
KeyedHash make_keyed_hash(std::uint32_t seed);

}  // namespace sluice::bench
