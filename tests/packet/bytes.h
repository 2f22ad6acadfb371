// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Bytes, and sums over them, as a newcomer would write them: the tests' own arithmetic, which shares nothing
// with the code under test.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::test {

using Bytes = std::vector<std::uint8_t>;

// Numbers in network order at `at`; the caller has made sure that they are there.
inline unsigned get16(const Bytes& b, std::size_t at) {
  return static_cast<unsigned>(b.at(at) << 8 | b.at(at + 1));
}
inline std::uint32_t get32(const Bytes& b, std::size_t at) {
  return std::uint32_t{get16(b, at)} << 16 | get16(b, at + 2);
}
inline void set16(Bytes& b, std::size_t at, unsigned value) {
  b.at(at) = static_cast<std::uint8_t>(value >> 8);
  b.at(at + 1) = static_cast<std::uint8_t>(value);
}
inline void set32(Bytes& b, std::size_t at, std::uint32_t value) {
  set16(b, at, value >> 16);
  set16(b, at + 2, value & 0xffff);
}
inline void append(Bytes& to, const Bytes& more) {
  to.insert(to.end(), more.begin(), more.end());
}
inline Bytes slice(const Bytes& b, std::size_t from, std::size_t to = ~std::size_t{0}) {
  return Bytes(b.begin() + static_cast<std::ptrdiff_t>(std::min(from, b.size())),
               b.begin() + static_cast<std::ptrdiff_t>(std::min(to, b.size())));
}
// `count` bytes of a pattern that repeats only every 251.
inline Bytes pattern(std::size_t count) {
  Bytes b(count);
  for (std::size_t i = 0; i < count; ++i) b[i] = static_cast<std::uint8_t>(i % 251);
  return b;
}

// The internet checksum of RFC 1071, two bytes at a time.
inline unsigned naive_checksum(const Bytes& b) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < b.size(); i += 2) {
    sum += static_cast<std::uint32_t>(b[i] << 8) + (i + 1 < b.size() ? b[i + 1] : 0u);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return ~sum & 0xffff;
}

// "198.51.100.1" or "2001:db8::1" to 4 or 16 bytes; any other text fails the test run.
Bytes address_bytes(std::string_view text);
std::string address_text(const Bytes& four_or_sixteen);
// "02:00:00:00:00:01"
Bytes mac_bytes(std::string_view text);
// The checksum of a transport over its pseudo header; `l4` holds a zero checksum, or the right one, and then
// the result is 0.
unsigned transport_checksum(const Bytes& source, const Bytes& destination, unsigned protocol,
                            const Bytes& l4);
// "45 00 00 28 …": what a failed comparison shows.
std::string hex(const Bytes& bytes);

}  // namespace sluice::test
