// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/neighbor/netlink.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace sluice::neighbor {
namespace {

constexpr unsigned kLowerUp = 0x10000;  // IFF_LOWER_UP of linux/if.h, which does not go along with net/if.h
constexpr std::size_t kMessageBytes = 64 * 1024;  // the kernel fills dump buffers up to 32 KiB

using NlNeighbor = Owned<rtnl_neigh, rtnl_neigh_put>;

void check(int result, const char* what) {
  if (result < 0)
    throw std::runtime_error(std::string("netlink: ") + what + " failed: " + nl_geterror(result));
}

Socket open() {
  Socket socket(nl_socket_alloc());
  if (!socket) throw std::runtime_error("netlink: no memory for a socket");
  check(nl_connect(socket.get(), NETLINK_ROUTE), "opening a socket");
  return socket;
}

std::optional<IpAddress> from_nl(const nl_addr* address) {
  if (!address) return {};
  const void* bytes = nl_addr_get_binary_addr(address);
  if (nl_addr_get_family(address) == AF_INET && nl_addr_get_len(address) == 4) {
    Big32 four;
    std::memcpy(&four, bytes, 4);
    return IpAddress::v4(four);
  }
  if (nl_addr_get_family(address) == AF_INET6 && nl_addr_get_len(address) == 16) return IpAddress::v6(bytes);
  return {};
}

std::optional<MacAddress> mac_from_nl(const nl_addr* address) {
  if (!address || nl_addr_get_len(address) != 6) return {};
  MacAddress mac;
  std::memcpy(mac.byte.data(), nl_addr_get_binary_addr(address), 6);
  return mac;
}

std::optional<Link> link_of(rtnl_link* link) {
  // A bridge speaks of its ports in link messages of family AF_BRIDGE; "deleted" only means that one left it.
  if (rtnl_link_get_family(link) != AF_UNSPEC) return {};
  Link out;
  out.ifindex = rtnl_link_get_ifindex(link);
  if (const char* name = rtnl_link_get_name(link)) out.name = name;
  out.mac = mac_from_nl(rtnl_link_get_addr(link)).value_or(MacAddress{});
  out.mtu = rtnl_link_get_mtu(link);
  const unsigned flags = rtnl_link_get_flags(link);
  out.up = flags & IFF_UP;
  out.carrier = flags & kLowerUp;
  return out;
}

// libnl does not ask.
bool prefix_fits(unsigned length, int family) {
  return length <= (family == AF_INET ? 32u : 128u);
}

std::optional<Address> address_of(rtnl_addr* address) {
  const auto local = from_nl(rtnl_addr_get_local(address));
  const int length = rtnl_addr_get_prefixlen(address);
  if (!local || length < 0 ||
      !prefix_fits(static_cast<unsigned>(length), local->is_v4() ? AF_INET : AF_INET6))
    return {};
  return Address{rtnl_addr_get_ifindex(address), *local, static_cast<std::uint8_t>(length)};
}

std::optional<RouteType> type_of(unsigned kernel_type) {
  switch (kernel_type) {
    case RTN_UNICAST:
      return RouteType::kUnicast;
    case RTN_LOCAL:
    case RTN_ANYCAST:
      return RouteType::kLocal;
    case RTN_BROADCAST:
    case RTN_MULTICAST:
      return RouteType::kNotUnicast;
    case RTN_BLACKHOLE:
    case RTN_UNREACHABLE:
    case RTN_PROHIBIT:
      return RouteType::kProhibited;
    case RTN_THROW:
      return RouteType::kThrow;
    default:
      return {};
  }
}

Hop hop_of(rtnl_nexthop* hop) {
  auto gateway = from_nl(rtnl_route_nh_get_gateway(hop));
  if (!gateway) gateway = from_nl(rtnl_route_nh_get_via(hop));  // an IPv6 gateway of an IPv4 route
  return {rtnl_route_nh_get_ifindex(hop), gateway, (rtnl_route_nh_get_flags(hop) & RTNH_F_DEAD) != 0};
}

std::optional<Route> route_of(rtnl_route* route) {
  const int family = rtnl_route_get_family(route);
  const auto type = type_of(rtnl_route_get_type(route));
  if ((family != AF_INET && family != AF_INET6) || !type) return {};
  const nl_addr* from = rtnl_route_get_src(route);
  if (rtnl_route_get_tos(route) != 0 || (from && nl_addr_get_prefixlen(from) > 0) ||
      (rtnl_route_get_flags(route) & RTM_F_CLONED))
    return {};
  Route out;
  out.table = rtnl_route_get_table(route);
  const nl_addr* to = rtnl_route_get_dst(route);
  if (to && !prefix_fits(nl_addr_get_prefixlen(to), family)) return {};
  const IpAddress any = family == AF_INET ? IpAddress::v4(Big32{}) : IpAddress{};
  out.prefix = {from_nl(to).value_or(any), static_cast<std::uint8_t>(to ? nl_addr_get_prefixlen(to) : 0)};
  out.priority = rtnl_route_get_priority(route);
  out.type = *type;
  out.preferred_source = from_nl(rtnl_route_get_pref_src(route));
  if (rtnl_route_get_metric(route, RTAX_MTU, &out.mtu) != 0) out.mtu = 0;
  rtnl_route_foreach_nexthop(
      route,
      [](rtnl_nexthop* hop, void* hops) { static_cast<std::vector<Hop>*>(hops)->push_back(hop_of(hop)); },
      &out.hops);
  // IPv6 messages begin with the next hop that changed and dumps do not: only an order of our own is stable.
  if (family == AF_INET6)
    std::ranges::sort(out.hops, {}, [](const Hop& h) { return std::pair(h.gateway, h.ifindex); });
  return out;
}

NeighborState state_of(int nud) {
  constexpr std::array<std::pair<int, NeighborState>, 8> kStates = {
      {{NUD_PERMANENT, NeighborState::kPermanent},
       {NUD_NOARP, NeighborState::kNoArp},
       {NUD_REACHABLE, NeighborState::kReachable},
       {NUD_STALE, NeighborState::kStale},
       {NUD_DELAY, NeighborState::kDelay},
       {NUD_PROBE, NeighborState::kProbe},
       {NUD_INCOMPLETE, NeighborState::kIncomplete},
       {NUD_FAILED, NeighborState::kFailed}}};
  for (const auto& [bit, state] : kStates)
    if (nud > 0 && (nud & bit)) return state;
  return NeighborState::kNone;
}

std::optional<Neighbor> neighbor_of(rtnl_neigh* neighbor) {
  const auto ip = from_nl(rtnl_neigh_get_dst(neighbor));
  const int family = rtnl_neigh_get_family(neighbor);
  if (!ip || (family != AF_INET && family != AF_INET6)) return {};
  if (rtnl_neigh_get_flags(neighbor) & NTF_PROXY) return {};
  return Neighbor{rtnl_neigh_get_ifindex(neighbor), *ip, mac_from_nl(rtnl_neigh_get_lladdr(neighbor)),
                  state_of(rtnl_neigh_get_state(neighbor))};
}

// libnl walks over next hops by their own lengths, and over one of no length for ever.
bool next_hops_fit(nlmsghdr* message) {
  if (message->nlmsg_type != RTM_NEWROUTE && message->nlmsg_type != RTM_DELROUTE) return true;
  if (!nlmsg_valid_hdr(message, sizeof(rtmsg))) return false;
  const nlattr* hops =
      nla_find(nlmsg_attrdata(message, sizeof(rtmsg)), nlmsg_attrlen(message, sizeof(rtmsg)), RTA_MULTIPATH);
  if (!hops) return true;
  const auto* at = static_cast<const std::uint8_t*>(nla_data(hops));
  for (int left = nla_len(hops); left > 0;) {
    rtnexthop hop;
    if (left < static_cast<int>(sizeof hop)) return false;
    std::memcpy(&hop, at, sizeof hop);
    if (hop.rtnh_len < sizeof hop || hop.rtnh_len > left) return false;
    const int bytes = RTNH_ALIGN(hop.rtnh_len);
    at += bytes;
    left -= bytes;
  }
  return true;
}

// libnl hands the parsed object to a callback.
struct Parsed {
  nlmsghdr* message;
  std::optional<Event> event;
};

template <typename Value>
void state(Parsed& parsed, std::optional<Value> value, bool removed) {
  if (value) parsed.event = Event{removed, std::move(*value), RoutePlace::kFirst};
}

void on_object(nl_object* object, void* argument) {
  Parsed& parsed = *static_cast<Parsed*>(argument);
  void* const concrete = object;
  switch (parsed.message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return state(parsed, link_of(static_cast<rtnl_link*>(concrete)),
                   parsed.message->nlmsg_type == RTM_DELLINK);
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return state(parsed, address_of(static_cast<rtnl_addr*>(concrete)),
                   parsed.message->nlmsg_type == RTM_DELADDR);
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return state(parsed, route_of(static_cast<rtnl_route*>(concrete)),
                   parsed.message->nlmsg_type == RTM_DELROUTE);
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      return state(parsed, neighbor_of(static_cast<rtnl_neigh*>(concrete)),
                   parsed.message->nlmsg_type == RTM_DELNEIGH);
    default:
      return;
  }
}

}  // namespace

Socket open_events(int receive_buffer_bytes) {
  Socket socket = open();
  nl_socket_disable_auto_ack(socket.get());
  nl_socket_disable_msg_peek(socket.get());  // one system call a message, not two
  check(nl_socket_set_msg_buf_size(socket.get(), kMessageBytes), "setting the message size");
  const int fd = nl_socket_get_fd(socket.get());
  const auto set_buffer = [&](int option) {
    return setsockopt(fd, SOL_SOCKET, option, &receive_buffer_bytes, sizeof receive_buffer_bytes) == 0;
  };
  // Root may exceed net.core.rmem_max. A smaller buffer only means more resynchronisation.
  if (!set_buffer(SO_RCVBUFFORCE)) set_buffer(SO_RCVBUF);
  check(nl_socket_add_memberships(socket.get(), RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                                  RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_NEIGH, 0),
        "joining the groups of links, addresses, routes and neighbours");
  // Before Linux 5.3 there are no next-hop objects and no such group.
  nl_socket_add_membership(socket.get(), RTNLGRP_NEXTHOP);
  check(nl_socket_set_nonblocking(socket.get()), "making a socket non-blocking");
  return socket;
}

Socket open_requests() {
  return open();
}

std::int64_t request_dump(nl_sock* socket, Kind kind) {
  constexpr std::array kTypes = {RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH};
  const Message message(nlmsg_alloc_simple(kTypes[static_cast<std::size_t>(kind)], NLM_F_DUMP));
  rtgenmsg all_families{AF_UNSPEC};
  if (!message || nlmsg_append(message.get(), &all_families, sizeof all_families, NLMSG_ALIGNTO) < 0)
    return -NLE_NOMEM;
  if (const int result = nl_send_auto(socket, message.get()); result < 0) return result;
  return nlmsg_hdr(message.get())->nlmsg_seq;
}

std::optional<Event> decode(nlmsghdr* header) {
  if (!next_hops_fit(header)) return {};
  const Message message(nlmsg_convert(header));
  if (!message) return {};
  nlmsg_set_proto(message.get(), NETLINK_ROUTE);
  Parsed parsed{header, {}};
  if (nl_msg_parse(message.get(), on_object, &parsed) < 0) return {};
  if (parsed.event && (header->nlmsg_flags & NLM_F_REPLACE))
    parsed.event->place = RoutePlace::kReplace;
  else if (parsed.event && (header->nlmsg_flags & NLM_F_APPEND))
    parsed.event->place = RoutePlace::kLast;
  return parsed.event;
}

NlAddress to_nl(const IpAddress& address, unsigned prefix_length) {
  const bool four = address.is_v4();
  NlAddress out(nl_addr_build(four ? AF_INET : AF_INET6, &address.byte[four ? 12 : 0], four ? 4 : 16));
  if (!out) throw std::bad_alloc();
  nl_addr_set_prefixlen(out.get(), static_cast<int>(prefix_length));
  return out;
}

NlAddress to_nl(const MacAddress& mac) {
  NlAddress out(nl_addr_build(AF_LLC, mac.byte.data(), mac.byte.size()));
  if (!out) throw std::bad_alloc();
  return out;
}

int use_neighbor(nl_sock* socket, const NextHop& hop) {
  const NlNeighbor neighbor(rtnl_neigh_alloc());
  if (!neighbor) return -NLE_NOMEM;
  const NlAddress ip = to_nl(hop.ip, hop.ip.is_v4() ? 32 : 128);
  rtnl_neigh_set_ifindex(neighbor.get(), hop.ifindex);
  if (const int result = rtnl_neigh_set_dst(neighbor.get(), ip.get()); result < 0) return result;
  rtnl_neigh_set_state(neighbor.get(), NUD_NONE);  // libnl would say "permanent" if nothing were said
  rtnl_neigh_set_flags(neighbor.get(), NTF_USE);
  return rtnl_neigh_add(socket, neighbor.get(), NLM_F_CREATE);
}

}  // namespace sluice::neighbor
