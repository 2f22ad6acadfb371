// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/table/flow_index.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <random>

namespace sluice {
namespace {

TEST(FlowIndex, ScalarAndVectorMatchAgree) {
  std::mt19937 random(1);
  for (int round = 0; round < 100'000; ++round) {
    FlowIndex::Bucket bucket{};
    for (auto& tag : bucket.tag) tag = static_cast<std::uint16_t>(random() % 4 * 0x7fff);
    bucket.overflow = bucket.spare = static_cast<std::uint16_t>(random() % 4 * 0x7fff);
    for (auto& entry : bucket.entry) entry = static_cast<std::uint32_t>(random() % 4 * 0x7fff7fff);
    const auto tag = static_cast<std::uint16_t>(random() % 4 * 0x7fff);
    ASSERT_EQ(FlowIndex::match(bucket, tag), FlowIndex::match_scalar(bucket, tag));
  }
}

TEST(FlowIndex, TheFirstBucketFollowsFromTheSecond) {
  std::mt19937_64 random(2);
  for (const std::uint32_t entries : {1u, 1000u, 12'345u, 1u << 20}) {
    const FlowIndex index(entries);
    for (int round = 0; round < 10'000; ++round) {
      const FlowIndex::Spot spot = index.spot(random());
      const std::uint32_t second = index.second(spot.first, spot.tag);
      ASSERT_LT(spot.first, index.buckets());
      ASSERT_LT(second, index.buckets());
      ASSERT_EQ(index.second(second, spot.tag), spot.first);
      ASSERT_NE(spot.tag, 0);
    }
  }
}

// Tier 2's slot is the low half of the hash modulo the number of slots: what is left must still spread.
TEST(FlowIndex, FlowsOfOneSlotSpreadOverAllBuckets) {
  std::mt19937_64 random(3);
  const FlowIndex index(60'000);
  std::vector<unsigned> hits(index.buckets());
  constexpr std::uint32_t kSlots = 65'537;
  for (unsigned n = 0; n < 100 * index.buckets(); ++n) {
    const std::uint64_t hash = random();
    const std::uint64_t low = static_cast<std::uint32_t>(hash) / kSlots * kSlots;  // slot 0
    ++hits[index.spot((hash & ~0xffffffffull) | low).first];
  }
  const auto [least, most] = std::minmax_element(hits.begin(), hits.end());
  EXPECT_GT(*least, 50u);  // 100 on average, deviation 10
  EXPECT_LT(*most, 150u);
}

// As many as the index is made for, then churn at that level: every one of them finds room.
class FlowIndexLoad : public testing::TestWithParam<std::uint32_t> {};

TEST_P(FlowIndexLoad, FillsToItsCapacityAndStaysThere) {
  const std::uint32_t entries = GetParam();
  FlowIndex index(entries);
  std::mt19937_64 random(entries);
  struct Home {
    std::uint32_t bucket;
    bool second, there;
  };
  std::vector<Home> home(entries);
  std::uint64_t failed = 0, second = 0, tried = 0;
  const auto add = [&](std::uint32_t entry) {
    const FlowIndex::Placed placed = index.add(index.spot(random()), entry);
    home[entry] = {placed.bucket, placed.second, placed.done};
    failed += !placed.done;
    ++tried;
  };
  for (std::uint32_t entry = 0; entry < entries; ++entry) add(entry);
  for (std::uint32_t round = 0; round < 2 * entries; ++round) {
    const auto entry = static_cast<std::uint32_t>(random() % entries);
    if (home[entry].there) index.remove(home[entry].bucket, home[entry].second, entry);
    add(entry);
  }
  std::uint64_t overflow = 0, tags = 0;
  for (const Home& h : home) second += h.there && h.second;
  for (std::uint32_t b = 0; b < index.buckets(); ++b) {
    overflow += index.at(b).overflow;
    for (const std::uint16_t tag : index.at(b).tag) tags += tag != 0;
  }
  std::printf("%u entries: %.1f in a bucket, %.2f %% in their second, %llu of %llu found no room\n", entries,
              double(entries) / index.buckets(), 100.0 * double(second) / entries,
              static_cast<unsigned long long>(failed), static_cast<unsigned long long>(tried));
  EXPECT_LT(double(failed), 1e-4 * double(tried));
  EXPECT_EQ(overflow, second);
  EXPECT_LE(tags, entries);
  EXPECT_GE(tags + failed, entries);
}

INSTANTIATE_TEST_SUITE_P(Sizes, FlowIndexLoad, testing::Values(96, 1'000, 65'536, 1'000'000));

TEST(FlowIndex, GivesEveryPlaceBackAndCountsNoOverflow) {
  FlowIndex index(1);  // 16 buckets: the keys fill both of theirs
  std::mt19937_64 random(4);
  for (int round = 0; round < 1000; ++round) {
    std::vector<FlowIndex::Placed> placed;
    for (std::uint32_t entry = 0; entry < 200; ++entry)
      placed.push_back(index.add(index.spot(random()), entry));
    for (std::uint32_t entry = 0; entry < 200; ++entry) {
      if (placed[entry].done) index.remove(placed[entry].bucket, placed[entry].second, entry);
    }
    for (std::uint32_t b = 0; b < index.buckets(); ++b) {
      ASSERT_EQ(index.at(b).overflow, 0);
      ASSERT_EQ(FlowIndex::match(index.at(b), 0), (1u << FlowIndex::kWays) - 1);
    }
  }
}

}  // namespace
}  // namespace sluice
