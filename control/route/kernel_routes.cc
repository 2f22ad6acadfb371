// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/route/kernel_routes.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/route.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "control/route/message.h"

namespace sluice::route {
namespace {

using NlRoute = neighbor::Owned<rtnl_route, rtnl_route_put>;

constexpr int kDumpTries = 5;  // while others change routes, a dump may be cut short
constexpr std::size_t kMessageBytes = 64 * 1024;
constexpr int kNewsPerCall = 256;  // messages; what is left is news again

void check(int result, const char* what) {
  if (result < 0)
    throw std::runtime_error(std::string("netlink: ") + what + " failed: " + nl_geterror(result));
}

// One family's dump into a set.
struct Listing {
  KernelRoutes::Marks marks;
  KernelRoutes::Found found;

  static int take(nl_msg* message, void* argument) {
    Listing& self = *static_cast<Listing*>(argument);
    const auto route = read_route(nlmsg_hdr(message));
    // Kernels before 4.20 do not filter.
    if (!route || route->removed || route->cloned || route->table != self.marks.table ||
        route->protocol != self.marks.protocol)
      return NL_OK;
    if (route->priority == kPriority)
      self.found.routes.insert(route->prefix);
    else
      self.found.strange.emplace_back(route->prefix, route->priority);
    return NL_OK;
  }
};

int request_family(nl_sock* socket, int family, const KernelRoutes::Marks& marks) {
  const neighbor::Message message(nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_DUMP));
  rtmsg which{};
  which.rtm_family = static_cast<unsigned char>(family);
  which.rtm_table = static_cast<unsigned char>(marks.table < 256 ? marks.table : RT_TABLE_UNSPEC);
  which.rtm_protocol = marks.protocol;
  if (!message || nlmsg_append(message.get(), &which, sizeof which, NLMSG_ALIGNTO) < 0 ||
      nla_put_u32(message.get(), RTA_TABLE, marks.table) < 0)
    return -NLE_NOMEM;
  return nl_send_auto(socket, message.get());
}

NlRoute make_route(const Prefix& prefix, std::uint32_t priority, const KernelRoutes::Marks& marks) {
  NlRoute route(rtnl_route_alloc());
  if (!route) throw std::bad_alloc();
  const neighbor::NlAddress to = neighbor::to_nl(prefix.address, prefix.length);
  rtnl_route_set_family(route.get(), prefix.address.is_v4() ? AF_INET : AF_INET6);
  rtnl_route_set_dst(route.get(), to.get());
  rtnl_route_set_table(route.get(), marks.table);
  rtnl_route_set_protocol(route.get(), marks.protocol);
  rtnl_route_set_priority(route.get(), priority);
  rtnl_route_set_scope(route.get(), RT_SCOPE_UNIVERSE);
  rtnl_route_set_type(route.get(), RTN_UNREACHABLE);
  return route;
}

std::string sentence(const char* what, const Prefix& prefix, const KernelRoutes::Marks& marks,
                     const std::string& why) {
  return std::string(what) + " the route of " + to_string(prefix) + " in table " +
         std::to_string(marks.table) + " failed: " + why;
}

}  // namespace

KernelRoutes::KernelRoutes(Marks marks)
    : marks_(marks), requests_(neighbor::open_requests()), news_(nl_socket_alloc()) {
  if (!news_) throw std::runtime_error("netlink: no memory for a socket");
  // Where the kernel knows it, it sends our routes only, and not a whole Internet table.
  const int on = 1;
  setsockopt(nl_socket_get_fd(requests_.get()), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  nl_socket_disable_auto_ack(news_.get());
  nl_socket_disable_msg_peek(news_.get());
  check(nl_connect(news_.get(), NETLINK_ROUTE), "opening a socket");
  check(nl_socket_set_msg_buf_size(news_.get(), kMessageBytes), "setting the message size");
  check(nl_socket_add_memberships(news_.get(), RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, 0),
        "joining the groups of routes");
  check(nl_socket_set_nonblocking(news_.get()), "making a socket non-blocking");
}

std::optional<KernelRoutes::Found> KernelRoutes::list(std::string& error) {
  Found all;
  for (const int family : {AF_INET, AF_INET6}) {
    int result = -NLE_DUMP_INTR;
    for (int tries = 0; result == -NLE_DUMP_INTR && tries < kDumpTries; ++tries) {
      Listing listing{marks_, {}};
      nl_socket_modify_cb(requests_.get(), NL_CB_VALID, NL_CB_CUSTOM, Listing::take, &listing);
      result = request_family(requests_.get(), family, marks_);
      if (result >= 0) result = nl_recvmsgs_default(requests_.get());
      nl_socket_modify_cb(requests_.get(), NL_CB_VALID, NL_CB_DEFAULT, nullptr, nullptr);
      if (result < 0) continue;
      all.routes.merge(listing.found.routes);
      all.strange.insert(all.strange.end(), listing.found.strange.begin(), listing.found.strange.end());
    }
    // A table that nobody has written to does not exist, and a kernel without IPv6 has none of its routes.
    const bool is_none =
        result == -NLE_OBJ_NOTFOUND || result == -NLE_OPNOTSUPP || result == -NLE_AF_NOSUPPORT;
    if (result < 0 && !is_none) {
      error =
          "listing the routes in table " + std::to_string(marks_.table) + " failed: " + nl_geterror(result);
      return {};
    }
  }
  return all;
}

std::optional<std::string> KernelRoutes::add(const Prefix& prefix) {
  const NlRoute route = make_route(prefix, kPriority, marks_);
  const int result = rtnl_route_add(requests_.get(), route.get(), NLM_F_CREATE | NLM_F_EXCL);
  if (result >= 0) return {};
  if (result != -NLE_EXIST) return sentence("setting", prefix, marks_, nl_geterror(result));
  std::string error;
  const auto found = list(error);
  if (found && found->routes.contains(prefix)) return {};
  return sentence("setting", prefix, marks_,
                  "somebody else's route has its prefix and priority " + std::to_string(kPriority));
}

std::optional<std::string> KernelRoutes::remove(const Prefix& prefix, std::uint32_t priority) {
  const NlRoute route = make_route(prefix, priority, marks_);
  const int result = rtnl_route_delete(requests_.get(), route.get(), 0);
  if (result >= 0 || result == -NLE_OBJ_NOTFOUND) return {};
  return sentence("removing", prefix, marks_, nl_geterror(result));
}

int KernelRoutes::news_descriptor() const {
  return nl_socket_get_fd(news_.get());
}

bool KernelRoutes::concerns_us(nlmsghdr* message) const {
  // What we did ourselves bears our own number.
  const auto route = read_route(message);
  return route && route->table == marks_.table &&
         message->nlmsg_pid != nl_socket_get_local_port(requests_.get());
}

bool KernelRoutes::read_news() {
  bool changed = false;
  for (int left = kNewsPerCall; left > 0; --left) {
    sockaddr_nl from{};
    unsigned char* bytes = nullptr;
    int length = nl_recv(news_.get(), &from, &bytes, nullptr);
    const std::unique_ptr<unsigned char, neighbor::Release<std::free>> buffer(bytes);
    if (length == 0 || length == -NLE_AGAIN) break;
    if (length < 0) {  // libnl calls ENOBUFS "no memory": messages were lost
      changed = true;
      continue;
    }
    if (from.nl_pid != 0) continue;  // another process, not the kernel
    auto* message = reinterpret_cast<nlmsghdr*>(bytes);
    for (; nlmsg_ok(message, length); message = nlmsg_next(message, &length)) changed |= concerns_us(message);
  }
  return changed;
}

}  // namespace sluice::route
