// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Numbers that look random and are the same on every node: what maps draw from. Not secret, not for packets.
#pragma once

#include <bit>
#include <cstdint>

namespace sluice::maps {

// A bijection of 64 bits in which every input bit reaches every output bit (the finaliser of SplitMix64).
constexpr std::uint64_t mix(std::uint64_t v) {
  v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9;
  v = (v ^ v >> 27) * 0x94d049bb133111eb;
  return v ^ v >> 31;
}

// Draw number `n` of a stream, as SplitMix64 makes them.
constexpr std::uint64_t draw(std::uint64_t stream, std::uint64_t n) {
  return mix(stream + 0x9e3779b97f4a7c15 * (n + 1));
}

__extension__ using Wide = unsigned __int128;

// `random` scaled to 0 .. below-1 without a division (Lemire's multiply-shift).
constexpr std::uint64_t scale(std::uint64_t random, std::uint64_t below) {
  return static_cast<std::uint64_t>(static_cast<Wide>(random) * below >> 64);
}

// -log2((random + 1) / 2^64) in units of 2^-16, rounded; integers only, because libraries differ in the last
// bit of log(). Equal waiting times for members of equal weight, in an exponential race.
std::uint32_t waiting_time(std::uint64_t random);
// A lower bound of waiting_time(random), thirty times cheaper.
constexpr std::uint32_t shortest_waiting_time(std::uint64_t random) {
  return static_cast<std::uint32_t>(std::countl_zero(random)) << 16;
}

}  // namespace sluice::maps
