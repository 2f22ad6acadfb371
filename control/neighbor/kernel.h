// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The kernel's tables, kept in a Mirror over netlink (F3). sluiced makes a TAP for each port; the kernel
// holds the MUX's addresses there, speaks ARP and ND through it and has the routes. The dataplane bypasses
// the kernel, so this also does what a socket would have done: it asks the kernel to resolve the next hops in
// use and to test those that have gone stale, so that a dead gateway is noticed.
//
// How a change gets in: the socket joins the groups (link, address, route, next-hop object, neighbour) before
// it dumps anything, so nothing falls between. Events are applied as they come, and each real change is
// confirmed by a dump of that kind `confirm_delay` later: an event that overtook another, or a route that the
// kernel dropped without one, is right again after that. A dump that events ran into, or that the kernel
// marks as interrupted, is repeated. Lost messages (ENOBUFS) lead to a dump of everything at once. Dumps take
// at most a twentieth of the time, however much changes.
//
// Everything on the thread that runs the io_context; no call here waits for anything but the kernel's
// immediate answer. After construction no failure ends the program: it is logged, counted and tried again.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/config/model.h"
#include "control/neighbor/mirror.h"
#include "dataplane/wire/address.h"

namespace sluice::neighbor {

// How our routes are marked in the kernel ("proto 201" of `ip route`): those and no others are ours to
// change.
constexpr std::uint8_t kRouteProtocol = 201;
// Our default routes stand behind those of a management interface (DHCP and RA give 1024 or less), or
// starting sluiced would take the operator's own connection away. The dataplane sees only its ports and does
// not care.
constexpr std::uint32_t kDefaultRoutePriority = 4096;

struct KernelOptions {
  std::vector<std::string> interfaces;               // Mirror::set_interfaces
  std::vector<std::string> devices = {};             // Mirror::set_devices
  std::chrono::milliseconds debounce{5};             // from the first change to on_change
  std::chrono::milliseconds confirm_delay{250};      // from the first unconfirmed change to its dump
  std::chrono::milliseconds resolve_interval{1000};  // between two requests for one neighbour
  std::chrono::milliseconds fresh_interval{12'000};  // between two tests of a stale neighbour in use
  int receive_buffer_bytes = 8 * 1024 * 1024;        // 20,000 route changes while we do something else
  std::function<void(const std::string& sentence)> log = {};  // warnings; may be empty
};

struct KernelStatistics {
  std::uint64_t events = 0;          // messages of the groups
  std::uint64_t dumps = 0;           // finished
  std::uint64_t repeated_dumps = 0;  // of these: interrupted, or overtaken by events
  std::uint64_t losses = 0;          // ENOBUFS
  std::uint64_t corrections = 0;     // dumps that found what events had not told
  std::uint64_t requests = 0;        // sent to resolve or test a neighbour
  std::uint64_t failed_requests = 0;
  std::uint64_t renewals = 0;  // interfaces that were made anew or came up again, and were set up again
};

struct InterfaceSettings {
  std::string name;
  std::optional<MacAddress> mac;  // none: leave it as it is
  std::uint32_t mtu = 0;          // 0: leave it as it is
  std::vector<config::InterfaceAddress> addresses;
  std::optional<IpAddress> gateway, gateway6;
  // Of the default routes. 0: kDefaultRoutePriority plus the position in KernelOptions::interfaces, so that
  // of several ports with a gateway the first one's is taken while that port is up.
  std::uint32_t priority = 0;
  bool up = true;
  // It may be there since a process before this one: other addresses on it were its, and go.
  bool was_kept = false;
};

class KernelTables {
 public:
  // Throws std::runtime_error with one sentence when netlink cannot be opened. `on_change` runs on the
  // io_context once the first dump is complete, and then whenever mirror().generation() changed.
  KernelTables(boost::asio::io_context& io, KernelOptions options, std::function<void()> on_change);
  ~KernelTables();
  KernelTables(const KernelTables&) = delete;
  KernelTables& operator=(const KernelTables&) = delete;

  [[nodiscard]] const Mirror& mirror() const;
  [[nodiscard]] Answer lookup(const IpAddress& destination) const { return mirror().lookup(destination); }
  // All four kinds have been dumped once: before that, "no route" may only mean "not read yet".
  [[nodiscard]] bool synced() const;
  // No dump is running or due and no change waits to be told: what we know is what the kernel had when we
  // last looked, confirmed.
  [[nodiscard]] bool quiet() const;
  [[nodiscard]] const KernelStatistics& statistics() const;

  void set_interfaces(std::vector<std::string> names);

  // The destinations in use (Mirror::watch). Their next hops are resolved when they are not, and tested every
  // fresh_interval when they are stale, all of them when a route has several; on_change tells the outcome.
  // Does not itself lead to on_change for answers that are there at once: look them up after watch().
  void watch(std::vector<IpAddress> destinations);

  // Asks the kernel to resolve this neighbour now (RTM_NEWNEIGH with NTF_USE: the kernel sends ARP or ND by
  // its own rules). At most once per resolve_interval and neighbour, and for at most 4,096 neighbours at a
  // time. Returns whether it was sent and accepted. watch() does this by itself for what it was given.
  bool resolve(int ifindex, const IpAddress& ip);

  // Dumps everything anew.
  void resync();

  // Brings an interface into this state; calling it again changes nothing. It is kept so: when the interface
  // is removed and made anew, or goes down (which costs it its IPv6 addresses and its routes) and comes up
  // again, all that was asked for here and by add_address() is done again. Sets MAC and MTU, adds the
  // addresses, brings the link up, and sets one default route per family through `gateway` (on-link, so it
  // may lie outside the addresses' subnets). Removes what an earlier call of this object added to that
  // interface and this one does not name; touches nothing else there (IIPs, what an operator or a routing
  // daemon added). Without a gateway, a default route of ours through this interface is removed.
  // IPv6 duplicate address detection is switched off on this interface, for its link-local address too: its
  // probes would leave through a dataplane that does not run yet and prove nothing, and until they end (1 s
  // and more) the kernel could not resolve a next hop. IIPs get their own conflict check (A6).
  // With gateway6, default routes of router advertisements are not taken on this interface.
  // Secondary IPv4 addresses are kept when the first is removed (promote_secondaries), or the kernel would
  // remove those of others with ours. Returns none, or one sentence: what failed on which interface and why.
  std::optional<std::string> configure_interface(const InterfaceSettings& settings);

  // Gives an address to an interface beside those of configure_interface(), which does not touch it, or takes
  // it back; what is so already is no failure. No duplicate address detection by the kernel; an IPv6 address
  // is marked deprecated, so that no connection of our own begins from it. What is added is in the mirror,
  // and told by on_change, when this returns. None, or one sentence.
  std::optional<std::string> add_address(const std::string& interface,
                                         const config::InterfaceAddress& address);
  std::optional<std::string> remove_address(const std::string& interface,
                                            const config::InterfaceAddress& address);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sluice::neighbor
