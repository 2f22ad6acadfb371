// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/address_port.h"

#include <charconv>

namespace sluice::config {
namespace {

std::optional<std::uint16_t> parse_port(std::string_view digits) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size() || port == 0) return std::nullopt;
  return port;
}

}  // namespace

std::optional<AddressPort> parse_address_port(std::string_view text) {
  if (const auto alone = parse_address(text)) return AddressPort{*alone, 0};
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool brackets = host.starts_with('[') && host.ends_with(']');
  if (brackets) host = host.substr(1, host.size() - 2);
  const auto address = parse_address(host);
  const auto port = parse_port(text.substr(colon + 1));
  if (!address || !port || brackets != (host.find(':') != std::string_view::npos)) return std::nullopt;
  return AddressPort{*address, *port};
}

std::string to_string(const AddressPort& value) {
  std::string address = to_string(value.address);
  if (value.port == 0) return address;
  return (value.address.is_v4() ? address : '[' + address + ']') + ':' + std::to_string(value.port);
}

}  // namespace sluice::config
