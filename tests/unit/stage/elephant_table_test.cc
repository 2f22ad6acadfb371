// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/table/elephant_table.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <vector>

#include "tests/unit/stage/control.h"

namespace sluice::test {
namespace {

Elephant make_elephant(std::uint32_t n, std::uint64_t hash) {
  Elephant elephant;
  elephant.key = make_key(n, 6);
  elephant.hash = hash;
  elephant.target = 7 * n;
  return elephant;
}

// A map that cannot be wrong judges the table. Few homes, so that searches run into each other, the end of
// the cells included.
TEST(ElephantTable, IsAMapUnderARandomWalk) {
  for (const std::uint64_t homes : {3u, 64u, 1u << 20}) {
    const auto table = std::make_unique<ElephantTable>();
    std::map<std::uint32_t, std::uint32_t> model;  // flow -> target
    std::mt19937_64 random(homes);
    // The last home is the last cell.
    const auto hash_of = [&](std::uint32_t n) { return ~(n * 0x9e3779b97f4a7c15ull % homes); };
    for (unsigned step = 0; step < 60'000; ++step) {
      const auto n = static_cast<std::uint32_t>(random() % 300);
      const FlowKey key = make_key(n, 6);
      switch (random() % 3) {
        case 0:
          ASSERT_EQ(table->insert(make_elephant(n, hash_of(n))), model.emplace(n, 7 * n).second);
          break;
        case 1:
          table->erase(key, hash_of(n));
          model.erase(n);
          break;
        default: {
          const Elephant* found = table->find(key, hash_of(n));
          ASSERT_EQ(found != nullptr, model.contains(n)) << "step " << step << ", flow " << n;
          if (found) {
            ASSERT_EQ(found->target, model[n]);
          }
        }
      }
      ASSERT_EQ(table->size(), model.size());
    }
    for (const auto& [n, target] : model) ASSERT_NE(table->find(make_key(n, 6), hash_of(n)), nullptr);
  }
}

TEST(ElephantTable, IsFullAtItsBoundAndHasRoomAgainAfterAnErase) {
  const auto table = std::make_unique<ElephantTable>();
  for (std::uint32_t n = 0; n < ElephantTable::kMost; ++n)
    ASSERT_TRUE(table->insert(make_elephant(n, n * 977)));
  EXPECT_FALSE(table->insert(make_elephant(60'000, 1)));
  EXPECT_EQ(table->size(), ElephantTable::kMost);
  table->erase(make_key(17, 6), 17 * 977);
  EXPECT_TRUE(table->insert(make_elephant(60'000, 1)));
  EXPECT_EQ(table->find(make_key(17, 6), 17 * 977), nullptr);
}

TEST(ElephantTable, FlowsOfOneHashAreToldApartByTheWholeKey) {
  const auto table = std::make_unique<ElephantTable>();
  ASSERT_TRUE(table->insert(make_elephant(1, 5)));
  EXPECT_EQ(table->find(make_key(2, 6), 5), nullptr);
  EXPECT_EQ(table->find(make_key(1, 17), 5), nullptr);
  EXPECT_FALSE(table->insert(make_elephant(1, 5))) << "the key is there";
}

}  // namespace
}  // namespace sluice::test
