// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What control asks of a tier-1 worker's elephants.
#include "dataplane/stage/elephant_desk.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "tests/unit/stage/control.h"

namespace sluice::test {
namespace {

// The last of the table takes the place of one that goes: none may be missed for that.
TEST(ElephantDesk, ForgetsAllElephantsOfAServiceAndNoOther) {
  const auto desk = std::make_unique<ElephantDesk>();
  const std::uint32_t services[] = {7, 7, 3, 7, 5, 7, 7};
  for (std::uint32_t n = 0; n < std::size(services); ++n) {
    Elephant elephant;
    elephant.key = make_key(n, 6);
    elephant.hash = n * 977;
    elephant.service = services[n];
    ASSERT_TRUE(desk->table.insert(elephant));
  }
  desk->forget_service(9);
  EXPECT_EQ(desk->table.size(), std::size(services));
  desk->forget_service(7);
  std::multiset<std::uint32_t> left;
  for (std::uint32_t i = 0; i < desk->table.size(); ++i) left.insert(desk->table.at(i).service);
  EXPECT_EQ(left, (std::multiset<std::uint32_t>{3, 5}));
  for (std::uint32_t n = 0; n < std::size(services); ++n)
    EXPECT_EQ(desk->table.find(make_key(n, 6), n * 977) != nullptr, services[n] != 7);
}

}  // namespace
}  // namespace sluice::test
