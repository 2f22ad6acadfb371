// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "tests/packet/bytes.h"

#include <arpa/inet.h>

#include <array>
#include <cstdio>
#include <stdexcept>

namespace sluice::test {

Bytes address_bytes(std::string_view text) {
  const std::string zero_ended(text);
  Bytes v4(4), v6(16);
  if (inet_pton(AF_INET, zero_ended.c_str(), v4.data()) == 1) return v4;
  if (inet_pton(AF_INET6, zero_ended.c_str(), v6.data()) == 1) return v6;
  throw std::invalid_argument("no address: " + zero_ended);
}

std::string address_text(const Bytes& four_or_sixteen) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(four_or_sixteen.size() == 4 ? AF_INET : AF_INET6, four_or_sixteen.data(), text.data(),
            text.size());
  return text.data();
}

Bytes mac_bytes(std::string_view text) {
  Bytes mac;
  for (std::size_t at = 0; at < text.size(); at += 3) {
    mac.push_back(static_cast<std::uint8_t>(std::stoul(std::string(text.substr(at, 2)), nullptr, 16)));
  }
  if (mac.size() != 6) throw std::invalid_argument("no MAC address: " + std::string(text));
  return mac;
}

unsigned transport_checksum(const Bytes& source, const Bytes& destination, unsigned protocol,
                            const Bytes& l4) {
  Bytes all = source;
  append(all, destination);
  Bytes rest(8);
  set32(rest, 0, static_cast<std::uint32_t>(l4.size()));
  set32(rest, 4, protocol);
  append(all, rest);
  append(all, l4);
  return naive_checksum(all);
}

std::string hex(const Bytes& bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::array<char, 4> two{};
    std::snprintf(two.data(), two.size(), "%02x", bytes[i]);
    text += two.data();
    text += i % 16 == 15 ? "\n" : " ";
  }
  return text;
}

}  // namespace sluice::test
