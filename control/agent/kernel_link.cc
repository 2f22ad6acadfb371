// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/kernel_link.h"

#include <linux/if_addr.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/classifier.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>

#include <stdexcept>

namespace sluice::agent {
namespace {

template <auto Function>
struct Put {
  void operator()(auto* object) const { Function(object); }
};
using Cache = std::unique_ptr<nl_cache, Put<nl_cache_free>>;
using Address = std::unique_ptr<rtnl_addr, Put<rtnl_addr_put>>;
using Link = std::unique_ptr<rtnl_link, Put<rtnl_link_put>>;
using Route = std::unique_ptr<rtnl_route, Put<rtnl_route_put>>;
using NlAddress = std::unique_ptr<nl_addr, Put<nl_addr_put>>;

[[noreturn]] void fail(const std::string& what, int error) {
  throw std::runtime_error(what + ": " + nl_geterror(error));
}

int family(const IpAddress& address) {
  return address.is_v4() ? AF_INET : AF_INET6;
}

NlAddress to_netlink(const Prefix& prefix) {
  const std::size_t skip = prefix.address.is_v4() ? 12 : 0;
  NlAddress address(nl_addr_build(family(prefix.address), prefix.address.byte.data() + skip,
                                  prefix.address.byte.size() - skip));
  nl_addr_set_prefixlen(address.get(), prefix.length);
  return address;
}

std::optional<Prefix> from_netlink(nl_addr* address) {
  if (address == nullptr) return std::nullopt;
  Prefix prefix;
  const auto* bytes = nl_addr_get_binary_addr(address);
  if (nl_addr_get_family(address) == AF_INET && nl_addr_get_len(address) == 4) {
    Big32 v4;
    std::memcpy(&v4, bytes, 4);
    prefix.address = IpAddress::v4(v4);
  } else if (nl_addr_get_family(address) == AF_INET6 && nl_addr_get_len(address) == 16) {
    prefix.address = IpAddress::v6(bytes);
  } else {
    return std::nullopt;
  }
  prefix.length = static_cast<std::uint8_t>(nl_addr_get_prefixlen(address));
  return prefix;
}

nl_sock* connect_socket() {
  nl_sock* socket = nl_socket_alloc();
  if (socket == nullptr) throw std::runtime_error("cannot make a netlink socket: out of memory");
  if (const int error = nl_connect(socket, NETLINK_ROUTE); error < 0) {
    nl_socket_free(socket);
    fail("cannot talk to the kernel over rtnetlink", error);
  }
  return socket;
}

Address address_on(unsigned loopback, const Prefix& vip) {
  Address address(rtnl_addr_alloc());
  rtnl_addr_set_ifindex(address.get(), static_cast<int>(loopback));
  rtnl_addr_set_local(address.get(), to_netlink(Prefix::host(vip.address)).get());
  return address;
}

// Prefix VIPs: the kernel takes an address of the prefix for its own only with a route that says so.
Route local_route(unsigned loopback, const Prefix& vip) {
  Route route(rtnl_route_alloc());
  rtnl_route_set_family(route.get(), static_cast<std::uint8_t>(family(vip.address)));
  rtnl_route_set_table(route.get(), RT_TABLE_LOCAL);
  rtnl_route_set_type(route.get(), RTN_LOCAL);
  rtnl_route_set_scope(route.get(), vip.address.is_v4() ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE);
  rtnl_route_set_protocol(route.get(), RTPROT_STATIC);
  rtnl_route_set_dst(route.get(), to_netlink(vip).get());
  rtnl_nexthop* hop = rtnl_route_nh_alloc();
  rtnl_route_nh_set_ifindex(hop, static_cast<int>(loopback));
  rtnl_route_add_nexthop(route.get(), hop);
  return route;
}

}  // namespace

void KernelLink::Free::operator()(nl_sock* socket) const {
  nl_socket_free(socket);
}

KernelLink::KernelLink() : socket_(connect_socket()), loopback_(if_nametoindex("lo")) {
  if (loopback_ == 0)
    throw std::runtime_error("this network namespace has no interface lo, which holds the VIPs");
}

std::optional<InterfaceInfo> KernelLink::interface(const std::string& name) {
  rtnl_link* found = nullptr;
  if (rtnl_link_get_kernel(socket_.get(), 0, name.c_str(), &found) < 0) return std::nullopt;
  const Link link(found);
  return InterfaceInfo{static_cast<unsigned>(rtnl_link_get_ifindex(found)), rtnl_link_get_mtu(found),
                       rtnl_link_get_arptype(found) == ARPHRD_ETHER};
}

KernelLink::Addresses KernelLink::addresses() {
  nl_cache* all = nullptr;
  if (const int error = rtnl_addr_alloc_cache(socket_.get(), &all); error < 0)
    fail("cannot list the host's addresses", error);
  const Cache cache(all);
  Addresses found;
  for (nl_object* o = nl_cache_get_first(all); o != nullptr; o = nl_cache_get_next(o)) {
    auto* address = reinterpret_cast<rtnl_addr*>(o);
    auto prefix = from_netlink(rtnl_addr_get_local(address));
    if (!prefix) continue;
    prefix->length = static_cast<std::uint8_t>(rtnl_addr_get_prefixlen(address));
    if (static_cast<unsigned>(rtnl_addr_get_ifindex(address)) == loopback_)
      found.loopback.push_back(*prefix);
    else
      found.others.push_back(prefix->address);
  }
  return found;
}

void KernelLink::add_vip(const Prefix& vip) {
  const Address address = address_on(loopback_, vip);
  if (vip.address.is_v4()) {
    rtnl_addr_set_scope(address.get(), RT_SCOPE_HOST);
  } else {
    rtnl_addr_set_flags(address.get(), IFA_F_NODAD);
    rtnl_addr_set_valid_lifetime(address.get(), 0xffffffff);
    rtnl_addr_set_preferred_lifetime(address.get(), 0);
  }
  if (const int error = rtnl_addr_add(socket_.get(), address.get(), 0); error < 0 && error != -NLE_EXIST)
    fail("cannot put VIP " + to_string(vip) + " on lo" +
             (vip.address.is_v4() ? "" : " (is net.ipv6.conf.lo.disable_ipv6 0?)"),
         error);
  if (vip.is_host()) return;
  const Route route = local_route(loopback_, vip);
  if (const int error = rtnl_route_add(socket_.get(), route.get(), NLM_F_CREATE | NLM_F_EXCL);
      error < 0 && error != -NLE_EXIST)
    fail("cannot make prefix " + to_string(vip) + " local", error);
}

void KernelLink::remove_vip(const Prefix& vip) {
  if (!vip.is_host()) rtnl_route_delete(socket_.get(), local_route(loopback_, vip).get(), 0);
  const Address address = address_on(loopback_, vip);
  const int error = rtnl_addr_delete(socket_.get(), address.get(), 0);
  if (error < 0 && error != -NLE_OBJ_NOTFOUND && error != -NLE_NOADDR)
    fail("cannot take VIP " + to_string(vip) + " off lo", error);
}

bool KernelLink::has_filters(unsigned index) {
  for (const std::uint32_t side : {TC_H_MIN_INGRESS, TC_H_MIN_EGRESS}) {
    nl_cache* filters = nullptr;
    const std::uint32_t parent = TC_H_MAKE(TC_H_CLSACT, side);
    if (rtnl_cls_alloc_cache(socket_.get(), static_cast<int>(index), parent, &filters) < 0) continue;
    const Cache cache(filters);
    if (!nl_cache_is_empty(filters)) return true;
  }
  return false;
}

KernelNews::KernelNews() : socket_(connect_socket()) {
  nl_socket_disable_seq_check(socket_.get());
  nl_socket_set_nonblocking(socket_.get());
  const int error =
      nl_socket_add_memberships(socket_.get(), RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, 0);
  if (error < 0) fail("cannot listen for changes of addresses and interfaces", error);
}

int KernelNews::descriptor() const {
  return nl_socket_get_fd(socket_.get());
}

void KernelNews::drain() {
  char ignored[8192];
  while (recv(descriptor(), ignored, sizeof(ignored), MSG_DONTWAIT) > 0 || errno == ENOBUFS ||
         errno == EINTR) {
  }
}

}  // namespace sluice::agent
