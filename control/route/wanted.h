// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Which VIPs are to have a route (A5), and what must be done to the kernel's for it. A VIP is announced while
// one of its services wants it; a service wants it while a DIP of it is alive, always, or never, as its key
// `announce` says. A DIP is alive when it may carry packets: healthy, be it draining or leaving, for old
// flows still need the way to it. Pure; control thread.
#pragma once

#include <cstddef>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "control/config/model.h"
#include "dataplane/wire/address.h"

namespace sluice::route {

struct ServiceFacts {
  std::string name;
  Prefix vip;
  config::Announce announce = config::Announce::kLive;
  std::size_t dips = 0, alive = 0;
};

struct Announcement {
  Prefix prefix;
  bool wanted = false;
  std::vector<std::string> services;  // all that have this VIP, in the order given
  std::string why;  // "service web: 3 of 4 DIPs are alive", "no DIP of web, web-tls is alive"
  friend bool operator==(const Announcement&, const Announcement&) = default;
};

// One for each VIP, by prefix.
std::vector<Announcement> decide(std::span<const ServiceFacts> services);

std::set<Prefix> wanted_prefixes(std::span<const Announcement> announcements);

struct Difference {
  std::vector<Prefix> add, remove;
};
// From what is there to what is wanted.
Difference difference(const std::set<Prefix>& there, const std::set<Prefix>& wanted);

}  // namespace sluice::route
