// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/neighbor/mirror.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sluice::neighbor {
namespace {

constexpr std::array kStateNames = {"none",  "incomplete", "reachable", "stale",    "delay",
                                    "probe", "failed",     "noarp",     "permanent"};

// What of a neighbour an answer can depend on.
auto essence(const Neighbor& neighbor) {
  return std::tuple{counts_as_resolved(neighbor.state) && neighbor.mac, neighbor.mac,
                    neighbor.state == NeighborState::kFailed};
}

bool is_limited_broadcast(const IpAddress& address) {  // RFC 919 section 7
  return address == IpAddress::v4(Big32(0xffffffff));
}

// Puts `value` at `key` with this epoch; returns whether `differs` from what was there, or nothing was.
template <typename Map, typename Key, typename Value, typename Differs>
bool put(Map& map, const Key& key, const Value& value, std::uint64_t epoch, Differs differs) {
  const auto [at, is_new] = map.try_emplace(key);
  const bool changed = is_new || differs(at->second.value, value);
  at->second = {value, epoch};
  return changed;
}

}  // namespace

bool counts_as_resolved(NeighborState state) {
  switch (state) {
    case NeighborState::kReachable:
    case NeighborState::kStale:
    case NeighborState::kDelay:
    case NeighborState::kProbe:
    case NeighborState::kNoArp:
    case NeighborState::kPermanent:
      return true;
    case NeighborState::kNone:
    case NeighborState::kIncomplete:
    case NeighborState::kFailed:
      return false;
  }
  return false;
}

const char* to_string(NeighborState state) {
  return kStateNames[static_cast<std::size_t>(state)];
}

void Mirror::set_interfaces(std::vector<std::string> names) {
  if (names == interfaces_) return;
  interfaces_ = std::move(names);
  changed_ = true;
}

void Mirror::set_devices(std::vector<std::string> names) {
  if (names == devices_) return;
  devices_ = std::move(names);
  changed_ = true;
}

bool Mirror::apply(const Event& event) {
  const bool changed = std::visit(
      [&](const auto& what) {
        if constexpr (std::is_same_v<std::decay_t<decltype(what)>, Route>)
          return take(what, event.removed, event.place);
        else
          return take(what, event.removed);
      },
      event.what);
  changed_ |= changed;
  return changed;
}

bool Mirror::apply_dumped(const Event& event) {
  if (!std::holds_alternative<Route>(event.what)) return apply(event);
  const bool changed = take(std::get<Route>(event.what), event.removed, RoutePlace::kDump);
  changed_ |= changed;
  return changed;
}

bool Mirror::take(const Link& link, bool removed) {
  if (removed) return forget_link(link.ifindex);
  return put(links_, link.ifindex, link, epoch(Kind::kLink), std::not_equal_to<>{});
}

bool Mirror::take(const Address& address, bool removed) {
  if (removed) return addresses_.erase(address) > 0;
  return addresses_.insert_or_assign(address, epoch(Kind::kAddress)).second;
}

bool Mirror::take(const Route& route, bool removed, RoutePlace place) {
  if (route.table != kTableLocal && route.table != kTableMain) return false;
  RouteTable& table = tables_[route.table == kTableLocal ? 0 : 1];
  return removed ? table.remove(route) : table.set(route, place, epoch(Kind::kRoute));
}

bool Mirror::take(const Neighbor& neighbor, bool removed) {
  const NextHop key{neighbor.ifindex, neighbor.ip};
  if (removed) return neighbors_.erase(key) > 0;
  return put(neighbors_, key, neighbor, epoch(Kind::kNeighbor),
             [](const Neighbor& a, const Neighbor& b) { return essence(a) != essence(b); });
}

// The index may be given to another link at once: nothing of the old one may stay.
bool Mirror::forget_link(int ifindex) {
  std::size_t gone = links_.erase(ifindex);
  gone += std::erase_if(addresses_, [&](const auto& a) { return a.first.ifindex == ifindex; });
  gone += std::erase_if(neighbors_, [&](const auto& n) { return n.first.ifindex == ifindex; });
  for (RouteTable& table : tables_) gone += table.forget_link(ifindex) ? 1 : 0;
  return gone > 0;
}

void Mirror::begin_dump(Kind kind) {
  ++epochs_[static_cast<std::size_t>(kind)];
}

bool Mirror::end_dump(Kind kind, unsigned passes) {
  const std::uint64_t oldest = epoch(kind) + 1 - std::min<std::uint64_t>(passes, epoch(kind));
  bool forgot = false;
  switch (kind) {
    case Kind::kLink: {
      std::vector<int> gone;
      for (const auto& [ifindex, link] : links_)
        if (link.epoch < oldest) gone.push_back(ifindex);
      for (const int ifindex : gone) forgot |= forget_link(ifindex);
      break;
    }
    case Kind::kAddress:
      forgot = std::erase_if(addresses_, [&](const auto& a) { return a.second < oldest; }) > 0;
      break;
    case Kind::kRoute:
      for (RouteTable& table : tables_) forgot |= table.sweep(oldest);
      break;
    case Kind::kNeighbor:
      forgot = std::erase_if(neighbors_, [&](const auto& n) { return n.second.epoch < oldest; }) > 0;
      break;
  }
  changed_ |= forgot;
  return forgot;
}

const Link* Mirror::link(int ifindex) const {
  const auto found = links_.find(ifindex);
  return found == links_.end() ? nullptr : &found->second.value;
}

const Link* Mirror::link(const std::string& name) const {
  for (const auto& [ifindex, link] : links_)
    if (link.value.name == name) return &link.value;
  return nullptr;
}

const Neighbor* Mirror::neighbor(const NextHop& hop) const {
  const auto found = neighbors_.find(hop);
  return found == neighbors_.end() ? nullptr : &found->second.value;
}

std::vector<Address> Mirror::addresses(int ifindex) const {
  std::vector<Address> out;
  for (auto at = addresses_.lower_bound(Address{ifindex, {}, 0});
       at != addresses_.end() && at->first.ifindex == ifindex; ++at)
    out.push_back(at->first);
  return out;
}

std::optional<std::size_t> Mirror::port_of(int ifindex) const {
  const Link* found = link(ifindex);
  if (!found || !found->up || !found->carrier) return {};
  const auto at = std::ranges::find(interfaces_, found->name);
  if (at == interfaces_.end()) return {};
  const auto port = static_cast<std::size_t>(at - interfaces_.begin());
  const Link* device = device_of(port);
  if (device && !(device->up && device->carrier)) return {};
  return port;
}

const Link* Mirror::device_of(std::size_t port) const {
  return port < devices_.size() && !devices_[port].empty() ? link(devices_[port]) : nullptr;
}

const Neighbor* Mirror::resolved(const NextHop& hop) const {
  const Neighbor* found = neighbor(hop);
  return found && counts_as_resolved(found->state) && found->mac ? found : nullptr;
}

Mirror::Decision Mirror::decide(const IpAddress& destination) const {
  Decision decision;
  const auto leads_out = [&](const Route& route) {
    if (route.type != RouteType::kUnicast) return true;
    decision.hops.clear();
    for (std::size_t i = 0; i < route.hops.size(); ++i)
      if (!route.hops[i].dead && port_of(route.hops[i].ifindex)) decision.hops.push_back(i);
    return !decision.hops.empty();
  };
  for (const RouteTable& table : tables_) {
    decision.hops.clear();
    decision.route = table.find(destination, leads_out);
    if (decision.route && decision.route->type != RouteType::kThrow) return decision;
  }
  return {};
}

std::size_t Mirror::choose(const Decision& decision, const IpAddress& destination) const {
  std::optional<std::size_t> not_failed;
  for (const std::size_t i : decision.hops) {
    const Hop& hop = decision.route->hops[i];
    const NextHop key{hop.ifindex, hop.gateway.value_or(destination)};
    if (resolved(key)) return i;
    const Neighbor* known = neighbor(key);
    if (!not_failed && !(known && known->state == NeighborState::kFailed)) not_failed = i;
  }
  return not_failed.value_or(decision.hops.front());
}

Answer Mirror::lookup(const IpAddress& destination) const {
  if (destination.is_multicast() || is_limited_broadcast(destination))
    return NoRoute{NoRoute::Why::kNotUnicast};
  const Decision decision = decide(destination);
  if (!decision.route) return NoRoute{};
  const Route& route = *decision.route;
  switch (route.type) {
    case RouteType::kLocal:
      return Local{};
    case RouteType::kProhibited:
      return NoRoute{NoRoute::Why::kProhibited};
    case RouteType::kNotUnicast:
      return NoRoute{NoRoute::Why::kNotUnicast};
    case RouteType::kThrow:
    case RouteType::kUnicast:
      break;
  }
  const Hop& hop = route.hops[choose(decision, destination)];
  const NextHop key{hop.ifindex, hop.gateway.value_or(destination)};
  const Link& way = *link(hop.ifindex);
  std::uint32_t mtu = route.mtu ? std::min(route.mtu, way.mtu) : way.mtu;
  const std::size_t port = *port_of(hop.ifindex);
  if (const Link* device = device_of(port)) mtu = std::min(mtu, device->mtu);
  // The default route asked for itself, and it has no gateway: there is no one neighbour to name.
  if (const Neighbor* known = resolved(key))
    return Resolved{key.ifindex, key.ip, *known->mac, port, mtu, route.preferred_source};
  return Unresolved{key.ifindex, key.ip, port, mtu, route.preferred_source};
}

std::vector<NextHop> Mirror::candidates(const IpAddress& destination) const {
  std::vector<NextHop> out;
  if (destination.is_multicast() || is_limited_broadcast(destination)) return out;
  const Decision decision = decide(destination);
  for (const std::size_t i : decision.hops) {
    const Hop& hop = decision.route->hops[i];
    const IpAddress ip = hop.gateway.value_or(destination);
    if (!ip.is_unspecified()) out.push_back({hop.ifindex, ip});
  }
  return out;
}

std::string Mirror::describe(const IpAddress& destination) const {
  const std::string to = to_string(destination);
  const Answer answer = lookup(destination);
  if (std::holds_alternative<Local>(answer)) return to + " is an address of this host";
  const Decision decision = decide(destination);
  if (const auto* none = std::get_if<NoRoute>(&answer)) {
    if (none->why == NoRoute::Why::kNotUnicast) return to + " is a multicast or broadcast address";
    if (none->why == NoRoute::Why::kProhibited)
      return "the kernel's route " + to_string(decision.route->prefix) + " refuses " + to;
    return "no route of the kernel leads to " + to + " through a port that is up";
  }
  const Hop& hop = decision.route->hops[choose(decision, destination)];
  const NextHop key{hop.ifindex, hop.gateway.value_or(destination)};
  std::string text = to_string(decision.route->prefix);
  if (decision.route->prefix.length == 0) text = "default";
  if (hop.gateway) text += " via " + to_string(*hop.gateway);
  text += " on " + link(hop.ifindex)->name + " (priority " + std::to_string(decision.route->priority) + "): ";
  text += to_string(key.ip);
  const Neighbor* known = neighbor(key);
  if (resolved(key)) return text + " is at " + to_string(*known->mac) + ", " + to_string(known->state);
  return text + " is not resolved" + (known ? std::string(", ") + to_string(known->state) : "");
}

void Mirror::watch(std::vector<IpAddress> destinations) {
  settle();
  watched_ = std::move(destinations);
  answers_.clear();
  for (const IpAddress& destination : watched_) answers_.push_back(lookup(destination));
}

bool Mirror::settle() {
  if (!std::exchange(changed_, false)) return false;
  std::vector<Answer> answers;
  answers.reserve(watched_.size());
  for (const IpAddress& destination : watched_) answers.push_back(lookup(destination));
  std::vector<Port> ports;
  for (const std::string& name : interfaces_) {
    const Link* found = name.empty() ? nullptr : link(name);
    ports.push_back(found ? Port{*found, addresses(found->ifindex)} : Port{});
  }
  if (answers == answers_ && ports == ports_) return false;
  answers_ = std::move(answers);
  ports_ = std::move(ports);
  ++generation_;
  return true;
}

}  // namespace sluice::neighbor
