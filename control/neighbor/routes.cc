// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/neighbor/routes.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

namespace sluice::neighbor {
namespace {

bool same_way(const Hop& a, const Hop& b) {
  return a.ifindex == b.ifindex && a.gateway == b.gateway;
}

// What tells routes of one prefix and priority apart in the kernel; flags and metrics do not.
bool same_path(const Route& a, const Route& b) {
  return a.type == b.type && std::ranges::equal(a.hops, b.hops, same_way);
}

bool includes(const std::vector<Hop>& all, const Hop& hop) {
  return std::ranges::any_of(all, [&](const Hop& other) { return same_way(hop, other); });
}

// IPv6 keeps each next hop of a multipath route as a route of its own, and may tell of one or of all.
bool is_part_of(const Route& part, const Route& whole) {
  return !whole.prefix.address.is_v4() && part.type == whole.type && !part.hops.empty() &&
         std::ranges::all_of(part.hops, [&](const Hop& hop) { return includes(whole.hops, hop); });
}

}  // namespace

bool RouteTable::set(const Route& route, RoutePlace place, std::uint64_t epoch) {
  Routes& routes = length(route.prefix)[route.prefix.address];
  if (routes.size() == 1 && routes.front().route == route) {
    routes.front().epoch = epoch;
    return false;
  }
  const Routes before = routes;
  const auto by_priority = [](const Entry& a, const Entry& b) { return a.route.priority < b.route.priority; };
  const Entry entry{route, epoch};
  auto [first, last] = std::equal_range(routes.begin(), routes.end(), entry, by_priority);
  const auto at = std::find_if(first, last, [&](const Entry& e) { return same_path(e.route, route); });
  const bool known = at != last;
  if (known && !(place == RoutePlace::kDump && at->epoch != epoch)) {
    *at = entry;
  } else if (!known && place == RoutePlace::kReplace && first != last) {
    *first = entry;
  } else {
    if (known) routes.erase(at);
    std::tie(first, last) = std::equal_range(routes.begin(), routes.end(), entry, by_priority);
    auto to = place == RoutePlace::kLast ? last : first;
    if (place == RoutePlace::kDump) {  // behind what this dump (or an event since its begin) has named
      for (auto i = first; i != last; ++i)
        if (i->epoch == epoch) to = std::next(i);
    }
    routes.insert(to, entry);
  }
  std::erase_if(routes, [&](const Entry& e) {
    return e.route.priority == route.priority && !same_path(e.route, route) && is_part_of(e.route, route);
  });
  size_ += routes.size() - before.size();
  return !std::ranges::equal(before, routes, {}, &Entry::route, &Entry::route);
}

bool RouteTable::remove(const Route& route) {
  Length& prefixes = length(route.prefix);
  const auto found = prefixes.find(route.prefix.address);
  if (found == prefixes.end()) return false;
  Routes& routes = found->second;
  const auto find = [&](auto matches) {
    return std::find_if(routes.begin(), routes.end(), [&](const Entry& e) {
      return e.route.priority == route.priority && matches(route, e.route);
    });
  };
  auto at = find(same_path);
  if (at == routes.end()) {
    at = find(is_part_of);
    if (at == routes.end()) return false;
    std::erase_if(at->route.hops, [&](const Hop& hop) { return includes(route.hops, hop); });
    if (!at->route.hops.empty()) return true;
  }
  routes.erase(at);
  --size_;
  if (routes.empty()) prefixes.erase(found);
  return true;
}

bool RouteTable::for_all(const std::function<bool(Routes&)>& change) {
  bool changed = false;
  for (Length& prefixes : lengths_) {
    for (auto at = prefixes.begin(); at != prefixes.end();) {
      Routes& routes = at->second;
      size_ -= routes.size();
      changed |= change(routes);
      size_ += routes.size();
      at = routes.empty() ? prefixes.erase(at) : std::next(at);
    }
  }
  return changed;
}

bool RouteTable::sweep(std::uint64_t oldest) {
  return for_all([&](Routes& routes) {
    return std::erase_if(routes, [&](const Entry& e) { return e.epoch < oldest; }) > 0;
  });
}

bool RouteTable::forget_link(int ifindex) {
  return for_all([&](Routes& routes) {
    bool changed = false;
    for (auto at = routes.begin(); at != routes.end();) {
      std::vector<Hop>& hops = at->route.hops;
      const auto gone = std::erase_if(hops, [&](const Hop& hop) { return hop.ifindex == ifindex; });
      changed |= gone > 0;
      at = gone > 0 && hops.empty() ? routes.erase(at) : std::next(at);
    }
    return changed;
  });
}

const Route* RouteTable::find(const IpAddress& destination,
                              const std::function<bool(const Route&)>& good) const {
  for (int bits = destination.is_v4() ? 32 : 128; bits >= 0; --bits) {
    const Length& prefixes = lengths_[index({destination, static_cast<std::uint8_t>(bits)})];
    if (prefixes.empty()) continue;
    const auto found = prefixes.find(mask(destination, static_cast<unsigned>(bits)));
    if (found == prefixes.end()) continue;
    for (const Entry& entry : found->second)
      if (good(entry.route)) return &entry.route;
  }
  return nullptr;
}

}  // namespace sluice::neighbor
