// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/wire/fast_mod.h"

#include <gtest/gtest.h>

#include <random>

namespace sluice {
namespace {

TEST(FastMod, equals_the_remainder_at_the_edges_of_every_kind_of_divisor) {
  const std::uint32_t edges[] = {1,     2,     3,          7,          64,         65521,
                                 65536, 65537, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
  for (std::uint32_t divisor : edges) {
    const FastMod mod(divisor);
    for (std::uint32_t value : edges)
      for (std::uint32_t near : {value - 1, value, value + 1})
        ASSERT_EQ(mod(near), near % divisor) << near << '%' << divisor;
    ASSERT_EQ(mod(0), 0u);
  }
}

TEST(FastMod, equals_the_remainder_of_random_values_by_random_divisors) {
  std::mt19937 random(1);
  for (int i = 0; i < 100'000; ++i) {
    const std::uint32_t divisor = (random() >> random() % 32) | 1;
    const FastMod mod(divisor);
    for (int j = 0; j < 20; ++j) {
      const auto value = static_cast<std::uint32_t>(random());
      ASSERT_EQ(mod(value), value % divisor) << value << '%' << divisor;
    }
  }
}

TEST(FastMod, maps_every_multiple_of_the_default_slot_count_to_zero) {
  const FastMod mod(65537);
  for (std::uint64_t multiple = 0; multiple <= 0xffffffff; multiple += 65537)
    ASSERT_EQ(mod(static_cast<std::uint32_t>(multiple)), 0u);
}

}  // namespace
}  // namespace sluice
