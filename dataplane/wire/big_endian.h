// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Byte order as a type: a number read off the wire is a Big16 or Big32 and does not compare with, or turn
// into, a host number unless value() says so. Layout equals the bytes on the wire; alignment is 1, so header
// structs may lie anywhere in a frame.
#pragma once

#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>

namespace sluice {

template <typename Host>
class Big {
 public:
  constexpr Big() = default;
  explicit constexpr Big(Host host) { set(host); }

  // The number in host byte order.
  [[nodiscard]] constexpr Host value() const { return to_or_from_wire(std::bit_cast<Host>(bytes_)); }
  constexpr void set(Host host) { bytes_ = std::bit_cast<Bytes>(to_or_from_wire(host)); }

  // The bytes as they lie on the wire, read as a host number: for sums and hashes that do not care.
  [[nodiscard]] constexpr Host raw() const { return std::bit_cast<Host>(bytes_); }
  static constexpr Big from_raw(Host raw) {
    Big big;
    big.bytes_ = std::bit_cast<Bytes>(raw);
    return big;
  }

  friend constexpr bool operator==(const Big& a, const Big& b) { return a.raw() == b.raw(); }
  friend constexpr std::strong_ordering operator<=>(const Big& a, const Big& b) {
    return a.value() <=> b.value();
  }

 private:
  struct Bytes {
    std::uint8_t byte[sizeof(Host)];
  };
  static constexpr Host to_or_from_wire(Host v) {
    if constexpr (std::endian::native == std::endian::big) return v;
    if constexpr (sizeof(Host) == 2) return __builtin_bswap16(v);
    if constexpr (sizeof(Host) == 4) return __builtin_bswap32(v);
    if constexpr (sizeof(Host) == 8) return __builtin_bswap64(v);
  }
  Bytes bytes_{};
};

using Big16 = Big<std::uint16_t>;
using Big32 = Big<std::uint32_t>;
using Big64 = Big<std::uint64_t>;

static_assert(sizeof(Big16) == 2 && alignof(Big16) == 1);
static_assert(sizeof(Big32) == 4 && alignof(Big32) == 1);
static_assert(sizeof(Big64) == 8 && alignof(Big64) == 1);

}  // namespace sluice
