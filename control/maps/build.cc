// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/maps/build.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <stdexcept>

#include "control/maps/older_maps.h"
#include "control/maps/policy.h"
#include "dataplane/door/counters.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/headers.h"

namespace sluice::maps {
namespace {

constexpr std::uint8_t kOuterTtl = 64;

SlotView view_of(const SlotMap& map) {
  return {map.data(), map.mod()};
}

// Paths of one snapshot share their next hops.
class NextHops {
 public:
  NextHops(Snapshot& snapshot, const std::vector<PortFacts>& ports) : snapshot_(snapshot), ports_(ports) {
    snapshot_.next_hops.emplace_back();  // index 0: not resolved
  }

  std::uint16_t index(const Path& path) {
    if (!path.resolved) return 0;
    const auto key = std::make_tuple(path.port, path.next_hop, path.mtu);
    if (const auto known = known_.find(key); known != known_.end()) return known->second;
    if (snapshot_.next_hops.size() > 0xffff) throw std::length_error("more than 65,535 next hops are in use");
    const auto index = static_cast<std::uint16_t>(snapshot_.next_hops.size());
    snapshot_.next_hops.push_back(make(path));
    known_.emplace(key, index);
    return index;
  }

 private:
  NextHop make(const Path& path) const {
    const PortFacts& port = ports_[path.port];
    NextHop hop;
    std::memcpy(&hop.l2[0], path.next_hop.byte.data(), 6);
    std::memcpy(&hop.l2[6], port.mac.byte.data(), 6);
    if (port.vlan != 0) {
      const Big16 tag[2] = {Big16(kEtherVlan), Big16(port.vlan)};
      std::memcpy(&hop.l2[12], tag, sizeof tag);
      hop.l2_bytes = 16;
    }
    hop.port = static_cast<std::uint8_t>(path.port);
    hop.mtu = std::min(path.mtu, port.mtu);
    hop.resolved = true;
    return hop;
  }

  Snapshot& snapshot_;
  const std::vector<PortFacts>& ports_;
  std::map<std::tuple<unsigned, MacAddress, std::uint16_t>, std::uint16_t> known_;
};

OuterSourceKind source_kind(const config::Service& service) {
  switch (service.outer_source) {
    case config::OuterSource::kClient:
      return OuterSourceKind::kClient;
    case config::OuterSource::kPrefix:
      return OuterSourceKind::kPrefix;
    case config::OuterSource::kMux:
      break;
  }
  return OuterSourceKind::kFixed;
}

std::uint8_t inner_protocol(const config::Service& service) {
  if (service.encapsulation == config::Encapsulation::kGue) return kProtoUdp;
  return service.vip.address.is_v4() ? kProtoIpv4 : kProtoIpv6;
}

void write_outer4(Target& target, const IpAddress& source, const config::Service& service,
                  const config::Dip& dip) {
  Ipv4Header ip{};
  ip.version_ihl = 0x45;
  ip.ttl = kOuterTtl;
  ip.protocol = inner_protocol(service);
  if (target.source != OuterSourceKind::kClient) ip.source = source.v4();
  ip.destination = dip.address.v4();
  std::memcpy(target.outer.data(), &ip, sizeof ip);
  if (target.source != OuterSourceKind::kFixed) ip.source = Big32{};  // then the stage sums it
  std::uint8_t bytes[sizeof ip];
  std::memcpy(bytes, &ip, sizeof ip);
  target.outer_checksum_seed = fold(partial_sum(bytes));
  target.outer_bytes = sizeof ip;
}

void write_outer6(Target& target, const IpAddress& source, const config::Service& service,
                  const config::Dip& dip) {
  Ipv6Header ip{};
  ip.version_class_flow.set(6u << 28);
  ip.hop_limit = kOuterTtl;
  ip.next_header = inner_protocol(service);
  if (target.source != OuterSourceKind::kClient) ip.source = source.byte;
  ip.destination = dip.address.byte;
  std::memcpy(target.outer.data(), &ip, sizeof ip);
  target.outer_v6 = true;
  target.outer_bytes = sizeof ip;
}

// The outer source's fixed part, or nothing when the service and the port do not give one of this family.
std::optional<IpAddress> outer_source(const config::Service& service, const PortFacts& port, bool v4) {
  switch (service.outer_source) {
    case config::OuterSource::kClient:
      // Only a client of the DIP's own family can lend its address.
      return service.vip.address.is_v4() == v4 ? std::optional(IpAddress{})
             : v4                              ? port.source4
                                               : port.source6;
    case config::OuterSource::kPrefix: {
      const auto& prefix = v4 ? service.outer_prefix4 : service.outer_prefix6;
      return prefix ? std::optional(prefix->address) : std::nullopt;
    }
    case config::OuterSource::kMux:
      break;
  }
  return v4 ? port.source4 : port.source6;
}

constexpr std::uint32_t kMostWheelPlaces = 8192;

config::Scheduler scheduler_of(const config::Service& service) {
  return service.stickiness == config::Stickiness::kFlow ? service.scheduler : config::Scheduler::kHash;
}

Scheduler dataplane_scheduler(config::Scheduler scheduler) {
  switch (scheduler) {
    case config::Scheduler::kHash:
      break;
    case config::Scheduler::kRoundRobin:
    case config::Scheduler::kWeightedRoundRobin:
      return Scheduler::kNextInWheel;
    case config::Scheduler::kRandom:
    case config::Scheduler::kWeightedRandom:
      return Scheduler::kRandomInWheel;
    case config::Scheduler::kLeastFlows:
      return Scheduler::kLeastFlows;
    case config::Scheduler::kLeastLoad:
      return Scheduler::kLeastLoad;
  }
  return Scheduler::kMap;
}

// The members that may get new flows, as often as their weight says where the scheduler asks for weights.
std::vector<std::uint16_t> make_wheel(const PlannedGroup& group, config::Scheduler scheduler) {
  const bool weighted =
      scheduler == config::Scheduler::kWeightedRoundRobin || scheduler == config::Scheduler::kWeightedRandom;
  std::vector<std::uint32_t> shares;
  std::uint64_t sum = 0;
  for (const PlannedDip& dip : group.dips) {
    const bool takes = dip.state() == DipState::kUp;
    shares.push_back(!takes ? 0 : weighted ? dip.dip.weight : 1);
    sum += shares.back();
  }
  if (sum > kMostWheelPlaces) shares = quotas(shares, kMostWheelPlaces);
  return turns(shares, shares);
}

// What a member's flows are counted against: only ratios within the group matter, and 16 bits have room.
std::uint64_t full_capacity(const PlannedDip& dip) {
  return std::uint64_t{dip.dip.weight} * dip.spare;
}
std::uint64_t largest_capacity(const PlannedGroup& group) {
  std::uint64_t largest = 1;
  for (const PlannedDip& dip : group.dips) largest = std::max(largest, full_capacity(dip));
  return largest;
}
std::uint16_t capacity_of(const PlannedDip& dip, std::uint64_t largest) {
  const std::uint64_t most = std::min<std::uint64_t>(largest, 0xffff);
  return static_cast<std::uint16_t>(std::max<std::uint64_t>(1, full_capacity(dip) * most / largest));
}

class Builder {
 public:
  Builder(const Inputs& in, Ids& service_ids, Ids& target_ids, MapCache& cache)
      : in_(in),
        service_ids_(service_ids),
        target_ids_(target_ids),
        cache_(cache),
        snapshot_(std::make_unique<Snapshot>(in.toeplitz, in.slot_hash)),
        hops_(*snapshot_, in.ports) {}

  Built build() {
    snapshot_->generation = in_.generation;
    forget_removed();
    std::vector<ServiceTable::Entry> entries;
    for (const PlannedService& planned : in_.plan) {
      const config::Service& service = *planned.service;
      entries.push_back({service.vip, static_cast<std::uint8_t>(service.protocol), service.port,
                         static_cast<std::uint32_t>(snapshot_->services.size())});
      add_service(planned);
    }
    snapshot_->service_table = ServiceTable(entries);
    snapshot_->own_addresses = in_.own_addresses;
    std::ranges::sort(snapshot_->own_addresses);
    for (std::size_t i = 0; i < in_.ports.size(); ++i) {
      if (in_.ports[i].source4) snapshot_->port_address4[i] = *in_.ports[i].source4;
      if (in_.ports[i].source6) snapshot_->port_address6[i] = *in_.ports[i].source6;
    }
    name_known_hosts();
    cache_.sweep();
    return {std::move(snapshot_), std::move(directory_), std::move(unreachable_)};
  }

 private:
  void name_known_hosts() {
    for (const PortFacts& port : in_.ports) {
      std::ranges::copy(port.gateways, std::back_inserter(snapshot_->known_hosts));
      std::ranges::copy(port.subnets, std::back_inserter(snapshot_->own_subnets));
    }
    for (const Directory::Target& target : directory_.targets) {
      if (!target.dip.gone) snapshot_->known_hosts.push_back(target.dip.dip.address);
    }
    std::vector<IpAddress>& known = snapshot_->known_hosts;
    std::ranges::sort(known);
    known.erase(std::unique(known.begin(), known.end()), known.end());
  }

  void forget_removed() {
    std::set<std::string> services, targets;
    for (const PlannedService& planned : in_.plan) {
      services.insert(planned.service->name);
      for (const PlannedGroup& group : planned.groups) {
        for (const PlannedDip& dip : group.dips) targets.insert(target_name(*planned.service, group, dip));
      }
    }
    service_ids_.keep_only(services);
    target_ids_.keep_only(targets);
  }

  void add_service(const PlannedService& planned) {
    const config::Service& service = *planned.service;
    Service out;
    const auto id = service_ids_.get(service.name);
    if (!id) throw std::length_error("more than " + std::to_string(kMaxServices) + " services");
    out.counter = *id;
    set_policy(out, service);
    out.first_group = static_cast<std::uint32_t>(snapshot_->groups.size());
    out.group_count = static_cast<std::uint32_t>(planned.groups.size());
    directory_.services.push_back({.name = service.name, .id = *id});
    for (const PlannedGroup& group : planned.groups) add_group(planned, group);
    if (out.group_count > 1) choose_groups(out, planned);
    snapshot_->has_special_services |= out.is_special();
    snapshot_->services.push_back(out);
  }

  // Tier 1: the newest map, and those that known flows may still rely on.
  void choose_groups(Service& out, const PlannedService& planned) {
    std::vector<Member> newest;
    for (const PlannedGroup& group : planned.groups) {
      newest.push_back({identity(group.name), group.weight, group.up()});
    }
    const auto newest_map = cache_.get(newest, in_.slots);
    out.groups = keep(newest_map);
    std::vector<std::shared_ptr<const SlotMap>> maps;
    for (const Members* remembered : planned.older) {
      std::vector<Member> older;
      for (const PlannedGroup& group : planned.groups) {
        const auto at = remembered->find(group.name);
        const bool held = at != remembered->end();
        const bool alive = std::ranges::any_of(group.dips, &PlannedDip::usable);
        older.push_back({identity(group.name), held ? at->second.weight : 0, held && at->second.up && alive});
      }
      const bool empty = std::ranges::none_of(older, [](const Member& m) { return m.up && m.weight > 0; });
      if (!empty) maps.push_back(cache_.get(older, in_.slots));
    }
    // Neighbours in time that are the same map count once. One that equals the newest stays when another lies
    // between: where V -> V' -> V, old flows follow the first V and must not see V'.
    maps.push_back(newest_map);
    maps.erase(std::unique(maps.begin(), maps.end()), maps.end());
    maps.pop_back();
    Layers layers = layers_of(maps, *newest_map);
    Directory::Service& entry = directory_.services.back();
    entry.slots_given_up = layers.slots_given_up;
    for (const auto& map : maps)
      entry.slots_moved = std::max(entry.slots_moved, differing(view_of(*map), out.groups));
    for (auto& layer : layers.maps) out.older_groups[out.older_count++] = keep(std::move(layer)).slots;
  }

  static std::uint32_t differing(const SlotView& a, const SlotView& b) {
    std::uint32_t count = 0;
    for (std::uint32_t slot = 0; slot < b.mod.divisor(); ++slot) count += a.slots[slot] != b.slots[slot];
    return count;
  }

  void add_group(const PlannedService& planned, const PlannedGroup& group) {
    Group out;
    out.first_target = static_cast<std::uint32_t>(snapshot_->targets.size());
    out.members = static_cast<std::uint32_t>(group.dips.size());
    std::vector<Member> newest, base;
    const std::uint64_t largest = largest_capacity(group);
    for (const PlannedDip& dip : group.dips) {
      const std::uint64_t who = identity(dip.dip.address, dip.dip.port);
      newest.push_back({who, dip.leaving ? 0 : dip.dip.weight, dip.usable()});
      if (group.base) {
        const auto at = group.base->find(dip.name);
        const bool held = at != group.base->end();
        base.push_back({who, held ? at->second.weight : 0, held && at->second.up && dip.usable()});
      }
      add_target(planned, group, dip, largest);
    }
    out.dips = keep(cache_.get(newest, in_.slots));
    out.base_slots = group.base ? keep(cache_.get(base, in_.slots)).slots : out.dips.slots;
    out.composed = group.changes > 1 || planned.older.size() > 1;
    out.owner = static_cast<std::uint8_t>(in_.owner_of(planned, group));
    if (auto state = in_.state_of(planned, group)) {
      out.state = state.get();
      snapshot_->states.push_back(std::move(state));
    }
    const config::Scheduler scheduler = scheduler_of(*planned.service);
    out.scheduler = dataplane_scheduler(scheduler);
    if (out.scheduler != Scheduler::kMap) {
      auto wheel = std::make_shared<const std::vector<std::uint16_t>>(make_wheel(group, scheduler));
      out.wheel = wheel->data();
      out.wheel_size = static_cast<std::uint16_t>(wheel->size());
      snapshot_->wheels.push_back(std::move(wheel));
    }
    Directory::Group entry{.service = static_cast<std::uint32_t>(directory_.services.size() - 1),
                           .name = group.name,
                           .leaving = group.leaving};
    if (out.in_transition()) entry.slots_moved = differing({out.base_slots, out.dips.mod}, out.dips);
    directory_.groups.push_back(std::move(entry));
    snapshot_->groups.push_back(out);
  }

  void add_target(const PlannedService& planned, const PlannedGroup& group, const PlannedDip& dip,
                  std::uint64_t largest) {
    const config::Service& service = *planned.service;
    const IpAddress& address = dip.dip.address;
    Target target;
    target.usable = dip.usable();
    target.capacity = capacity_of(dip, largest);
    target.gue = service.encapsulation == config::Encapsulation::kGue;
    target.source = source_kind(service);
    const bool v4 = address.is_v4();
    if (target.source == OuterSourceKind::kClient && service.vip.address.is_v4() != v4) {
      target.source = OuterSourceKind::kFixed;
    }
    Path path = in_.path_to(address);
    const auto source = outer_source(service, in_.ports[path.port], v4);
    if (!source) {
      path.resolved = false;
      path.why = std::string("the port has no IPv") + (v4 ? "4" : "6") + " address to be the outer source";
    }
    if (target.source == OuterSourceKind::kPrefix && source) {
      target.source_prefix_bits = (v4 ? service.outer_prefix4 : service.outer_prefix6)->length;
    }
    v4 ? write_outer4(target, source.value_or(IpAddress{}), service, dip.dip)
       : write_outer6(target, source.value_or(IpAddress{}), service, dip.dip);
    if (target.gue) {
      UdpHeader udp{};
      udp.destination.set(service.gue_port);
      std::memcpy(&target.outer[target.outer_bytes], &udp, sizeof udp);
      target.outer_bytes = static_cast<std::uint8_t>(target.outer_bytes + sizeof udp);
    }
    target.next_hop = hops_.index(path);
    if (!path.resolved && !dip.gone) {
      unreachable_.push_back("service " + service.name + ": DIP " + to_string(address) + ": " + path.why);
    }
    const auto id = target_ids_.get(target_name(service, group, dip));
    if (!id) throw std::length_error("more than " + std::to_string(kMaxTargets) + " DIPs over all services");
    target.counter = *id;
    if (!dip.gone) {
      if (snapshot_->target_of_id.size() <= *id) snapshot_->target_of_id.resize(*id + 1, kNoTarget);
      snapshot_->target_of_id[*id] = static_cast<std::uint32_t>(snapshot_->targets.size());
    }
    const auto group_index = static_cast<std::uint32_t>(snapshot_->groups.size());
    const auto service_index = static_cast<std::uint32_t>(directory_.services.size() - 1);
    const auto member = static_cast<std::uint16_t>(&dip - group.dips.data());
    directory_.targets.push_back({service_index, group_index, dip, *id, member});
    snapshot_->targets.push_back(target);
  }

  SlotView keep(std::shared_ptr<const SlotMap> map) {
    const SlotView view = view_of(*map);
    snapshot_->maps.push_back(std::move(map));
    return view;
  }

  const Inputs& in_;
  Ids& service_ids_;
  Ids& target_ids_;
  MapCache& cache_;
  std::unique_ptr<Snapshot> snapshot_;
  NextHops hops_;
  Directory directory_;
  std::vector<std::string> unreachable_;
};

}  // namespace

std::shared_ptr<const SlotMap> MapCache::get(const std::vector<Member>& members, std::uint32_t slots) {
  std::vector<std::uint64_t> key = {slots};
  for (const Member& member : members) {
    key.insert(key.end(), {member.identity, std::uint64_t{member.weight} << 1 | member.up});
  }
  std::weak_ptr<const SlotMap>& known = maps_[std::move(key)];
  if (auto map = known.lock()) return map;
  auto map = std::make_shared<const SlotMap>(build(members, slots));
  known = map;
  return map;
}

void MapCache::sweep() {
  std::erase_if(maps_, [](const auto& entry) { return entry.second.expired(); });
}

std::string target_name(const config::Service& service, const PlannedGroup& group, const PlannedDip& dip) {
  return service.name + '\0' + group.name + '\0' + dip.name;
}

Built build_snapshot(const Inputs& inputs, Ids& service_ids, Ids& target_ids, MapCache& cache) {
  return Builder(inputs, service_ids, target_ids, cache).build();
}

}  // namespace sluice::maps
