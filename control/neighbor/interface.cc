// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/neighbor/interface.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

#include <algorithm>
#include <fstream>
#include <utility>

namespace sluice::neighbor {
namespace {

using NlLink = Owned<rtnl_link, rtnl_link_put>;
using NlInterfaceAddress = Owned<rtnl_addr, rtnl_addr_put>;
using NlRoute = Owned<rtnl_route, rtnl_route_put>;

std::string sentence(const std::string& name, const std::string& what, int error) {
  return "interface " + name + ": " + what + " failed: " + nl_geterror(error);
}

// Files of the network namespace that this thread is in. Where /proc/sys is read-only, or IPv6 is off, these
// stay as they are: then link-local addresses come a second later, or adding an IPv6 address says why not.
void set_switch(const std::string& name, const std::string& key, int value) {
  std::ofstream file("/proc/sys/net/" + key.substr(0, 4) + "/conf/" + name + key.substr(4));
  file << value;
}

std::optional<std::string> set_link(nl_sock* socket, rtnl_link* now, const InterfaceSettings& settings) {
  const NlLink wanted(rtnl_link_alloc());
  if (!wanted) return sentence(settings.name, "changing it", -NLE_NOMEM);
  std::string what;
  if (settings.mac) {
    const NlAddress mac = to_nl(*settings.mac);
    const nl_addr* old = rtnl_link_get_addr(now);
    if (!old || nl_addr_cmp(old, mac.get()) != 0) {
      rtnl_link_set_addr(wanted.get(), mac.get());
      what += ", setting the MAC address " + to_string(*settings.mac);
    }
  }
  if (settings.mtu != 0 && settings.mtu != rtnl_link_get_mtu(now)) {
    rtnl_link_set_mtu(wanted.get(), settings.mtu);
    what += ", setting the MTU to " + std::to_string(settings.mtu);
  }
  if (settings.up != ((rtnl_link_get_flags(now) & IFF_UP) != 0)) {
    if (settings.up)
      rtnl_link_set_flags(wanted.get(), IFF_UP);
    else
      rtnl_link_unset_flags(wanted.get(), IFF_UP);
    what += settings.up ? ", bringing it up" : ", taking it down";
  }
  if (what.empty()) return {};
  const int result = rtnl_link_change(socket, now, wanted.get(), 0);
  if (result < 0) return sentence(settings.name, what.substr(2), result);
  return {};
}

NlInterfaceAddress to_rtnl(int ifindex, const config::InterfaceAddress& address) {
  NlInterfaceAddress out(rtnl_addr_alloc());
  if (!out) throw std::bad_alloc();
  const NlAddress local = to_nl(address.address, address.prefix_length);
  rtnl_addr_set_ifindex(out.get(), ifindex);
  rtnl_addr_set_local(out.get(), local.get());
  if (!address.address.is_v4()) rtnl_addr_set_flags(out.get(), IFA_F_NODAD);
  return out;
}

std::string text(const config::InterfaceAddress& address) {
  return to_string(address.address) + '/' + std::to_string(address.prefix_length);
}

// Takes away what another configuration put there: link-local addresses are the kernel's own.
std::optional<std::string> clear_addresses(nl_sock* socket, int ifindex, const InterfaceSettings& settings) {
  nl_cache* found = nullptr;
  if (const int result = rtnl_addr_alloc_cache(socket, &found); result < 0)
    return sentence(settings.name, "listing its addresses", result);
  const Owned<nl_cache, nl_cache_free> cache(found);
  std::vector<NlInterfaceAddress> kept;
  for (const auto& address : settings.addresses) kept.push_back(to_rtnl(ifindex, address));
  for (nl_object* object = nl_cache_get_first(found); object; object = nl_cache_get_next(object)) {
    auto* there = reinterpret_cast<rtnl_addr*>(object);
    if (rtnl_addr_get_ifindex(there) != ifindex || rtnl_addr_get_scope(there) == RT_SCOPE_LINK) continue;
    const bool wanted = std::ranges::any_of(kept, [&](const NlInterfaceAddress& one) {
      return nl_addr_cmp(rtnl_addr_get_local(one.get()), rtnl_addr_get_local(there)) == 0;
    });
    if (wanted) continue;
    const int result = rtnl_addr_delete(socket, there, 0);
    if (result < 0 && result != -NLE_NOADDR) return sentence(settings.name, "clearing its addresses", result);
  }
  return {};
}

// Our default route of a family through a link; without a gateway and a priority it stands for any such.
NlRoute default_route(int family, int ifindex, const std::optional<IpAddress>& gateway,
                      std::uint32_t priority) {
  NlRoute route(rtnl_route_alloc());
  rtnl_nexthop* hop = rtnl_route_nh_alloc();
  if (!route || !hop) throw std::bad_alloc();
  const IpAddress any = family == AF_INET ? IpAddress::v4(Big32{}) : IpAddress{};
  const NlAddress to = to_nl(any, 0);
  rtnl_route_set_family(route.get(), static_cast<std::uint8_t>(family));
  rtnl_route_set_dst(route.get(), to.get());
  rtnl_route_set_table(route.get(), RT_TABLE_MAIN);
  rtnl_route_set_scope(route.get(), RT_SCOPE_UNIVERSE);
  rtnl_route_set_protocol(route.get(), kRouteProtocol);
  rtnl_route_set_priority(route.get(), priority);
  rtnl_route_nh_set_ifindex(hop, ifindex);
  if (gateway) {
    const NlAddress via = to_nl(*gateway, family == AF_INET ? 32 : 128);
    rtnl_route_nh_set_gateway(hop, via.get());
    rtnl_route_nh_set_flags(hop, RTNH_F_ONLINK);
  }
  rtnl_route_add_nexthop(route.get(), hop);
  return route;
}

}  // namespace

std::optional<std::string> InterfaceSetup::apply(nl_sock* socket, const InterfaceSettings& settings) {
  const std::string& name = settings.name;
  if (name.empty() || name.size() >= IFNAMSIZ)
    return "interface \"" + name + "\": a name has 1 to " + std::to_string(IFNAMSIZ - 1) + " characters";
  rtnl_link* found = nullptr;
  const int result = rtnl_link_get_kernel(socket, 0, name.c_str(), &found);
  if (result < 0) return sentence(name, "looking it up", result);
  const NlLink link(found);
  const int ifindex = rtnl_link_get_ifindex(found);
  Done& done = done_[name];
  if (done.ifindex != ifindex) {  // made anew, or left for us by the process before
    done = {ifindex, {}, {}};
    if (settings.was_kept) {
      if (auto error = clear_addresses(socket, ifindex, settings)) return error;
    }
  }

  set_switch(name, "ipv6/accept_dad", 0);
  set_switch(name, "ipv4/promote_secondaries", 1);
  // Answers of VIPs to health probes come in here, while the route to the VIP may be a management
  // interface's: loose (RFC 3704 section 2.4), whatever the default is.
  set_switch(name, "ipv4/rp_filter", 2);
  const auto is_v6 = [](const config::InterfaceAddress& a) { return !a.address.is_v4(); };
  if (std::ranges::any_of(settings.addresses, is_v6)) set_switch(name, "ipv6/disable_ipv6", 0);
  // While it waits for a next process it has no carrier: its neighbours are still where they were.
  set_switch(name, "ipv4/arp_evict_nocarrier", 0);
  set_switch(name, "ipv6/ndisc_evict_nocarrier", 0);
  // A router's advertisement gives a default route of priority 1024, ahead of the gateway that was
  // configured.
  if (settings.gateway6) set_switch(name, "ipv6/accept_ra_defrtr", 0);
  if (auto error = set_link(socket, found, settings)) return error;
  if (auto error = set_addresses(socket, done, settings)) return error;
  if (!settings.up) {
    done.default_routes.clear();  // the kernel removed them with the link
    return {};
  }
  if (auto error = set_default_route(socket, done, name, AF_INET, settings.gateway, settings.priority))
    return error;
  return set_default_route(socket, done, name, AF_INET6, settings.gateway6, settings.priority);
}

std::optional<std::string> InterfaceSetup::set_addresses(nl_sock* socket, Done& done,
                                                         const InterfaceSettings& settings) {
  const auto add = [&](const config::InterfaceAddress& address) {
    const auto wanted = to_rtnl(done.ifindex, address);
    return rtnl_addr_add(socket, wanted.get(), NLM_F_CREATE | NLM_F_REPLACE);
  };
  for (const auto& address : settings.addresses) {
    if (const int result = add(address); result < 0)
      return sentence(settings.name, "adding the address " + text(address), result);
    if (std::ranges::find(done.addresses, address) == done.addresses.end()) done.addresses.push_back(address);
  }
  // Removed after the new ones are there, so that there is always one to speak from.
  std::vector<config::InterfaceAddress> former = done.addresses;
  std::erase_if(former, [&](const auto& address) {
    return std::ranges::find(settings.addresses, address) != settings.addresses.end();
  });
  for (const auto& address : former) {
    const auto unwanted = to_rtnl(done.ifindex, address);
    const int result = rtnl_addr_delete(socket, unwanted.get(), 0);
    if (result < 0 && result != -NLE_NOADDR)
      return sentence(settings.name, "removing the address " + text(address), result);
    std::erase(done.addresses, address);
  }
  return {};
}

std::optional<std::string> InterfaceSetup::set_default_route(nl_sock* socket, Done& done,
                                                             const std::string& name, int family,
                                                             const std::optional<IpAddress>& gateway,
                                                             std::uint32_t priority) {
  const auto had = done.default_routes.find(family);
  const bool is_same =
      gateway && had != done.default_routes.end() && had->second == std::pair(*gateway, priority);
  if (!is_same) {
    constexpr std::uint32_t kAnyPriority = 0;
    const NlRoute former = default_route(family, done.ifindex, {}, kAnyPriority);
    const int result = rtnl_route_delete(socket, former.get(), 0);
    // Where none of ours is known, this was a look for leftovers; a kernel without that family refuses it.
    if (result < 0 && result != -NLE_OBJ_NOTFOUND && had != done.default_routes.end())
      return sentence(name, "removing the former default route", result);
    done.default_routes.erase(family);
  }
  if (!gateway) return {};
  const std::string what =
      "setting the default route via " + to_string(*gateway) + " with priority " + std::to_string(priority);
  const NlRoute route = default_route(family, done.ifindex, gateway, priority);
  const int result = rtnl_route_add(socket, route.get(), NLM_F_CREATE | NLM_F_EXCL);
  if (result == -NLE_EXIST && !is_same)
    return "interface " + name + ": " + what + " failed: somebody else's default route has this priority";
  if (result < 0 && result != -NLE_EXIST) return sentence(name, what, result);
  done.default_routes[family] = {*gateway, priority};
  return {};
}

std::optional<std::string> give_address(nl_sock* socket, const std::string& name,
                                        const config::InterfaceAddress& address) {
  constexpr std::uint32_t kForEver = 0xffffffff;
  const auto ifindex = static_cast<int>(if_nametoindex(name.c_str()));
  const auto wanted = to_rtnl(ifindex, address);
  if (!address.address.is_v4()) {
    set_switch(name, "ipv6/disable_ipv6", 0);
    rtnl_addr_set_valid_lifetime(wanted.get(), kForEver);
    rtnl_addr_set_preferred_lifetime(wanted.get(), 0);
  }
  const int result = rtnl_addr_add(socket, wanted.get(), NLM_F_CREATE | NLM_F_REPLACE);
  if (result < 0) return sentence(name, "adding the address " + text(address), result);
  return {};
}

std::optional<std::string> take_address(nl_sock* socket, const std::string& name,
                                        const config::InterfaceAddress& address) {
  const auto ifindex = static_cast<int>(if_nametoindex(name.c_str()));
  const auto unwanted = to_rtnl(ifindex, address);
  const int result = rtnl_addr_delete(socket, unwanted.get(), 0);
  if (result < 0 && result != -NLE_NOADDR)
    return sentence(name, "removing the address " + text(address), result);
  return {};
}

}  // namespace sluice::neighbor
