// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// One routing table: for each prefix the routes to it, best first. A hash table per prefix length, so a full
// Internet table fits and a lookup costs one probe for each length in use.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "dataplane/wire/address.h"

namespace sluice::neighbor {

constexpr std::uint32_t kTableMain = 254, kTableLocal = 255;  // RT_TABLE_MAIN, RT_TABLE_LOCAL

enum class RouteType : std::uint8_t {
  kUnicast,
  kLocal,       // and anycast: the kernel takes it in
  kProhibited,  // unreachable, blackhole, prohibit
  kNotUnicast,  // broadcast, multicast
  kThrow        // ends the search in this table without an answer
};

struct Hop {
  int ifindex = 0;
  std::optional<IpAddress> gateway;  // none: the destination is on the link. May be IPv6 for an IPv4 route.
  bool dead = false;                 // RTNH_F_DEAD: the kernel does not use it
  friend bool operator==(const Hop&, const Hop&) = default;
};

struct Route {
  std::uint32_t table = kTableMain;
  Prefix prefix;
  std::uint32_t priority = 0;  // "metric" of iproute2; the lowest wins
  RouteType type = RouteType::kUnicast;
  std::vector<Hop> hops;                      // several: multipath, the first preferred
  std::optional<IpAddress> preferred_source;  // "src" of iproute2
  std::uint32_t mtu = 0;                      // 0 = that of the link
  friend bool operator==(const Route&, const Route&) = default;
};

// Where a new route goes among those of its prefix and priority: `ip route prepend` (and add, where there is
// no other), `append`, `replace`; or the next place of a dump.
enum class RoutePlace : std::uint8_t { kFirst, kLast, kReplace, kDump };

class RouteTable {
 public:
  // Puts `route` in, or renews it. Returns whether the table changed. `epoch` marks it as heard of.
  bool set(const Route& route, RoutePlace place, std::uint64_t epoch);
  // Takes out the route with these hops. An IPv6 message may name one next hop of a multipath route: then
  // the others stay. Returns whether there was such a route.
  bool remove(const Route& route);
  // Forgets what was last heard of before this epoch. Returns whether there was any.
  bool sweep(std::uint64_t oldest);
  // Takes the hops through this link out of all routes, and routes that are left without one.
  bool forget_link(int ifindex);

  // Calls `good` with the routes that cover `destination`, the longest prefix first, then the lowest
  // priority; returns the first that it accepts, or nullptr.
  const Route* find(const IpAddress& destination, const std::function<bool(const Route&)>& good) const;
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  struct Entry {
    Route route;
    std::uint64_t epoch = 0;
  };
  using Routes = std::vector<Entry>;  // by priority, then in the kernel's order
  using Length = std::unordered_map<IpAddress, Routes>;
  Length& length(const Prefix& prefix) { return lengths_[index(prefix)]; }
  static std::size_t index(const Prefix& prefix) {
    return prefix.address.is_v4() ? std::size_t{129} + prefix.length : prefix.length;
  }
  // Applies `change` to every prefix's routes and drops the prefixes that are left empty.
  bool for_all(const std::function<bool(Routes&)>& change);

  std::array<Length, 129 + 33> lengths_;  // IPv6 /0 .. /128, then IPv4 /0 .. /32
  std::size_t size_ = 0;
};

}  // namespace sluice::neighbor
