// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What identifies a flow, always in the client -> VIP direction: an ICMP error about the reverse direction
// gets the key of the flow it speaks of.
#pragma once

#include <cstdint>

#include "dataplane/wire/address.h"
#include "dataplane/wire/big_endian.h"

namespace sluice {

struct FlowKey {
  IpAddress source, destination;
  Big16 source_port, destination_port;  // zero for protocols without ports
  std::uint8_t protocol = 0;
  std::uint8_t zero[3] = {};

  [[nodiscard]] bool is_v4() const { return destination.is_v4(); }
  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};
static_assert(sizeof(FlowKey) == 40, "no hidden padding: the key is hashed and compared as bytes");

// Which fields of the key a service hashes (A2).
enum class HashFields : std::uint8_t {
  kFiveTuple,   // addresses, protocol, ports
  kThreeTuple,  // addresses, protocol
  kSource,      // source address
};

}  // namespace sluice
