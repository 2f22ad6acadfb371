// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// How to reach a DIP: which port, which neighbour. Filled from the kernel's tables or from a port's
// gateway_mac; control/maps only reads it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "control/config/model.h"
#include "dataplane/wire/address.h"

namespace sluice::maps {

struct Path {
  bool resolved = false;
  unsigned port = 0;    // index in the configuration's order
  MacAddress next_hop;  // valid when resolved
  std::uint16_t mtu = 1500;
  std::string why;  // when not resolved: one sentence for explain
};
using PathTo = std::function<Path(const IpAddress& destination)>;

// What a snapshot must know of a port.
struct PortFacts {
  MacAddress mac;
  std::uint16_t mtu = 1500;
  std::uint16_t vlan = 0;
  std::optional<IpAddress> source4, source6;  // the MUX's address there: outer source, source of ICMP errors
  std::vector<IpAddress> gateways = {};
  std::vector<Prefix> subnets = {};
};

std::vector<PortFacts> port_facts(const config::Dataplane& dataplane, const std::vector<MacAddress>& macs);

// The path by gateway_mac alone: the port whose subnet holds `destination`, else the first port that has a
// gateway_mac. Nothing when no port has one.
std::optional<Path> static_path(const config::Dataplane& dataplane, const IpAddress& destination);

}  // namespace sluice::maps
