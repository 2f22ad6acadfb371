// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/maps/maglev.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <numeric>
#include <random>

#include "tests/unit/maps/members.h"

namespace sluice::maps {
namespace {

using test::equal_dips;
using test::held_by;
using test::kSlots;
using test::share_moved;

TEST(Maglev, populates_the_table_of_the_paper) {
  const Preference preferences[] = {{3, 4}, {0, 2}, {3, 1}};
  const std::uint16_t three[] = {0, 1, 2, 0, 1, 2, 0}, without_b1[] = {0, 2, 0, 2, 0, 2, 0};
  EXPECT_EQ(populate(7, preferences, three), (std::vector<std::uint16_t>{1, 0, 1, 0, 2, 2, 0}));
  EXPECT_EQ(populate(7, preferences, without_b1), (std::vector<std::uint16_t>{0, 0, 0, 0, 2, 2, 2}));
}

TEST(Maglev, lets_equal_members_take_turns_round_and_round) {
  const std::uint32_t weights[] = {4, 4, 4};
  const auto quota = quotas(weights, 7);
  EXPECT_EQ(quota, (std::vector<std::uint32_t>{3, 2, 2}));
  EXPECT_EQ(turns(weights, quota), (std::vector<std::uint16_t>{0, 1, 2, 0, 1, 2, 0}));
}

TEST(Maglev, lets_a_member_of_twice_the_weight_take_two_turns_where_another_has_one) {
  const std::uint32_t weights[] = {1, 2};
  EXPECT_EQ(turns(weights, quotas(weights, 9)), (std::vector<std::uint16_t>{1, 0, 1, 1, 0, 1, 1, 0, 1}));
}

TEST(Quotas, are_the_exact_shares_rounded_and_sum_to_the_slots) {
  std::mt19937 random(31);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::uint32_t> weights(1 + random() % 50);
    for (auto& weight : weights)
      weight = random() % 5 ? static_cast<std::uint32_t>(random() >> random() % 32) : 0;
    weights[0] |= 1;
    const auto slots = static_cast<std::uint32_t>(1 + random() % 70'000);
    const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
    const auto quota = quotas(weights, slots);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      ASSERT_NEAR(quota[i], weights[i] / total * slots, 1.0);
      if (weights[i] == 0) {
        ASSERT_EQ(quota[i], 0u);
      }
      sum += quota[i];
    }
    ASSERT_EQ(sum, slots);
  }
}

TEST(Quotas, of_zero_weights_are_zero) {
  const std::uint32_t weights[] = {0, 0};
  EXPECT_EQ(quotas(weights, 7), (std::vector<std::uint32_t>{0, 0}));
}

TEST(Preference, visits_every_slot_once_whatever_the_number_of_slots) {
  for (std::uint32_t slots : {1u, 2u, 3u, 4u, 7u, 12u, 64u, 210u, 251u, 1024u}) {
    for (std::uint64_t id = 0; id < 200; ++id) {
      const Preference p = preference(id, slots);
      std::vector<bool> seen(slots);
      for (std::uint64_t n = 0, at = p.offset; n < slots; ++n, at = (at + p.skip) % slots) {
        ASSERT_LT(at, slots);
        ASSERT_FALSE(seen[at]) << slots << " slots, identity " << id;
        seen[at] = true;
      }
    }
  }
}

TEST(Identity, differs_by_address_port_and_name_and_is_the_same_in_every_release) {
  const IpAddress a = parse_address("10.0.0.1").value(), b = parse_address("2001:db8::1").value();
  EXPECT_NE(identity(a, 80), identity(a, 81));
  EXPECT_NE(identity(a, 80), identity(b, 80));
  EXPECT_NE(identity("blue"), identity("green"));
  EXPECT_NE(identity(""), identity(a, 0));
  EXPECT_EQ(identity(a, 80), 0x65dd52edc8bf2abbu) << std::hex << identity(a, 80);
  EXPECT_EQ(identity("blue"), 0xdf5d4cd1394905fau) << std::hex << identity("blue");
}

TEST(Map, is_pinned_so_that_nodes_of_different_releases_agree) {
  auto members = equal_dips(100);
  for (std::size_t i = 0; i < members.size(); ++i) {
    members[i].weight = static_cast<std::uint32_t>(1 + i % 3);
    members[i].up = i % 7 != 0;
  }
  const SlotMap map = build(members, kSlots);
  std::uint64_t digest = 0xcbf29ce484222325;  // FNV-1a
  for (std::uint32_t slot = 0; slot < map.size(); ++slot) digest = (digest ^ map[slot]) * 0x100000001b3;
  EXPECT_EQ(digest, 0x43266b29d72d2c2au) << std::hex << digest;
}

TEST(Map, of_100_equal_dips_gives_nobody_more_than_1_02_of_the_mean) {
  const SlotMap map = build(equal_dips(100), kSlots);
  auto held = held_by(map, 100);
  EXPECT_EQ(held.back(), 0u);
  held.pop_back();
  const auto [least, most] = std::minmax_element(held.begin(), held.end());
  EXPECT_LE(*most / (kSlots / 100.0), 1.02);
  EXPECT_LE(*most - *least, 1u) << "equal weights differ by one slot at most";
}

TEST(Map, keeps_weights_1_2_5_within_two_percent) {
  for (std::uint32_t repeat : {1u, 10u, 30u}) {
    auto members = equal_dips(3 * repeat);
    constexpr std::uint32_t kWeights[] = {1, 2, 5};
    for (std::size_t i = 0; i < members.size(); ++i) members[i].weight = kWeights[i % 3];
    const auto held = held_by(build(members, kSlots), members.size());
    for (std::size_t i = 0; i < members.size(); ++i) {
      const double share = kSlots * members[i].weight / (8.0 * repeat);
      EXPECT_NEAR(held[i] / share, 1.0, 0.02) << i;
    }
  }
}

TEST(Map, gives_nothing_to_a_weight_of_zero) {
  auto members = equal_dips(10);
  members[3].weight = 0;
  EXPECT_EQ(held_by(build(members, kSlots), 10)[3], 0u);
  for (auto& m : members) m.weight = 0;
  EXPECT_EQ(held_by(build(members, kSlots), 10).back(), kSlots);
}

TEST(Map, does_not_depend_on_the_order_of_the_members) {
  std::mt19937 random(32);
  auto members = equal_dips(100);
  for (auto& m : members) m.weight = static_cast<std::uint32_t>(1 + random() % 5), m.up = random() % 4 != 0;
  const SlotMap map = build(members, kSlots);
  for (int round = 0; round < 20; ++round) {
    auto shuffled = members;
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    const SlotMap other = build(shuffled, kSlots);
    ASSERT_TRUE(moved_slots({map, members}, {other, shuffled}).empty());
  }
}

TEST(Map, tells_members_of_one_identity_apart) {
  auto members = equal_dips(10);
  members.push_back(members[4]);
  members.push_back(members[4]);
  const auto held = held_by(build(members, kSlots), members.size());
  for (std::size_t i = 0; i < members.size(); ++i) EXPECT_NEAR(held[i], kSlots / 12.0, 1.0) << i;
  members[4].up = false;
  const auto after = held_by(build(members, kSlots), members.size());
  EXPECT_EQ(after[4], 0u);
  EXPECT_NEAR(after[10], kSlots / 11.0, 2.0) << "its twin stays and takes its share";
}

TEST(Map, moves_at_most_3_percent_when_1_of_100_is_added_or_removed) {
  const auto hundred = equal_dips(101);
  double sum = 0, worst = 0;
  for (std::size_t i = 0; i < hundred.size(); ++i) {
    auto without = hundred;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    const double added = share_moved(without, hundred), removed = share_moved(hundred, without);
    ASSERT_EQ(added, removed);
    sum += added;
    worst = std::max(worst, added);
  }
  EXPECT_LE(worst, 0.03);
  EXPECT_LE(sum / static_cast<double>(hundred.size()), 0.02);
  EXPECT_GE(worst, 0.0099) << "the new member must get its share";
  std::cout << "one of 100 added: mean " << sum / static_cast<double>(hundred.size()) * 100 << " %, worst "
            << worst * 100 << " % of the slots\n";
}

TEST(Map, moves_at_most_4_percent_when_the_weight_of_1_of_100_is_doubled) {
  const auto members = equal_dips(100);
  double worst = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    auto heavier = members;
    heavier[i].weight = 2;
    worst = std::max(worst, share_moved(members, heavier));
  }
  EXPECT_LE(worst, 0.04);
  EXPECT_GE(worst, 0.0097);
  std::cout << "weight of one of 100 doubled: worst " << worst * 100 << " % of the slots\n";
}

TEST(Map, does_not_change_when_all_weights_are_doubled) {
  auto members = equal_dips(100);
  for (std::size_t i = 0; i < members.size(); ++i) members[i].weight = static_cast<std::uint32_t>(1 + i % 4);
  auto doubled = members;
  for (auto& m : doubled) m.weight *= 2;
  EXPECT_EQ(share_moved(members, doubled), 0.0);
}

TEST(Map, takes_extreme_weights) {
  auto members = equal_dips(3);
  members[0].weight = 0xffffffff;
  members[1].weight = 0xffffffff;
  const auto held = held_by(build(members, kSlots), 3);
  EXPECT_NEAR(held[0], kSlots / 2.0, 1.0);
  EXPECT_EQ(held[0] + held[1] + held[2], kSlots);
  members[0].up = members[1].up = false;
  EXPECT_EQ(held_by(build(members, kSlots), 3)[2], kSlots);
}

TEST(Map, of_one_member_is_all_its_own) {
  auto one = equal_dips(1);
  EXPECT_EQ(held_by(build(one, kSlots), 1)[0], kSlots);
  one[0].up = false;
  EXPECT_EQ(held_by(build(one, kSlots), 1).back(), kSlots);
}

TEST(Map, of_no_member_is_nobodys) {
  const SlotMap map = build({}, 7);
  EXPECT_EQ(map.size(), 7u);
  EXPECT_EQ(held_by(map, 0).back(), 7u);
}

TEST(Map, of_fewer_slots_than_members_gives_each_slot_to_one_of_them) {
  for (std::uint32_t slots : {1u, 2u, 3u, 7u, 97u}) {
    auto members = equal_dips(100);
    auto held = held_by(build(members, slots), 100);
    EXPECT_EQ(held.back(), 0u);
    EXPECT_EQ(std::count(held.begin(), held.end(), 1u), slots);
    for (std::size_t i = 0; i < 99; ++i) members[i].up = false;
    EXPECT_EQ(held_by(build(members, slots), 100)[99], slots);
  }
}

TEST(Map, is_built_fast_for_1000_dips) {
  const auto members = equal_dips(1000);
  double best_ms = 1e9;
  for (int round = 0; round < 5; ++round) {
    const auto start = std::chrono::steady_clock::now();
    const SlotMap map = build(members, kSlots);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    ASSERT_EQ(map.size(), kSlots);
    best_ms = std::min(best_ms, took.count());
  }
  std::cout << "1,000 DIPs in 65,537 slots: " << best_ms << " ms\n";
  EXPECT_LE(best_ms, 200)
      << "20 ms in a release build on an idle machine; sanitizers and neighbours cost more";
}

TEST(MovedSlots, compares_holders_by_identity_and_not_by_index) {
  auto members = equal_dips(4);
  const SlotMap map = build(members, 7);
  std::vector<Member> reversed(members.rbegin(), members.rend());
  EXPECT_TRUE(moved_slots({map, members}, {build(reversed, 7), reversed}).empty());
  EXPECT_EQ(moved_slots({map, members}, {map, reversed}).size(), 7u);
  members[map[3]].up = false;
  const SlotMap after = build(members, 7);
  const auto moved = moved_slots({map, members}, {after, members});
  EXPECT_TRUE(std::find(moved.begin(), moved.end(), 3u) != moved.end());
}

TEST(MovedSlots, are_all_when_the_number_of_slots_changes_or_nobody_is_left) {
  auto members = equal_dips(4);
  const SlotMap seven = build(members, 7), eleven = build(members, 11);
  EXPECT_EQ(moved_slots({seven, members}, {eleven, members}).size(), 11u);
  auto dead = members;
  for (auto& m : dead) m.up = false;
  const SlotMap none = build(dead, 7);
  EXPECT_EQ(moved_slots({seven, members}, {none, dead}).size(), 7u);
  EXPECT_TRUE(moved_slots({none, dead}, {none, dead}).empty());
}

}  // namespace
}  // namespace sluice::maps
