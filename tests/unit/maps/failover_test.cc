// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "control/maps/maglev.h"
#include "control/maps/spread.h"
#include "tests/unit/maps/members.h"

namespace sluice::maps {
namespace {

using test::equal_dips;
using test::held_by;
using test::kSlots;

TEST(Failover, of_any_of_100_moves_its_slots_and_no_others_and_nobody_gains_more_than_1_25_of_the_mean) {
  const auto members = equal_dips(100);
  const SlotMap before = build(members, kSlots);
  for (std::size_t dead = 0; dead < members.size(); ++dead) {
    auto now = members;
    now[dead].up = false;
    const SlotMap after = build(now, kSlots);
    std::vector<std::uint32_t> gain(members.size());
    std::uint32_t moved = 0;
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      ASSERT_EQ(before[slot] == dead, before[slot] != after[slot]) << "slot " << slot;
      if (before[slot] != dead) continue;
      ++gain[after[slot]];
      ++moved;
    }
    EXPECT_EQ(gain[dead], 0u);
    EXPECT_LE(*std::max_element(gain.begin(), gain.end()), 1.25 * moved / 99) << "DIP " << dead << " down";
    now[dead].up = true;
    EXPECT_EQ(build(now, kSlots), before) << "back up restores the map bit for bit";
  }
}

TEST(Failover, shares_by_weight) {
  auto members = equal_dips(30);
  constexpr std::uint32_t kWeights[] = {1, 2, 5};
  for (std::size_t i = 0; i < members.size(); ++i) members[i].weight = kWeights[i % 3];
  const SlotMap before = build(members, kSlots);
  for (std::size_t dead : {0u, 1u, 2u}) {
    auto now = members;
    now[dead].up = false;
    const auto had = held_by(before, 30), has = held_by(build(now, kSlots), 30);
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i == dead) continue;
      const double share = had[dead] * static_cast<double>(members[i].weight) / (80 - members[dead].weight);
      EXPECT_NEAR(has[i] - had[i], share, 1.0) << "DIP " << dead << " down";
    }
  }
}

TEST(Failover, moves_only_what_the_newly_dead_held_and_returns_exactly_that_in_any_sequence) {
  std::mt19937 random(33);
  for (int sequence = 0; sequence < 10; ++sequence) {
    auto members = equal_dips(40);
    for (auto& m : members) m.weight = static_cast<std::uint32_t>(1 + random() % 3);
    SlotMap before = build(members, 4093);
    for (int step = 0; step < 100; ++step) {
      const auto one = static_cast<std::uint16_t>(random() % members.size());
      members[one].up = !members[one].up;
      const SlotMap after = build(members, 4093);
      for (std::uint32_t slot = 0; slot < after.size(); ++slot) {
        if (before[slot] == after[slot]) continue;
        ASSERT_TRUE(members[one].up ? after[slot] == one : before[slot] == one)
            << "sequence " << sequence << " step " << step << " slot " << slot;
      }
      before = after;
    }
    // What is down in the end is all that counts, not how it came to that.
    auto fresh = members;
    std::shuffle(fresh.begin(), fresh.end(), random);
    const SlotMap at_once = build(fresh, 4093);
    ASSERT_TRUE(moved_slots({before, members}, {at_once, fresh}).empty());
  }
}

TEST(Failover, until_nobody_is_left_never_moves_a_slot_of_the_living) {
  std::mt19937 random(34);
  auto members = equal_dips(50);
  std::vector<std::uint16_t> order(members.size());
  for (std::uint16_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random);
  SlotMap before = build(members, kSlots);
  for (const std::uint16_t next : order) {
    members[next].up = false;
    const SlotMap after = build(members, kSlots);
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      if (before[slot] != next) {
        ASSERT_EQ(before[slot], after[slot]);
      }
    }
    before = after;
  }
  EXPECT_EQ(held_by(before, members.size()).back(), kSlots) << "all down: no member anywhere";
}

TEST(Failover, of_50_of_100_stays_balanced) {
  std::mt19937 random(35);
  for (int round = 0; round < 10; ++round) {
    auto members = equal_dips(100);
    std::vector<std::size_t> order(100);
    for (std::size_t i = 0; i < 100; ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    for (std::size_t i = 0; i < 50; ++i) members[order[i]].up = false;
    const auto held = held_by(build(members, kSlots), 100);
    for (std::size_t i = 0; i < 100; ++i)
      EXPECT_NEAR(held[i] / (kSlots / 50.0), members[i].up ? 1.0 : 0.0, 0.08) << "DIP " << i;
  }
}

TEST(Failover, of_all_but_a_few_shares_by_weight_still) {
  auto members = equal_dips(1000);
  for (auto& m : members) m.up = false;
  for (std::size_t i : {100u, 500u, 900u}) members[i].up = true;
  members[900].weight = 4;
  const auto held = held_by(build(members, kSlots), 1000);
  // Of 65,537 draws with a chance of 1/6: deviation 95 slots.
  EXPECT_NEAR(held[100], kSlots / 6.0, 600);
  EXPECT_NEAR(held[500], kSlots / 6.0, 600);
  EXPECT_NEAR(held[900], kSlots * 4 / 6.0, 600);
}

TEST(Failover, of_two_at_once_leaves_the_rest_even) {
  const auto members = equal_dips(100);
  for (std::size_t first = 0; first < 100; first += 7) {
    for (std::size_t second = first + 1; second < 100; second += 13) {
      auto now = members;
      now[first].up = now[second].up = false;
      const auto held = held_by(build(now, kSlots), 100);
      EXPECT_LE(*std::max_element(held.begin(), held.end()) / (kSlots / 98.0), 1.02);
    }
  }
}

TEST(WaitingTime, is_the_negative_logarithm_to_the_last_place) {
  std::mt19937_64 random(36);
  for (int i = 0; i < 200'000; ++i) {
    const std::uint64_t value = random() >> random() % 64;
    const double exact = -std::log2((static_cast<double>(value) + 1) / 0x1p64) * 65536;
    ASSERT_NEAR(waiting_time(value), exact, 2.0) << value;
    ASSERT_LE(shortest_waiting_time(value), waiting_time(value)) << value;
  }
  EXPECT_EQ(waiting_time(~0ull), 0u);
  EXPECT_EQ(waiting_time(0), 64u << 16);
  EXPECT_EQ(waiting_time((1ull << 63) - 1), 1u << 16);
}

}  // namespace
}  // namespace sluice::maps
