// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Millions of delays in a few kilobytes: 64 steps to each power of two, so a percentile is right to 1.6 %.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace sluice::bench {

class Delays {
 public:
  void add(std::uint64_t ns) {
    ++count_;
    if (ns > most_) most_ = ns;
    ++step_[step_of(ns)];
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] double most_us() const { return static_cast<double>(most_) / 1e3; }
  // The delay that `share` of them do not exceed, in us; 0 when there are none.
  [[nodiscard]] double percentile_us(double share) const {
    std::uint64_t left = static_cast<std::uint64_t>(share * static_cast<double>(count_));
    for (unsigned step = 0; step < kSteps; ++step) {
      if (step_[step] > left) return static_cast<double>(top_of(step)) / 1e3;
      left -= step_[step];
    }
    return most_us();
  }

 private:
  static constexpr unsigned kBits = 6, kSteps = (64 - kBits + 1) << kBits;

  static unsigned step_of(std::uint64_t ns) {
    if (ns < 1u << kBits) return static_cast<unsigned>(ns);
    const unsigned shift = static_cast<unsigned>(std::bit_width(ns)) - kBits - 1;
    return (shift << kBits) + static_cast<unsigned>(ns >> shift);
  }
  static std::uint64_t top_of(unsigned step) {
    if (step < 1u << kBits) return step;
    const unsigned shift = (step >> kBits) - 1;
    return (static_cast<std::uint64_t>((step & ((1u << kBits) - 1)) | 1u << kBits) + 1) << shift;
  }

  std::array<std::uint64_t, kSteps> step_{};
  std::uint64_t count_ = 0, most_ = 0;
};

}  // namespace sluice::bench
