// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The second half of a map: slots of members that are down go along their chains (see maglev.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace sluice::maps {

// A member of weight > 0 as the population sees it; seats stand in the order of their members' identities.
struct Seat {
  std::uint64_t identity;  // distinct
  std::uint32_t weight;
  std::uint16_t index;  // in the caller's list
  bool up;
};

// `map` comes as the base map over all seats (values: places in `seats`, none missing if there are seats) and
// leaves with every slot held by a seat that is up, or kNoMember everywhere if none is. Slots of seats that
// are up stay. Cost: nothing to speak of for a few failures, 20 ms when 990 of 1,000 are down.
void hand_over(std::span<const Seat> seats, std::vector<std::uint16_t>& map);

}  // namespace sluice::maps
