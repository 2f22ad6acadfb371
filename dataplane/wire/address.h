// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// One address type for both families. An IPv4 address is kept as its IPv4-mapped IPv6 form (::ffff:a.b.c.d,
// RFC 4291 section 2.5.5.2), so keys, tables and comparisons need no second copy of their code.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "dataplane/wire/big_endian.h"

namespace sluice {

struct alignas(4) IpAddress {
  std::array<std::uint8_t, 16> byte{};

  // Put together as two words: addresses are read back as words at once, and a cpu forwards a store to a later
  // load only when one store covers the load.
  static constexpr IpAddress v4(Big32 address) {
    static_assert(std::endian::native == std::endian::little);
    const std::uint64_t low = Big32(0x0000ffff).raw() | std::uint64_t{address.raw()} << 32;
    return std::bit_cast<IpAddress>(std::array<std::uint64_t, 2>{0, low});
  }
  static IpAddress v6(const void* sixteen_bytes) {
    IpAddress a;
    std::memcpy(a.byte.data(), sixteen_bytes, 16);
    return a;
  }

  [[nodiscard]] bool is_v4() const {
    std::uint64_t high;
    std::uint32_t mid;
    std::memcpy(&high, &byte[0], 8);
    std::memcpy(&mid, &byte[8], 4);
    return high == 0 && mid == Big32(0x0000ffff).raw();
  }
  // The last four bytes: the IPv4 address of an is_v4() address.
  [[nodiscard]] Big32 v4() const {
    Big32 a;
    std::memcpy(&a, &byte[12], 4);
    return a;
  }
  [[nodiscard]] bool is_unspecified() const { return *this == IpAddress{} || *this == v4(Big32{}); }
  // 224.0.0.0/4 (RFC 5771), ff00::/8 (RFC 4291 section 2.7).
  [[nodiscard]] bool is_multicast() const { return is_v4() ? (byte[12] & 0xf0) == 0xe0 : byte[0] == 0xff; }
  // 127.0.0.0/8 (RFC 1122 section 3.2.1.3), ::1.
  [[nodiscard]] bool is_loopback() const;
  // fe80::/10 (RFC 4291 section 2.5.6); false for IPv4.
  [[nodiscard]] bool is_link_local() const { return byte[0] == 0xfe && (byte[1] & 0xc0) == 0x80; }

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};
static_assert(sizeof(IpAddress) == 16);

struct Prefix {
  IpAddress address;        // host bits are zero
  std::uint8_t length = 0;  // in the family's own bits: 0..32 for IPv4, 0..128 for IPv6

  [[nodiscard]] bool contains(const IpAddress& a) const;
  // A prefix as long as its family's addresses.
  [[nodiscard]] bool is_host() const { return length == (address.is_v4() ? 32 : 128); }
  static Prefix host(const IpAddress& a) { return {a, static_cast<std::uint8_t>(a.is_v4() ? 32 : 128)}; }
  friend auto operator<=>(const Prefix&, const Prefix&) = default;
};

struct MacAddress {
  std::array<std::uint8_t, 6> byte{};
  friend auto operator<=>(const MacAddress&, const MacAddress&) = default;
};
static_assert(sizeof(MacAddress) == 6);

// `address` with all bits after the first `length` (family's own bits) set to zero.
IpAddress mask(const IpAddress& address, unsigned length);

// Text forms: dotted quad, RFC 5952 for IPv6, "a/len" ("a" alone is a host prefix), "02:00:00:00:00:01".
// Parsing accepts nothing but the whole text being one such value; host bits set in a prefix are refused.
std::optional<IpAddress> parse_address(std::string_view text);
std::optional<Prefix> parse_prefix(std::string_view text);
std::optional<MacAddress> parse_mac(std::string_view text);
std::string to_string(const IpAddress& address);
std::string to_string(const Prefix& prefix);  // a host prefix prints as its address
std::string to_string(const MacAddress& mac);

}  // namespace sluice

template <>
struct std::hash<sluice::IpAddress> {
  std::size_t operator()(const sluice::IpAddress& a) const noexcept {
    return std::hash<std::string_view>{}({reinterpret_cast<const char*>(a.byte.data()), 16});
  }
};
