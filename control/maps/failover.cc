// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/maps/failover.h"

#include <algorithm>
#include <numeric>

#include "control/maps/spread.h"
#include "dataplane/table/slot_map.h"

namespace sluice::maps {
namespace {

// With a share s of the weight up, a pick fails with 1 - s: after 32 picks 0.1 % are left at s = 20 %.
constexpr unsigned kTries = 32;
enum Stream : std::uint64_t { kStart = 11, kPick = 12, kRace = 13 };

class Chains {
 public:
  Chains(std::span<const Seat> seats, const std::vector<std::uint16_t>& base)
      : seats_(seats), base_(base), up_(base.size()), slots_of_(seats.size()) {
    for (std::uint32_t slot = 0; slot < base.size(); ++slot) {
      up_[slot] = seats[base[slot]].up;
      if (!up_[slot]) slots_of_[base[slot]].push_back(slot);
    }
    for (std::size_t i = 0; i < seats.size(); ++i)
      if (seats[i].up) live_.push_back(static_cast<std::uint16_t>(i));
    total_ = std::accumulate(seats.begin(), seats.end(), std::uint64_t{0},
                             [](std::uint64_t sum, const Seat& seat) { return sum + seat.weight; });
  }

  // Deals the slots of `owner`, which is down, out to the others in proportion to their weights: the slots
  // stand at equal distances on the line of the others' weights, from a start that the owner draws, and each
  // goes to the member it stands on.
  void deal(std::uint16_t owner, std::vector<std::uint16_t>& map) const {
    const std::vector<std::uint32_t>& slots = slots_of_[owner];
    const std::uint64_t others = total_ - seats_[owner].weight;
    if (slots.empty() || others == 0) return;
    const Wide start = static_cast<Wide>(scale(draw(seats_[owner].identity, kStart), others)) * slots.size() +
                       scale(draw(seats_[owner].identity, kStart + 100), slots.size());
    std::size_t on = 0;       // the seat that the walk stands on
    std::uint64_t begin = 0;  // and where its part of the line begins; laps are counted in
    for (std::size_t rank = 0; rank < slots.size(); ++rank) {
      const auto at = static_cast<std::uint64_t>((static_cast<Wide>(rank) * others + start) / slots.size());
      for (;; on = (on + 1) % seats_.size()) {
        const std::uint64_t length = on == owner ? 0 : seats_[on].weight;
        if (at < begin + length) break;
        begin += length;
      }
      const auto first = static_cast<std::uint16_t>(on);
      map[slots[rank]] = seats_[first].up ? first : later_choice(slots[rank], owner);
    }
  }

  [[nodiscard]] bool none_left() const { return live_.empty(); }

 private:
  // The rest of the chain of a slot whose owner and first choice are both down.
  [[nodiscard]] std::uint16_t later_choice(std::uint32_t slot, std::uint16_t owner) const {
    const std::uint64_t stream = draw(seats_[owner].identity + slot, kPick);
    for (unsigned n = 0; n < kTries; ++n) {
      // The base map is a table in which each member is as frequent as it is heavy.
      const std::uint64_t pick = scale(draw(stream, n), base_.size());
      if (up_[pick]) return base_[pick];
    }
    return race(slot);
  }

  // Each member waits -log(random) / weight; the first to come wins. A member's waiting time for a slot is
  // its own, so leaving a loser out changes nothing.
  [[nodiscard]] std::uint16_t race(std::uint32_t slot) const {
    const std::uint64_t stream = draw(slot, kRace);
    std::uint16_t best = kNoMember;
    std::uint64_t best_wait = 0, best_weight = 0;
    for (const std::uint16_t candidate : live_) {
      const std::uint64_t random = draw(seats_[candidate].identity ^ stream, 0);
      // wait / weight < best_wait / best_weight; waits have 23 bits, weights 32.
      const auto wins = [&](std::uint64_t wait) {
        return best == kNoMember || wait * best_weight < best_wait * seats_[candidate].weight;
      };
      if (!wins(shortest_waiting_time(random))) continue;
      const std::uint64_t wait = waiting_time(random);
      if (wins(wait)) best = candidate, best_wait = wait, best_weight = seats_[candidate].weight;
    }
    return best;
  }

  std::span<const Seat> seats_;
  const std::vector<std::uint16_t>& base_;
  std::vector<std::uint8_t> up_;                      // of each slot: its base owner is up
  std::vector<std::vector<std::uint32_t>> slots_of_;  // of each seat that is down, ascending
  std::vector<std::uint16_t> live_;
  std::uint64_t total_ = 0;
};

}  // namespace

void hand_over(std::span<const Seat> seats, std::vector<std::uint16_t>& map) {
  if (std::all_of(seats.begin(), seats.end(), [](const Seat& seat) { return seat.up; })) return;
  const std::vector<std::uint16_t> base = map;
  const Chains chains(seats, base);
  if (chains.none_left()) {
    std::fill(map.begin(), map.end(), kNoMember);
    return;
  }
  for (std::size_t i = 0; i < seats.size(); ++i)
    if (!seats[i].up) chains.deal(static_cast<std::uint16_t>(i), map);
}

}  // namespace sluice::maps
