// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/maps/build.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

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
    for (const config::Service& service : in_.model.services) {
      entries.push_back({service.vip, static_cast<std::uint8_t>(service.protocol), service.port,
                         static_cast<std::uint32_t>(snapshot_->services.size())});
      add_service(service);
    }
    snapshot_->service_table = ServiceTable(entries);
    snapshot_->own_addresses = in_.own_addresses;
    std::ranges::sort(snapshot_->own_addresses);
    for (std::size_t i = 0; i < in_.ports.size(); ++i) {
      if (in_.ports[i].source4) snapshot_->port_address4[i] = *in_.ports[i].source4;
      if (in_.ports[i].source6) snapshot_->port_address6[i] = *in_.ports[i].source6;
    }
    cache_.sweep();
    return {std::move(snapshot_), std::move(unreachable_)};
  }

 private:
  void forget_removed() {
    std::set<std::string> services, targets;
    for (const config::Service& service : in_.model.services) {
      services.insert(service.name);
      for (const config::Group& group : service.groups) {
        for (const config::Dip& dip : group.dips) targets.insert(target_name(service, group, dip));
      }
    }
    service_ids_.keep_only(services);
    target_ids_.keep_only(targets);
  }

  void add_service(const config::Service& service) {
    Service out;
    const auto id = service_ids_.get(service.name);
    if (!id) throw std::length_error("more than " + std::to_string(kMaxServices) + " services");
    out.counter = *id;
    out.hash_fields = service.hash_fields;
    out.protocol = static_cast<std::uint8_t>(service.protocol);
    out.first_group = static_cast<std::uint32_t>(snapshot_->groups.size());
    std::vector<Member> members;
    for (const config::Group& group : service.groups) members.push_back(add_group(service, group));
    if (members.empty()) members.push_back(add_group(service, {.name = "default", .weight = 1, .dips = {}}));
    out.group_count = static_cast<std::uint32_t>(members.size());
    if (out.group_count > 1) out.groups = keep(cache_.get(members, in_.model.dataplane.slots));
    snapshot_->services.push_back(out);
  }

  // The group as tier 1 sees it.
  Member add_group(const config::Service& service, const config::Group& group) {
    Group out;
    out.first_target = static_cast<std::uint32_t>(snapshot_->targets.size());
    out.members = static_cast<std::uint32_t>(group.dips.size());
    out.id = static_cast<std::uint32_t>(snapshot_->groups.size());
    std::vector<Member> members;
    std::uint32_t weight = 0;
    bool up = false;
    for (const config::Dip& dip : group.dips) {
      const bool dip_up = in_.is_up(service, dip);
      members.push_back({identity(dip.address, dip.port), dip.weight, dip_up});
      weight += dip.weight;
      up |= dip_up && dip.weight > 0;
      add_target(service, group, dip, dip_up);
    }
    out.dips = keep(cache_.get(members, in_.model.dataplane.slots));
    snapshot_->groups.push_back(out);
    return {identity(group.name), group.weight ? group.weight : weight, up};
  }

  void add_target(const config::Service& service, const config::Group& group, const config::Dip& dip,
                  bool up) {
    Target target;
    target.up = up;
    target.gue = service.encapsulation == config::Encapsulation::kGue;
    target.source = source_kind(service);
    const bool v4 = dip.address.is_v4();
    if (target.source == OuterSourceKind::kClient && service.vip.address.is_v4() != v4) {
      target.source = OuterSourceKind::kFixed;
    }
    Path path = in_.path_to(dip.address);
    const auto source = outer_source(service, in_.ports[path.port], v4);
    if (!source) {
      path.resolved = false;
      path.why = std::string("the port has no IPv") + (v4 ? "4" : "6") + " address to be the outer source";
    }
    if (target.source == OuterSourceKind::kPrefix && source) {
      target.source_prefix_bits = (v4 ? service.outer_prefix4 : service.outer_prefix6)->length;
    }
    v4 ? write_outer4(target, source.value_or(IpAddress{}), service, dip)
       : write_outer6(target, source.value_or(IpAddress{}), service, dip);
    if (target.gue) {
      UdpHeader udp{};
      udp.destination.set(service.gue_port);
      std::memcpy(&target.outer[target.outer_bytes], &udp, sizeof udp);
      target.outer_bytes = static_cast<std::uint8_t>(target.outer_bytes + sizeof udp);
    }
    target.next_hop = hops_.index(path);
    if (!path.resolved) {
      unreachable_.push_back("service " + service.name + ": DIP " + to_string(dip.address) + ": " + path.why);
    }
    const auto id = target_ids_.get(target_name(service, group, dip));
    if (!id) throw std::length_error("more than " + std::to_string(kMaxTargets) + " DIPs over all services");
    target.counter = *id;
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
  std::vector<std::string> unreachable_;
};

}  // namespace

std::shared_ptr<const SlotMap> MapCache::get(std::vector<Member> members, std::uint32_t slots) {
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

std::string target_name(const config::Service& service, const config::Group& group, const config::Dip& dip) {
  return service.name + '\0' + group.name + '\0' + to_string(dip.address) + ' ' + std::to_string(dip.port);
}

Built build_snapshot(const Inputs& inputs, Ids& service_ids, Ids& target_ids, MapCache& cache) {
  return Builder(inputs, service_ids, target_ids, cache).build();
}

}  // namespace sluice::maps
