// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/route/message.h"

#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <cstring>

namespace sluice::route {
namespace {

nlattr* attribute(nlmsghdr* message, int type) {
  return nla_find(nlmsg_attrdata(message, sizeof(rtmsg)), nlmsg_attrlen(message, sizeof(rtmsg)), type);
}

std::optional<std::uint32_t> number(nlmsghdr* message, int type) {
  nlattr* given = attribute(message, type);
  if (!given || nla_len(given) < static_cast<int>(sizeof(std::uint32_t))) return {};
  return nla_get_u32(given);
}

}  // namespace

std::optional<RouteMessage> read_route(nlmsghdr* message) {
  const bool is_route = message->nlmsg_type == RTM_NEWROUTE || message->nlmsg_type == RTM_DELROUTE;
  if (!is_route || !nlmsg_valid_hdr(message, sizeof(rtmsg))) return {};
  const auto* route = static_cast<const rtmsg*>(nlmsg_data(message));
  const bool four = route->rtm_family == AF_INET;
  if (!four && route->rtm_family != AF_INET6) return {};
  const int address_bytes = four ? 4 : 16;
  if (route->rtm_dst_len > address_bytes * 8) return {};
  IpAddress address = four ? IpAddress::v4(Big32{}) : IpAddress{};
  if (nlattr* to = attribute(message, RTA_DST)) {
    if (nla_len(to) != address_bytes) return {};
    std::memcpy(&address.byte[four ? 12 : 0], nla_data(to), static_cast<std::size_t>(address_bytes));
  }
  return RouteMessage{.prefix = {address, route->rtm_dst_len},
                      .table = number(message, RTA_TABLE).value_or(route->rtm_table),
                      .priority = number(message, RTA_PRIORITY).value_or(0),
                      .protocol = route->rtm_protocol,
                      .removed = message->nlmsg_type == RTM_DELROUTE,
                      .cloned = (route->rtm_flags & RTM_F_CLONED) != 0};
}

}  // namespace sluice::route
