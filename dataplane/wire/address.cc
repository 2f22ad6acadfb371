// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/wire/address.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstdio>

namespace sluice {
namespace {

constexpr unsigned kMappedBits = 96;  // ::ffff:0:0/96 in front of an IPv4 address

unsigned bits_of(const IpAddress& address, unsigned family_length) {
  return address.is_v4() ? family_length + kMappedBits : family_length;
}

}  // namespace

bool IpAddress::is_loopback() const {
  if (is_v4()) return byte[12] == 127;
  IpAddress one;
  one.byte[15] = 1;
  return *this == one;
}

IpAddress mask(const IpAddress& address, unsigned length) {
  IpAddress out = address;
  const unsigned bits = bits_of(address, length);
  for (unsigned i = 0; i < 16; ++i) {
    const unsigned first = i * 8;
    if (bits >= first + 8) continue;
    out.byte[i] &= bits <= first ? 0 : static_cast<std::uint8_t>(0xff << (8 - (bits - first)));
  }
  return out;
}

bool Prefix::contains(const IpAddress& a) const {
  return a.is_v4() == address.is_v4() && mask(a, length) == address;
}

std::optional<IpAddress> parse_address(std::string_view text) {
  const std::string terminated(text);
  if (terminated.size() != text.size() || terminated.find('\0') != std::string::npos) return {};
  Big32 four;
  if (inet_pton(AF_INET, terminated.c_str(), &four) == 1) return IpAddress::v4(four);
  IpAddress six;
  if (inet_pton(AF_INET6, terminated.c_str(), six.byte.data()) == 1) return six;
  return {};
}

std::optional<Prefix> parse_prefix(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return {};
  if (slash == std::string_view::npos) return Prefix::host(*address);
  const std::string_view digits = text.substr(slash + 1);
  unsigned length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (error != std::errc{} || end != digits.data() + digits.size()) return {};
  if (length > (address->is_v4() ? 32u : 128u) || mask(*address, length) != *address) return {};
  return Prefix{*address, static_cast<std::uint8_t>(length)};
}

std::optional<MacAddress> parse_mac(std::string_view text) {
  MacAddress mac;
  if (text.size() != 17) return {};
  for (unsigned i = 0; i < 6; ++i) {
    const char* at = text.data() + i * 3;
    if (i < 5 && at[2] != ':') return {};
    const auto [end, error] = std::from_chars(at, at + 2, mac.byte[i], 16);
    if (error != std::errc{} || end != at + 2) return {};
  }
  return mac;
}

std::string to_string(const IpAddress& address) {
  char text[INET6_ADDRSTRLEN];
  const bool four = address.is_v4();
  inet_ntop(four ? AF_INET : AF_INET6, four ? &address.byte[12] : &address.byte[0], text, sizeof text);
  return text;
}

std::string to_string(const Prefix& prefix) {
  return prefix.is_host() ? to_string(prefix.address)
                          : to_string(prefix.address) + '/' + std::to_string(prefix.length);
}

std::string to_string(const MacAddress& mac) {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac.byte[0], mac.byte[1], mac.byte[2],
                mac.byte[3], mac.byte[4], mac.byte[5]);
  return text;
}

}  // namespace sluice
