// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// How a new flow of a sticky service finds its member when the map does not say (B6).
#pragma once

#include <algorithm>
#include <cstdint>

#include "dataplane/door/counters.h"
#include "dataplane/table/group_state.h"
#include "dataplane/table/snapshot.h"

namespace sluice {

// Where a group has more members than this, least-flows and least-load look at so many of them, chosen at
// random: constant work, and nearly as even as looking at all ("the power of two choices").
inline constexpr unsigned kSampledMembers = 16;

inline std::uint64_t next_random(std::uint64_t& state) {  // xorshift64* (Vigna 2016): fairness, not secrecy
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * 0x2545f4914f6cdd1dull;
}

// The index in tables.targets of the chosen member, or kNoTarget when none is up. A dry run leaves the state
// as it is.
inline std::uint32_t schedule(const Group& group, const Snapshot& tables, const WorkerCounters& counters,
                              GroupState& state, bool dry) {
  if (group.wheel_size == 0) return kNoTarget;
  std::uint64_t turn = state.turn, random = state.random;
  const auto in_wheel = [&](std::uint64_t n) {
    return group.first_target + group.wheel[n % group.wheel_size];
  };
  // Fewer flows, or fewer relative to capacity, compared without a division.
  const auto less = [&](std::uint32_t a, std::uint32_t b) {
    const std::uint64_t flows_a = counters.target_flows[tables.targets[a].counter].get();
    const std::uint64_t flows_b = counters.target_flows[tables.targets[b].counter].get();
    if (group.scheduler == Scheduler::kLeastFlows) return flows_a < flows_b;
    return flows_a * tables.targets[b].capacity < flows_b * tables.targets[a].capacity;
  };
  std::uint32_t chosen = kNoTarget;
  switch (group.scheduler) {
    case Scheduler::kMap:
    case Scheduler::kNextInWheel:
      chosen = in_wheel(turn++);
      break;
    case Scheduler::kRandomInWheel:
      chosen = in_wheel(next_random(random) >> 32);
      break;
    case Scheduler::kLeastFlows:
    case Scheduler::kLeastLoad: {
      const bool all = group.wheel_size <= kSampledMembers;
      // Starting one further each time, so that equals take turns.
      const std::uint64_t start = turn++;
      chosen = in_wheel(start);
      for (unsigned n = 1; n < std::min<unsigned>(group.wheel_size, kSampledMembers); ++n) {
        const std::uint32_t other = in_wheel(all ? start + n : next_random(random) >> 32);
        if (less(other, chosen)) chosen = other;
      }
      break;
    }
  }
  if (!dry) {
    state.turn = turn;
    state.random = random;
  }
  return chosen;
}

}  // namespace sluice
