// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Setting up a port's kernel interface; see KernelTables::configure_interface. Inside this room only.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "control/neighbor/kernel.h"
#include "control/neighbor/netlink.h"

namespace sluice::neighbor {

class InterfaceSetup {
 public:
  // Makes the interface so, with settings.priority filled in. None, or one sentence. What it did before it
  // failed stays done and is remembered: the next call goes on from there.
  std::optional<std::string> apply(nl_sock* socket, const InterfaceSettings& settings);

 private:
  struct Done {  // what is ours on an interface, and on which incarnation of it
    int ifindex = 0;
    std::vector<config::InterfaceAddress> addresses;
    std::map<int, std::pair<IpAddress, std::uint32_t>> default_routes;  // family -> gateway, priority
  };
  std::optional<std::string> set_addresses(nl_sock* socket, Done& done, const InterfaceSettings& settings);
  std::optional<std::string> set_default_route(nl_sock* socket, Done& done, const std::string& name,
                                               int family, const std::optional<IpAddress>& gateway,
                                               std::uint32_t priority);
  std::map<std::string, Done> done_;
};

// KernelTables::add_address and remove_address.
std::optional<std::string> give_address(nl_sock* socket, const std::string& name,
                                        const config::InterfaceAddress& address);
std::optional<std::string> take_address(nl_sock* socket, const std::string& name,
                                        const config::InterfaceAddress& address);

}  // namespace sluice::neighbor
