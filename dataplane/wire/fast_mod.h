// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A remainder without a division: value % divisor by two multiplications (Lemire, Kaser, Kurz, "Faster
// remainder by direct computation", 2019). Exact for all 32-bit values and divisors. About 1 ns where a
// division of an unknown divisor costs 3 to 7.
#pragma once

#include <cstdint>

namespace sluice {

class FastMod {
 public:
  // divisor >= 1. For 1 the reciprocal 2^64 wraps to 0, and every remainder is then 0 as it should be.
  explicit constexpr FastMod(std::uint32_t divisor)
      : reciprocal_(~std::uint64_t{0} / divisor + 1), divisor_(divisor) {}

  // value % divisor, 0 <= result < divisor. Any thread.
  [[nodiscard]] constexpr std::uint32_t operator()(std::uint32_t value) const {
    const std::uint64_t fraction = reciprocal_ * value;
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint32_t>((static_cast<Wide>(fraction) * divisor_) >> 64);
  }
  [[nodiscard]] constexpr std::uint32_t divisor() const { return divisor_; }

 private:
  std::uint64_t reciprocal_;
  std::uint32_t divisor_;
};

}  // namespace sluice
