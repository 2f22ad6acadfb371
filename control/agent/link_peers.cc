// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/link_peers.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <optional>

namespace sluice::agent {
namespace {

// With the length of its subnet.
std::optional<Prefix> address_of(const ifaddrs& entry) {
  if (!entry.ifa_addr || !entry.ifa_netmask) return std::nullopt;
  Prefix prefix;
  std::size_t length = 0;
  const auto count_bits = [&length](const auto& bits) {
    std::uint8_t bytes[sizeof bits];
    std::memcpy(bytes, &bits, sizeof bits);
    for (const std::uint8_t byte : bytes) length += static_cast<std::size_t>(std::popcount(byte));
  };
  if (entry.ifa_addr->sa_family == AF_INET) {
    sockaddr_in address{}, netmask{};
    std::memcpy(&address, entry.ifa_addr, sizeof address);
    std::memcpy(&netmask, entry.ifa_netmask, sizeof netmask);
    prefix.address = IpAddress::v4(Big32::from_raw(address.sin_addr.s_addr));
    count_bits(netmask.sin_addr);
  } else if (entry.ifa_addr->sa_family == AF_INET6) {
    sockaddr_in6 address{}, netmask{};
    std::memcpy(&address, entry.ifa_addr, sizeof address);
    std::memcpy(&netmask, entry.ifa_netmask, sizeof netmask);
    prefix.address = IpAddress::v6(address.sin6_addr.s6_addr);
    count_bits(netmask.sin6_addr);
  } else {
    return std::nullopt;
  }
  prefix.length = static_cast<std::uint8_t>(length);
  return prefix;
}

}  // namespace

bool on_link(std::span<const std::string> interfaces, const IpAddress& peer) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return false;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> keep(list, ::freeifaddrs);
  bool found = false;
  for (const ifaddrs* entry = list; entry; entry = entry->ifa_next) {
    const auto own = address_of(*entry);
    if (!own) continue;
    if (own->address == peer) return false;
    const bool named = std::ranges::find(interfaces, std::string(entry->ifa_name)) != interfaces.end();
    if (!named || own->is_host() || own->length == 0 || own->address.is_link_local()) continue;
    found = found || Prefix{mask(own->address, own->length), own->length}.contains(peer);
  }
  return found;
}

}  // namespace sluice::agent
