// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A MUX for one test, in a namespace of its own: KernelTables and the loop that runs it, and the router that
// it is cabled to.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <utility>

#include "control/neighbor/kernel.h"
#include "tests/unit/neighbor/facts.h"
#include "tests/unit/neighbor/namespace.h"

namespace sluice::neighbor::test {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline constexpr const char* kPeerMac = "02:00:00:00:00:99";

struct Mux {
  explicit Mux(KernelOptions options = {})
      : tables(io, with_names(std::move(options)), [this] { ++changes; }) {}
  static KernelOptions with_names(KernelOptions options) {
    options.interfaces = {"sluice0", "sluice1"};
    return options;
  }
  // Runs the control loop until this holds; false when it does not within 10 s.
  bool until(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(10);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      io.run_one_for(milliseconds(100));
    }
    return true;
  }
  // Has all tables read again, behind what the kernel sent before, and runs the loop until that is confirmed
  // and told.
  bool until_quiet() {
    tables.resync();
    return until([&] { return tables.quiet(); });
  }
  // The kernel adds the link-local address in its own time.
  bool until_all_addresses(std::size_t configured) {
    return until([&] { return tables.mirror().addresses(ifindex("sluice0")).size() == configured + 1; });
  }
  int ifindex(const std::string& name) const {
    const Link* found = tables.mirror().link(name);
    return found ? found->ifindex : 0;
  }
  std::string way(const std::string& destination) const { return tables.mirror().describe(ip(destination)); }
  bool is_resolved(const std::string& destination, const std::string& next_hop) const {
    const Answer answer = tables.lookup(ip(destination));
    const auto* to = std::get_if<Resolved>(&answer);
    return to && to->next_hop_ip == ip(next_hop);
  }
  bool is_unresolved(const std::string& destination, const std::string& next_hop) const {
    const Answer answer = tables.lookup(ip(destination));
    const auto* to = std::get_if<Unresolved>(&answer);
    return to && to->next_hop_ip == ip(next_hop);
  }
  bool has_no_route(const std::string& destination) const {
    return tables.lookup(ip(destination)) == Answer(NoRoute{});
  }
  bool is_local(const std::string& destination) const {
    return std::holds_alternative<Local>(tables.lookup(ip(destination)));
  }

  boost::asio::io_context io;
  int changes = 0;
  KernelTables tables;
};

inline InterfaceSettings port_settings() {
  InterfaceSettings settings;
  settings.name = "sluice0";
  settings.mac = parse_mac("02:00:00:00:00:10");
  settings.mtu = 1500;
  settings.addresses = {{ip("10.0.0.10"), 24}, {ip("2001:db8::10"), 64}};
  settings.gateway = ip("10.0.0.1");
  settings.gateway6 = ip("2001:db8::1");
  return settings;
}

// A MUX whose port is cabled to a router with 10.0.0.1, .2, .3 and 2001:db8::1.
struct Cabled {
  Cabled() {
    peer.connect("sluice0", "peer0");
    peer.run(std::string("ip link set peer0 address ") + kPeerMac);
    for (const char* address : {"10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24"})
      peer.run(std::string("ip addr add ") + address + " dev peer0");
    peer.run("ip addr add 2001:db8::1/64 dev peer0 nodad");
  }
  Peer peer;
};

}  // namespace sluice::neighbor::test
