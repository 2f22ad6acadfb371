// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/wire/siphash.h"

#include <bit>
#include <cstddef>

namespace sluice {
namespace {

std::uint64_t little_endian(const std::uint8_t* at, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value |= static_cast<std::uint64_t>(at[i]) << (8 * i);
  return value;
}

struct State {
  std::uint64_t a, b, c, d;

  void rounds(int count) {
    for (int i = 0; i < count; ++i) {
      a += b, b = std::rotl(b, 13) ^ a, a = std::rotl(a, 32);
      c += d, d = std::rotl(d, 16) ^ c;
      a += d, d = std::rotl(d, 21) ^ a;
      c += b, b = std::rotl(b, 17) ^ c, c = std::rotl(c, 32);
    }
  }
  void absorb(std::uint64_t word) {
    d ^= word;
    rounds(2);
    a ^= word;
  }
};

}  // namespace

std::uint64_t siphash24(std::span<const std::uint8_t, 16> key, std::span<const std::uint8_t> message) {
  const std::uint64_t low = little_endian(&key[0], 8), high = little_endian(&key[8], 8);
  State state{low ^ 0x736f6d6570736575, high ^ 0x646f72616e646f6d, low ^ 0x6c7967656e657261,
              high ^ 0x7465646279746573};
  std::size_t at = 0;
  for (; at + 8 <= message.size(); at += 8) state.absorb(little_endian(&message[at], 8));
  state.absorb(little_endian(message.data() + at, message.size() - at) |
               static_cast<std::uint64_t>(message.size()) << 56);
  state.c ^= 0xff;
  state.rounds(4);
  return state.a ^ state.b ^ state.c ^ state.d;
}

}  // namespace sluice
