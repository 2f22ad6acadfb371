// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/neighbor/pacer.h"

#include <gtest/gtest.h>

#include "tests/unit/neighbor/facts.h"

namespace sluice::neighbor::test {
namespace {

using std::chrono::milliseconds;

TEST(Pacer, LetsOneNeighborThroughOncePerInterval) {
  Pacer pacer(milliseconds(1000), 10);
  const Pacer::Clock::time_point start{};
  const NextHop hop{2, ip("10.0.0.1")};
  EXPECT_TRUE(pacer.allow(hop, start));
  EXPECT_FALSE(pacer.allow(hop, start + milliseconds(999)));
  EXPECT_TRUE(pacer.allow({3, ip("10.0.0.1")}, start)) << "the same address on another link";
  EXPECT_TRUE(pacer.allow(hop, start + milliseconds(1000)));
  EXPECT_FALSE(pacer.allow(hop, start + milliseconds(1999)));
}

TEST(Pacer, RemembersABoundedNumberAndMakesRoomWhenTheyAreOld) {
  Pacer pacer(milliseconds(1000), 3);
  const Pacer::Clock::time_point start{};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(pacer.allow({i, ip("10.0.0.1")}, start + milliseconds(i)));
  EXPECT_FALSE(pacer.allow({7, ip("10.0.0.1")}, start + milliseconds(999)));
  EXPECT_EQ(pacer.size(), 3u);
  EXPECT_TRUE(pacer.allow({7, ip("10.0.0.1")}, start + milliseconds(1001)));
  EXPECT_LE(pacer.size(), 3u);
}

}  // namespace
}  // namespace sluice::neighbor::test
