// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Time stamps, and what is made of many of them. Medians, because the machine is shared: an interrupted burst
// says nothing about the code.
#pragma once

#include <rte_cycles.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace sluice::bench {

// All earlier instructions are done, and no later one has begun.
inline std::uint64_t stamp() {
  __builtin_ia32_lfence();
  const std::uint64_t now = rte_rdtsc();
  __builtin_ia32_lfence();
  return now;
}

// `values` is reordered. Not empty.
inline double median(std::vector<std::uint32_t>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// What two stamps with nothing between them cost.
inline double stamp_cycles() {
  std::vector<std::uint32_t> empty(10'000);
  for (std::uint32_t& cycles : empty) {
    const std::uint64_t before = stamp();
    cycles = static_cast<std::uint32_t>(stamp() - before);
  }
  return median(empty);
}

inline double ns_of(double cycles) {
  return cycles * 1e9 / static_cast<double>(rte_get_tsc_hz());
}

// Keeps the optimiser from dropping what computed `value`.
template <typename T>
inline void keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

// The cost of `work(round)` for `items` items, in ns an item: the median over `rounds` rounds.
template <typename Work>
double ns_per_item(unsigned rounds, unsigned items, Work&& work) {
  const double overhead = stamp_cycles();
  std::vector<std::uint32_t> samples(rounds);
  for (unsigned round = 0; round < rounds; ++round) {
    const std::uint64_t before = stamp();
    work(round);
    samples[round] = static_cast<std::uint32_t>(stamp() - before);
  }
  return ns_of(std::max(0.0, median(samples) - overhead)) / items;
}

}  // namespace sluice::bench
