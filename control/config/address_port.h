// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// An address with a port, as operators write it: "10.1.0.11:8080", "[2001:db8::1]:8080".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dataplane/wire/address.h"

namespace sluice::config {

struct AddressPort {
  IpAddress address;
  std::uint16_t port = 0;  // 0 = none was given
  friend bool operator==(const AddressPort&, const AddressPort&) = default;
};

// The whole text: "A", "A:PORT", "[A6]:PORT" with a port of 1..65535. Brackets without a port are refused,
// and so is an IPv6 address with a port but without brackets, which would be ambiguous.
std::optional<AddressPort> parse_address_port(std::string_view text);

// "10.1.0.11" without a port, else "10.1.0.11:8080" or "[2001:db8::1]:8080".
std::string to_string(const AddressPort& value);

}  // namespace sluice::config
