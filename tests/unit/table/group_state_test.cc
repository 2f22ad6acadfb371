// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A group's state moves to another worker: at each moment exactly one may look inside (B2).
#include "dataplane/table/group_state.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/unit/table/flow_tools.h"

namespace sluice::test {
namespace {

constexpr unsigned kFormer = 1, kNext = 2, kOther = 3;

FlowTable::Limits small() {
  FlowTable::Limits limits;
  limits.flows_v4 = 64;
  limits.memory_bytes = 1 << 20;
  return limits;
}

// One group whose table `kFormer` keeps, in a snapshot that names `kNext` as its owner.
struct Moving {
  explicit Moving(FlowObserver observer = {}) : tables(key(), KeyedHash(std::array<std::uint8_t, 16>{})) {
    Group group;
    group.state = &state;
    group.owner = kNext;
    tables.groups.push_back(group);
    tables.moves.push_back({0, observer});
  }
  static ToeplitzKey key() { return ToeplitzKey(std::array<std::uint8_t, ToeplitzKey::kBytes>{}); }
  [[nodiscard]] unsigned asked_by(unsigned worker) const {
    return keeper_of(tables.groups[0], tables, worker);
  }

  GroupState state{small(), {}, kFormer};
  Snapshot tables;
};

TEST(GroupState, StaysWithItsFormerOwnerUntilThatOneGivesItUp) {
  Moving moving;
  EXPECT_EQ(moving.asked_by(kNext), kFormer);
  give_up_moved(moving.tables, kFormer);
  EXPECT_EQ(moving.asked_by(kNext), kNext);
}

TEST(GroupState, IsGivenUpByNobodyElse) {
  Moving moving;
  give_up_moved(moving.tables, kOther);
  give_up_moved(moving.tables, kNext);
  EXPECT_EQ(moving.asked_by(kNext), kFormer);
}

TEST(GroupState, IsAskedForAtItsOwnerByAllOthersTheFormerOneToo) {
  Moving moving;
  EXPECT_EQ(moving.asked_by(kOther), kNext);
  EXPECT_EQ(moving.asked_by(kFormer), kNext);
}

TEST(GroupState, TellsItsNextOwnerOfFlowsThatGo) {
  Departures departures;
  Moving moving(departures.observer());
  const FlowKey key = flow_key(1);
  ASSERT_TRUE(open(moving.state.flows, key, 0).fresh);
  give_up_moved(moving.tables, kFormer);
  moving.state.flows.erase(*find(moving.state.flows, key, 0));
  EXPECT_EQ(departures.list.size(), 1u);
}

}  // namespace
}  // namespace sluice::test
