// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What the kernel knows about the way to a server, as plain values: links, addresses, routes (tables local
// and main) and neighbours. Events go in, answers come out; nothing here opens a socket or reads a clock, so
// every order of events can be tried in a test. KernelTables (kernel.h) feeds it.
//
// Which route counts: the longest prefix that has a way out through one of our ports; among routes of one
// prefix the lowest priority value, then the kernel's own order. Routes through other interfaces (management)
// do not exist here, since no worker can send there. unreachable, blackhole and prohibit routes have no
// interface and count for every port. Routes for one TOS or for one IPv6 source prefix are left out: the
// packets of one DIP would need several next hops. Policy rules and other tables are not followed.
//
// Events may come late, twice, or in a wrong order, and the kernel removes some routes without an event
// (IPv4 routes of a link that goes down, or whose preferred source was removed). So no state rests on events
// alone: whoever feeds this confirms each kind with a whole dump between begin_dump() and end_dump(), which
// forgets what the kernel no longer has. Nothing is forgotten while a dump runs, so answers never go empty.
//
// Single-threaded: control's thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "control/neighbor/routes.h"
#include "dataplane/wire/address.h"

namespace sluice::neighbor {

struct Link {
  int ifindex = 0;
  std::string name;
  MacAddress mac;
  std::uint32_t mtu = 0;
  bool up = false;       // the operator's switch (IFF_UP)
  bool carrier = false;  // the wire (IFF_LOWER_UP)
  friend bool operator==(const Link&, const Link&) = default;
};

struct Address {
  int ifindex = 0;
  IpAddress address;
  std::uint8_t prefix_length = 0;
  friend auto operator<=>(const Address&, const Address&) = default;
};

enum class NeighborState : std::uint8_t {  // RFC 4861 section 7.3.2, and what Linux adds to it
  kNone,
  kIncomplete,
  kReachable,
  kStale,
  kDelay,
  kProbe,
  kFailed,
  kNoArp,
  kPermanent
};

struct Neighbor {
  int ifindex = 0;
  IpAddress ip;
  std::optional<MacAddress> mac;
  NeighborState state = NeighborState::kNone;
  friend bool operator==(const Neighbor&, const Neighbor&) = default;
};

// Which neighbour: a link-local address means something only together with its link.
struct NextHop {
  int ifindex = 0;
  IpAddress ip;
  friend auto operator<=>(const NextHop&, const NextHop&) = default;
};

enum class Kind : std::uint8_t { kLink, kAddress, kRoute, kNeighbor };
constexpr std::size_t kKinds = 4;

struct Event {
  bool removed = false;
  std::variant<Link, Address, Route, Neighbor> what;
  RoutePlace place = RoutePlace::kFirst;  // routes only: where among those of the same prefix and priority
};

// The answers. `port` is the position of the interface in set_interfaces().
struct Resolved {
  int ifindex = 0;
  IpAddress next_hop_ip;  // the gateway, or the destination itself when it is on the link
  MacAddress mac;         // of next_hop_ip
  std::size_t port = 0;
  std::uint32_t mtu = 0;                      // of the route when it has one, at most that of link and device
  std::optional<IpAddress> preferred_source;  // of the route
  friend bool operator==(const Resolved&, const Resolved&) = default;
};
struct Unresolved {  // there is a way, but the neighbour's MAC is not known (yet)
  int ifindex = 0;
  IpAddress next_hop_ip;
  std::size_t port = 0;
  std::uint32_t mtu = 0;
  std::optional<IpAddress> preferred_source;
  friend bool operator==(const Unresolved&, const Unresolved&) = default;
};
struct NoRoute {
  enum class Why : std::uint8_t {
    kNone,        // no route of our ports covers it, or the ports of those that do are down
    kProhibited,  // an unreachable, blackhole or prohibit route
    kNotUnicast   // multicast or a broadcast address
  } why = Why::kNone;
  friend bool operator==(const NoRoute&, const NoRoute&) = default;
};
struct Local {  // the kernel itself owns that address
  friend bool operator==(const Local&, const Local&) = default;
};
using Answer = std::variant<Resolved, Unresolved, NoRoute, Local>;

class Mirror {
 public:
  // Our ports' kernel interfaces, by name ("" = a port without one; its position is kept). They need not
  // exist (yet); an interface made anew under the same name is followed.
  void set_interfaces(std::vector<std::string> names);
  // The kernel's device below each of them, where a port is one of the kernel's own (AF_PACKET, AF_XDP), else
  // "": what such a device is too small for, or cannot send because it is down, does not leave by that port.
  void set_devices(std::vector<std::string> names);

  // Takes one fact in. Returns whether anything but a neighbour's freshness changed, that is whether an
  // answer may have. Unknown removals and repeated facts return false.
  bool apply(const Event& event);

  // Between these, apply_dumped() every fact of that kind, and apply() the events that come meanwhile.
  // end_dump() forgets the facts of that kind that did not occur since the last begin_dump(), or since the
  // `passes`-th last (when events ran into each of them, so that each alone may have left something out).
  // Returns whether there were any.
  void begin_dump(Kind kind);
  // Like apply(), but routes of one prefix and priority take the order of the dump.
  bool apply_dumped(const Event& event);
  bool end_dump(Kind kind, unsigned passes = 1);

  // The way to `destination`, by the rules above. 0.0.0.0 and :: ask for the default route. Of several next
  // hops (multipath): the first that is resolved, else the first whose neighbour did not fail, else the
  // first.
  [[nodiscard]] Answer lookup(const IpAddress& destination) const;
  // All usable next hops of the route that lookup() takes, in the same order; empty when it takes none.
  [[nodiscard]] std::vector<NextHop> candidates(const IpAddress& destination) const;
  // The same as a sentence for `explain`: "10.1.0.0/24 via 10.0.0.1 on sluice0 (priority 0): 10.0.0.1 is at
  // 02:00:00:00:00:01, reachable".
  [[nodiscard]] std::string describe(const IpAddress& destination) const;

  // The destinations whose answers are in use (the DIPs, and 0.0.0.0 and :: for what goes back to clients).
  void watch(std::vector<IpAddress> destinations);
  [[nodiscard]] const std::vector<IpAddress>& watched() const { return watched_; }
  // Brings generation() up to date: adds one when the answer to a watched destination, or ifindex, MAC, MTU,
  // state or addresses of one of our interfaces are no longer what they were at the last call. Neighbours
  // that nobody asked for, freshness (reachable, stale, …) and routes elsewhere leave it alone. Costs one
  // lookup per watched destination, nothing when no event came. Returns whether it added one.
  bool settle();
  [[nodiscard]] std::uint64_t generation() const { return generation_; }

  // nullptr when the kernel has none.
  [[nodiscard]] const Link* link(int ifindex) const;
  [[nodiscard]] const Link* link(const std::string& name) const;
  [[nodiscard]] const Neighbor* neighbor(const NextHop& hop) const;
  [[nodiscard]] std::vector<Address> addresses(int ifindex) const;
  [[nodiscard]] std::size_t routes() const { return tables_[0].size() + tables_[1].size(); }
  [[nodiscard]] std::size_t neighbors() const { return neighbors_.size(); }

 private:
  template <typename Value>
  struct Stamped {
    Value value;
    std::uint64_t epoch = 0;  // the dump of its kind during which it was last heard of
  };
  struct Port {
    std::optional<Link> link;
    std::vector<Address> addresses;
    friend bool operator==(const Port&, const Port&) = default;
  };
  // The route that decides: for a unicast route with the positions of its usable hops.
  struct Decision {
    const Route* route = nullptr;
    std::vector<std::size_t> hops;
  };
  bool take(const Link& link, bool removed);
  bool take(const Address& address, bool removed);
  bool take(const Route& route, bool removed, RoutePlace place);
  bool take(const Neighbor& neighbor, bool removed);
  bool forget_link(int ifindex);
  [[nodiscard]] std::optional<std::size_t> port_of(int ifindex) const;  // only of usable links
  [[nodiscard]] const Link* device_of(std::size_t port) const;
  [[nodiscard]] Decision decide(const IpAddress& destination) const;
  [[nodiscard]] std::size_t choose(const Decision& decision, const IpAddress& destination) const;
  [[nodiscard]] const Neighbor* resolved(const NextHop& hop) const;
  [[nodiscard]] std::uint64_t epoch(Kind kind) const { return epochs_[static_cast<std::size_t>(kind)]; }

  std::vector<std::string> interfaces_, devices_;
  std::map<int, Stamped<Link>> links_;
  std::map<Address, std::uint64_t> addresses_;  // -> epoch
  std::map<NextHop, Stamped<Neighbor>> neighbors_;
  std::array<RouteTable, 2> tables_;  // local, main: the order in which the kernel's rules ask them
  std::array<std::uint64_t, kKinds> epochs_{};

  std::vector<IpAddress> watched_;
  std::vector<Answer> answers_;  // to watched_, at the last settle()
  std::vector<Port> ports_;      // of interfaces_, at the last settle()
  bool changed_ = false;         // since the last settle()
  std::uint64_t generation_ = 0;
};

// Whether packets may be sent to a neighbour in this state (it also needs a MAC).
bool counts_as_resolved(NeighborState state);
const char* to_string(NeighborState state);

}  // namespace sluice::neighbor
