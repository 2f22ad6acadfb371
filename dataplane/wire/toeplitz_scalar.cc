// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The two twins of Toeplitz that any cpu runs: the definition, and the fast one.
#include <cstring>

#include "dataplane/wire/toeplitz.h"

namespace sluice::toeplitz {

std::uint32_t reference(std::span<const std::uint8_t, ToeplitzKey::kBytes> key,
                        std::span<const std::uint8_t> input) {
  const auto key_bit = [&](std::size_t i) { return key[i / 8] >> (7 - i % 8) & 1u; };
  std::uint32_t hash = 0;
  for (std::size_t i = 0; i < input.size() * 8; ++i) {
    if ((input[i / 8] >> (7 - i % 8) & 1) == 0) continue;
    std::uint32_t window = 0;
    for (std::size_t bit = 0; bit < 32; ++bit) window = window << 1 | key_bit(i + bit);
    hash ^= window;
  }
  return hash;
}

// Without a branch per bit, so that random addresses cost no mispredictions and the compiler vectorises.
static std::uint64_t word_part(std::uint64_t window, std::uint32_t word) {
  std::uint64_t sum = 0;
  for (unsigned i = 0; i < 32; ++i) {
    const std::uint64_t bit = word >> (31 - i) & 1;
    sum ^= window << i & (0 - bit);
  }
  return sum;
}

std::uint32_t scalar(const ToeplitzKey& key, const FlowKey& flow, Take take) {
  const auto word = [&](unsigned i) -> std::uint32_t {
    if ((take >> (i * 4) & 1) == 0) return 0;
    Big32 big;
    std::memcpy(&big, reinterpret_cast<const std::uint8_t*>(&flow) + i * 4, 4);
    return big.value();
  };
  std::uint64_t sum = 0;
  if (flow.is_v4()) {
    sum = word_part(key.window(0), word(3)) ^ word_part(key.window(1), word(7)) ^
          word_part(key.window(2), word(8));
  } else {
    for (unsigned i = 0; i < 9; ++i) sum ^= word_part(key.window(i), word(i));
  }
  return static_cast<std::uint32_t>(sum >> 32);
}

}  // namespace sluice::toeplitz
