// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/maps/paths.h"

namespace sluice::maps {
namespace {

bool on_subnet(const config::Port& port, const IpAddress& destination) {
  for (const config::InterfaceAddress& own : port.addresses) {
    if (own.address.is_v4() == destination.is_v4() &&
        mask(own.address, own.prefix_length) == mask(destination, own.prefix_length)) {
      return true;
    }
  }
  return false;
}

std::optional<IpAddress> first_of(const config::Port& port, bool v4) {
  for (const config::InterfaceAddress& own : port.addresses) {
    if (own.address.is_v4() == v4 && !own.address.is_link_local()) return own.address;
  }
  return {};
}

}  // namespace

std::vector<PortFacts> port_facts(const config::Dataplane& dataplane, const std::vector<MacAddress>& macs) {
  std::vector<PortFacts> facts;
  for (std::size_t i = 0; i < dataplane.ports.size(); ++i) {
    const config::Port& port = dataplane.ports[i];
    facts.push_back({macs[i], port.mtu, port.vlan, first_of(port, true), first_of(port, false)});
    for (const auto& gateway : {port.gateway, port.gateway6}) {
      if (gateway) facts.back().gateways.push_back(*gateway);
    }
    for (const config::InterfaceAddress& own : port.addresses) {
      facts.back().subnets.push_back({mask(own.address, own.prefix_length), own.prefix_length});
    }
  }
  return facts;
}

std::optional<Path> static_path(const config::Dataplane& dataplane, const IpAddress& destination) {
  std::optional<unsigned> best;
  for (unsigned i = 0; i < dataplane.ports.size(); ++i) {
    if (!dataplane.ports[i].gateway_mac) continue;
    if (!best) best = i;
    if (on_subnet(dataplane.ports[i], destination)) {
      best = i;
      break;
    }
  }
  if (!best) return {};
  const config::Port& port = dataplane.ports[*best];
  return Path{true, *best, *port.gateway_mac, port.mtu, {}};
}

}  // namespace sluice::maps
