// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The routes of VIPs in the kernel: those with our protocol number in our table, and no others.
//
// Their type is `unreachable`, with a priority behind everything else. BIRD, FRR and ExaBGP's scripts read
// such a route like any other and announce it with the MUX itself as next hop. It needs no interface, so it
// neither goes with one nor draws traffic into one. A kernel never looks into a table that no rule names; and
// where the operator chose the main table (FRR imports IPv6 from nowhere else), a packet of the MUX's own to
// a VIP is refused at once with a clear error, in place of a journey to the router and back. The addresses of
// the MUX itself stand in the table `local`, which is asked first: they are out of this reach.
//
// Control thread. Calls wait for the kernel's immediate answer only.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control/neighbor/netlink.h"
#include "dataplane/wire/address.h"

namespace sluice::route {

// Of all our routes ("metric" of iproute2): behind whatever else names the same prefix. FRR takes the highest
// 8 bits for a distance, of which 255 would mean "never"; these are zero.
inline constexpr std::uint32_t kPriority = 1'000'000;

class KernelRoutes {
 public:
  struct Marks {
    std::uint32_t table = 0;
    std::uint8_t protocol = 0;
  };

  // Throws std::runtime_error with one sentence when netlink cannot be opened.
  explicit KernelRoutes(Marks marks);

  struct Found {
    std::set<Prefix> routes;
    std::vector<std::pair<Prefix, std::uint32_t>> strange;  // with our marks, and another priority
  };
  // What of ours is there now; one sentence in `error` when the kernel would not say, and then nothing.
  std::optional<Found> list(std::string& error);
  // None, or one sentence. A route of ours that is there already, or already gone, is no error.
  std::optional<std::string> add(const Prefix& prefix);
  std::optional<std::string> remove(const Prefix& prefix, std::uint32_t priority = kPriority);

  // Readable when a route changed somewhere. The descriptor belongs to this object.
  [[nodiscard]] int news_descriptor() const;
  // Reads all news, without waiting. Whether somebody else changed our table, or news were lost: then only
  // list() knows what is there.
  bool read_news();

 private:
  [[nodiscard]] bool concerns_us(nlmsghdr* message) const;
  Marks marks_;
  neighbor::Socket requests_, news_;
};

}  // namespace sluice::route
