// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/maps/maglev.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <tuple>

#include "control/maps/failover.h"
#include "control/maps/spread.h"
#include "dataplane/wire/siphash.h"

namespace sluice::maps {
namespace {

// Published constants: every release and every node must use these.
constexpr std::array<std::uint8_t, 16> kIdentityKey = {'s', 'l', 'u', 'i', 'c', 'e', ' ', 'm',
                                                       'e', 'm', 'b', 'e', 'r', ' ', 'i', 'd'};
enum Stream : std::uint64_t { kOffset = 1, kSkip = 2, kTwin = 3 };

// The members that take part, in the order of their identities.
std::vector<Seat> seats_of(std::span<const Member> members) {
  std::vector<Seat> seats;
  seats.reserve(members.size());
  for (std::size_t i = 0; i < members.size(); ++i) {
    const Member& m = members[i];
    if (m.weight != 0) seats.push_back({m.identity, m.weight, static_cast<std::uint16_t>(i), m.up});
  }
  std::sort(seats.begin(), seats.end(), [](const Seat& a, const Seat& b) {
    return std::tie(a.identity, a.weight, a.index) < std::tie(b.identity, b.weight, b.index);
  });
  // Twins would share a preference list and get one another's leftovers: give each later one its own.
  for (std::size_t i = 1, copy = 0; i < seats.size(); ++i) {
    const bool twin = members[seats[i].index].identity == members[seats[i - 1].index].identity;
    copy = twin ? copy + 1 : 0;
    if (twin) seats[i].identity = draw(draw(seats[i].identity, kTwin), copy);
  }
  return seats;
}

std::optional<std::uint64_t> holder(const MapOf& of, std::uint32_t slot) {
  const std::uint16_t member = of.map[slot];
  if (member == kNoMember) return {};
  return of.members[member].identity;
}

}  // namespace

std::uint64_t identity(const IpAddress& address, std::uint16_t port) {
  std::array<std::uint8_t, 19> message{'a'};
  std::copy(address.byte.begin(), address.byte.end(), message.begin() + 1);
  message[17] = static_cast<std::uint8_t>(port >> 8);
  message[18] = static_cast<std::uint8_t>(port);
  return siphash24(kIdentityKey, message);
}

std::uint64_t identity(std::string_view name) {
  std::vector<std::uint8_t> message{'n'};
  message.insert(message.end(), name.begin(), name.end());
  return siphash24(kIdentityKey, message);
}

Preference preference(std::uint64_t identity, std::uint32_t slots) {
  Preference p{static_cast<std::uint32_t>(scale(draw(identity, kOffset), slots)), 1};
  if (slots <= 2) return p;
  p.skip = 1 + static_cast<std::uint32_t>(scale(draw(identity, kSkip), slots - 1));
  // For a prime the first one does; else the next that visits all slots. slots - 1 always does, so it ends.
  while (std::gcd(p.skip, slots) != 1) p.skip = p.skip % (slots - 1) + 1;
  return p;
}

std::vector<std::uint32_t> quotas(std::span<const std::uint32_t> weights, std::uint32_t slots) {
  const std::uint64_t total = std::accumulate(weights.begin(), weights.end(), std::uint64_t{0});
  std::vector<std::uint32_t> quota(weights.size());
  if (total == 0) return quota;
  std::vector<std::uint64_t> remainder(weights.size());
  std::uint32_t left = slots;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const std::uint64_t share = std::uint64_t{weights[i]} * slots;
    quota[i] = static_cast<std::uint32_t>(share / total);
    remainder[i] = share % total;
    left -= quota[i];
  }
  std::vector<std::uint32_t> order(weights.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return remainder[a] > remainder[b]; });
  for (std::uint32_t i = 0; i < left; ++i) ++quota[order[i]];
  return quota;
}

std::vector<std::uint16_t> turns(std::span<const std::uint32_t> weights,
                                 std::span<const std::uint32_t> quota) {
  const std::uint64_t weight = std::accumulate(weights.begin(), weights.end(), std::uint64_t{0});
  const std::uint64_t total = std::accumulate(quota.begin(), quota.end(), std::uint64_t{0});
  // Turn t of member i stands at (t + 1/2) / weight, scaled to about `total` places: a counting sort.
  const auto place = [&](std::size_t i, std::uint64_t t) {
    return std::min(total, static_cast<std::uint64_t>(static_cast<Wide>(2 * t + 1) * weight /
                                                      (2 * std::uint64_t{weights[i]})));
  };
  std::vector<std::uint32_t> at(total + 2);
  for (std::size_t i = 0; i < quota.size(); ++i)
    for (std::uint32_t t = 0; t < quota[i]; ++t) ++at[place(i, t) + 1];
  std::partial_sum(at.begin(), at.end(), at.begin());
  std::vector<std::uint16_t> order(total);
  for (std::size_t i = 0; i < quota.size(); ++i)
    for (std::uint32_t t = 0; t < quota[i]; ++t) order[at[place(i, t)]++] = static_cast<std::uint16_t>(i);
  return order;
}

std::vector<std::uint16_t> populate(std::uint32_t slots, std::span<const Preference> preferences,
                                    std::span<const std::uint16_t> turns) {
  std::vector<std::uint16_t> owner(slots, kNoMember);
  std::vector<std::uint32_t> next(preferences.size());
  for (std::size_t i = 0; i < next.size(); ++i) next[i] = preferences[i].offset;
  for (const std::uint16_t member : turns) {
    const std::uint32_t skip = preferences[member].skip;
    const auto step = [&](std::uint32_t at) { return at >= slots - skip ? at - (slots - skip) : at + skip; };
    std::uint32_t slot = next[member];
    while (owner[slot] != kNoMember) slot = step(slot);
    owner[slot] = member;
    next[member] = step(slot);
  }
  return owner;
}

SlotMap build(std::span<const Member> members, std::uint32_t slots) {
  const std::vector<Seat> seats = seats_of(members);
  std::vector<std::uint32_t> weights;
  std::vector<Preference> preferences;
  for (const Seat& seat : seats) {
    weights.push_back(seat.weight);
    preferences.push_back(preference(seat.identity, slots));
  }
  std::vector<std::uint16_t> map = populate(slots, preferences, turns(weights, quotas(weights, slots)));
  hand_over(seats, map);
  for (std::uint16_t& entry : map)
    if (entry != kNoMember) entry = seats[entry].index;
  return SlotMap(std::move(map));
}

std::vector<std::uint32_t> moved_slots(const MapOf& before, const MapOf& after) {
  std::vector<std::uint32_t> moved;
  const bool comparable = before.map.size() == after.map.size();
  for (std::uint32_t slot = 0; slot < after.map.size(); ++slot)
    if (!comparable || holder(before, slot) != holder(after, slot)) moved.push_back(slot);
  return moved;
}

}  // namespace sluice::maps
