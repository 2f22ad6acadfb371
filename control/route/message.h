// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What a message of the kernel says of a route, as far as it tells our routes from others (rtnetlink(7)).
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <optional>

#include "dataplane/wire/address.h"

namespace sluice::route {

struct RouteMessage {
  Prefix prefix;
  std::uint32_t table = 0, priority = 0;
  std::uint8_t protocol = 0;
  bool removed = false;
  bool cloned = false;  // an entry of the kernel's cache
};

// Pure; any thread. `message` is whole, as nlmsg_ok() says. Nothing when it speaks of no IPv4 or IPv6 route,
// or is too short for what it states.
std::optional<RouteMessage> read_route(nlmsghdr* message);

}  // namespace sluice::route
