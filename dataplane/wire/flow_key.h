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

// Which fields of the key a service hashes (A2), and by which its flow table tells flows apart (B15).
enum class HashFields : std::uint8_t {
  kFiveTuple,   // addresses, protocol, ports
  kThreeTuple,  // addresses, protocol
  kSource,      // source address
};

// `key` with all that `fields` leaves out as zero; the family stays.
[[nodiscard]] inline FlowKey only(FlowKey key, HashFields fields) {
  if (fields == HashFields::kFiveTuple) return key;
  key.source_port = key.destination_port = Big16{};
  if (fields == HashFields::kThreeTuple) return key;
  key.destination = key.is_v4() ? IpAddress::v4(Big32{}) : IpAddress{};
  key.protocol = 0;
  return key;
}

}  // namespace sluice
