// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Short ways to write down facts of the kernel in tests.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "control/neighbor/mirror.h"

namespace sluice::neighbor::test {

inline IpAddress ip(const std::string& text) {
  return parse_address(text).value();
}
inline MacAddress mac(unsigned last) {
  return {{2, 0, 0, 0, 0, static_cast<std::uint8_t>(last)}};
}

inline Link link(int ifindex, std::string name, bool up = true) {
  return {ifindex, std::move(name), mac(0xf0 + static_cast<unsigned>(ifindex)), 1500, up, up};
}
inline Hop via(int ifindex, const std::string& gateway) {
  return {ifindex, ip(gateway), false};
}
inline Hop on(int ifindex) {
  return {ifindex, {}, false};
}
inline Route route(const std::string& prefix, std::vector<Hop> hops, std::uint32_t priority = 0) {
  return {kTableMain, parse_prefix(prefix).value(), priority, RouteType::kUnicast, std::move(hops), {}, 0};
}
inline Route special(const std::string& prefix, RouteType type, std::uint32_t table = kTableMain) {
  return {table, parse_prefix(prefix).value(), 0, type, {}, {}, 0};
}
inline Neighbor neighbor(int ifindex, const std::string& address, unsigned last_of_mac,
                         NeighborState state = NeighborState::kReachable) {
  const bool has_mac = counts_as_resolved(state);
  return {ifindex, ip(address), has_mac ? std::optional(mac(last_of_mac)) : std::nullopt, state};
}

template <typename Fact>
Event is(Fact fact, RoutePlace place = RoutePlace::kFirst) {
  return {false, std::move(fact), place};
}
template <typename Fact>
Event gone(Fact fact) {
  return {true, std::move(fact), RoutePlace::kFirst};
}

}  // namespace sluice::neighbor::test
