// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/maps/spread.h"

#include <bit>

namespace sluice::maps {

std::uint32_t waiting_time(std::uint64_t random) {
  if (random == ~0ull) return 0;
  const std::uint64_t value = random + 1;
  const unsigned zeros = static_cast<unsigned>(std::countl_zero(value));
  // The value as a number in [1, 2) with 31 bits after the point; squaring it shifts log2's bits out one by
  // one.
  std::uint64_t mantissa = value << zeros >> 32;
  std::uint32_t fraction = 0;
  for (int bit = 0; bit < 16; ++bit) {
    mantissa = mantissa * mantissa >> 31;
    const auto overflow = static_cast<std::uint32_t>(mantissa >> 32);
    mantissa >>= overflow;
    fraction = fraction << 1 | overflow;
  }
  return ((zeros + 1) << 16) - fraction;
}

}  // namespace sluice::maps
