// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Many changes of tier 1 at a time: which groups a packet is looked for in.
#include "control/maps/older_maps.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace sluice::maps {
namespace {

using Map = std::shared_ptr<const SlotMap>;

Map map_of(std::vector<std::uint16_t> slots) {
  return std::make_shared<const SlotMap>(std::move(slots));
}

// The groups that the layers name for a slot besides the newest map's.
std::multiset<unsigned> groups_at(const Layers& layers, const SlotMap& newest, std::uint32_t slot) {
  std::multiset<unsigned> groups;
  for (const Map& layer : layers.maps) {
    if ((*layer)[slot] != kNoMember && (*layer)[slot] != newest[slot]) groups.insert((*layer)[slot]);
  }
  return groups;
}

TEST(OlderMaps, AFewAreAskedAsTheyAre) {
  const std::vector<Map> older = {map_of({0, 1}), map_of({1, 1})};
  const Layers layers = layers_of(older, SlotMap({2, 1}), 2);
  EXPECT_EQ(layers.maps, older);
  EXPECT_EQ(layers.slots_given_up, 0u);
}

TEST(OlderMaps, ManyAreLaidOnEachOtherSlotBySlot) {
  // Each slot has had few groups, though there were five changes.
  const std::vector<Map> older = {map_of({0, 0, 4}), map_of({1, 0, 4}), map_of({1, 0, kNoMember}),
                                  map_of({1, 3, 4}), map_of({0, 3, 4})};
  const SlotMap newest({2, 2, 4});
  const Layers layers = layers_of(older, newest, 3);
  ASSERT_EQ(layers.maps.size(), 3u);
  EXPECT_EQ(layers.slots_given_up, 0u);
  EXPECT_EQ(groups_at(layers, newest, 0), (std::multiset<unsigned>{0, 1}));
  EXPECT_EQ(groups_at(layers, newest, 1), (std::multiset<unsigned>{0, 3}));
  EXPECT_EQ(groups_at(layers, newest, 2), (std::multiset<unsigned>{}));
  for (std::uint32_t slot = 0; slot < 3; ++slot)
    EXPECT_EQ((*layers.maps[0])[slot], (*older[0])[slot]) << "unknown flows follow the first map";
}

TEST(OlderMaps, OfASlotWithTooManyGroupsTheYoungestStayAndItIsCounted) {
  const std::vector<Map> older = {map_of({0, 9}), map_of({1, 9}), map_of({2, 9}), map_of({3, 9}),
                                  map_of({1, 9})};
  const SlotMap newest({4, 9});
  const Layers layers = layers_of(older, newest, 3);
  EXPECT_EQ(layers.slots_given_up, 1u);
  EXPECT_EQ(groups_at(layers, newest, 0), (std::multiset<unsigned>{0, 1, 3}));
}

TEST(OlderMaps, NoGroupIsForgottenWhileThereIsRoomForAll) {
  std::mt19937 random(11);
  for (unsigned round = 0; round < 200; ++round) {
    constexpr unsigned kSlots = 31, kGroups = 5;
    std::vector<Map> older;
    const auto draw = [&] {
      std::vector<std::uint16_t> slots(kSlots);
      for (auto& slot : slots)
        slot = random() % 8 == 0 ? kNoMember : static_cast<std::uint16_t>(random() % kGroups);
      return slots;
    };
    for (unsigned n = 0; n < 8 + random() % 20; ++n) older.push_back(map_of(draw()));
    const SlotMap newest(draw());
    const Layers layers = layers_of(older, newest);
    ASSERT_EQ(layers.slots_given_up, 0u) << "five groups fit seven layers";
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      std::multiset<unsigned> all;
      for (const Map& map : older) {
        const std::uint16_t group = (*map)[slot];
        if (group != kNoMember && group != newest[slot] && !all.contains(group)) all.insert(group);
      }
      ASSERT_EQ(groups_at(layers, newest, slot), all);
    }
  }
}

}  // namespace
}  // namespace sluice::maps
