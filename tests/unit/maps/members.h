// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Members for the tests of maps, and ways to count what they hold.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "control/maps/maglev.h"

namespace sluice::maps::test {

inline constexpr std::uint32_t kSlots = 65537;

// DIPs 10.0.x.y:80, all up, of weight 1.
inline std::vector<Member> equal_dips(std::uint32_t count) {
  std::vector<Member> members;
  for (std::uint32_t i = 0; i < count; ++i)
    members.push_back({identity(IpAddress::v4(Big32(0x0a000001 + i)), 80), 1, true});
  return members;
}

// Slots by member; the last element counts the slots that nobody holds.
inline std::vector<std::uint32_t> held_by(const SlotMap& map, std::size_t members) {
  std::vector<std::uint32_t> count(members + 1);
  for (std::uint32_t slot = 0; slot < map.size(); ++slot)
    ++count[map[slot] == kNoMember ? members : map[slot]];
  return count;
}

inline double share_moved(std::span<const Member> before, std::span<const Member> after) {
  const SlotMap old_map = build(before, kSlots), new_map = build(after, kSlots);
  return static_cast<double>(moved_slots({old_map, before}, {new_map, after}).size()) / kSlots;
}

}  // namespace sluice::maps::test
