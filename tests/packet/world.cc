// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "tests/packet/world.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <stdexcept>

#include "dataplane/table/group_state.h"
#include "tests/packet/bytes.h"

namespace sluice::test {
namespace {

// Published with the RSS verification vectors; golden captures need a key that stays.
constexpr std::array<std::uint8_t, ToeplitzKey::kBytes> kKey = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
constexpr unsigned kGuePort = 6080;

IpAddress address(std::string_view text) {
  const auto parsed = parse_address(text);
  if (!parsed) throw std::invalid_argument("no address: " + std::string(text));
  return *parsed;
}
Prefix prefix(std::string_view text) {
  const auto parsed = parse_prefix(text);
  if (!parsed) throw std::invalid_argument("no prefix: " + std::string(text));
  return *parsed;
}

// Members in turn: not how control spreads them, but every DIP gets slots.
std::shared_ptr<const SlotMap> slots_in_turn(const std::vector<std::uint16_t>& members) {
  std::vector<std::uint16_t> slots(kSlots, kNoMember);
  for (unsigned i = 0; i < kSlots && !members.empty(); ++i) slots[i] = members[i % members.size()];
  return std::make_shared<const SlotMap>(slots);
}

SlotView keep(Snapshot& snapshot, std::shared_ptr<const SlotMap> map) {
  snapshot.maps.push_back(map);
  return {map->data(), map->mod()};
}

Bytes outer4(const IpAddress& source, const Bytes& destination, unsigned next, bool source_is_fixed,
             std::uint16_t& seed) {
  Bytes ip(20);
  ip[0] = 0x45;
  ip[8] = 64;
  ip[9] = static_cast<std::uint8_t>(next);
  std::copy(destination.begin(), destination.end(), ip.begin() + 16);
  const auto put_source = [&] { std::copy_n(source.byte.begin() + 12, 4, ip.begin() + 12); };
  if (source_is_fixed) put_source();
  const auto sum = static_cast<std::uint16_t>(~naive_checksum(ip));
  seed = static_cast<std::uint16_t>(sum << 8 | sum >> 8);  // as it lies in memory
  put_source();
  return ip;
}

Bytes outer6(const IpAddress& source, const Bytes& destination, unsigned next) {
  Bytes ip(8);
  ip[0] = 0x60;
  ip[6] = static_cast<std::uint8_t>(next);
  ip[7] = 64;
  append(ip, Bytes(source.byte.begin(), source.byte.end()));
  append(ip, destination);
  return ip;
}

}  // namespace

ServicePlan& ServicePlan::group(std::vector<std::string> dips) {
  auto& group = groups_.emplace_back();
  for (std::string& dip : dips) group.push_back({std::move(dip), true});
  return *this;
}
ServicePlan& ServicePlan::down(std::string_view dip) {
  for (auto& group : groups_) {
    for (Dip& d : group) d.up = d.up && d.address != dip;
  }
  return *this;
}
ServicePlan& ServicePlan::gue() {
  gue_ = true;
  return *this;
}
ServicePlan& ServicePlan::outer_source_client() {
  source_ = OuterSourceKind::kClient;
  return *this;
}
ServicePlan& ServicePlan::outer_source_prefix(std::string_view prefix) {
  source_ = OuterSourceKind::kPrefix;
  source_prefix_ = prefix;
  return *this;
}
ServicePlan& ServicePlan::hash(HashFields fields) {
  hash_fields_ = fields;
  return *this;
}
ServicePlan& ServicePlan::remembers_flows() {
  FlowTable::Limits limits;
  limits.flows_v4 = limits.flows_v6 = 4096;
  state_ = std::make_shared<GroupState>(limits, FlowObserver{});
  return *this;
}
ServicePlan& ServicePlan::flows_are(HashFields fields) {
  flow_key_ = fields;
  return hash(fields);
}
ServicePlan& ServicePlan::flows_start_by(FlowStart start, std::uint16_t port) {
  flow_start_ = start;
  control_port_ = port;
  return *this;
}
ServicePlan& ServicePlan::only_type1(UnknownFlow unknown) {
  type2_ = false;
  unknown_flow_ = unknown;
  return *this;
}
std::vector<std::string> ServicePlan::dips() const {
  std::vector<std::string> up;
  for (const auto& group : groups_) {
    for (const Dip& dip : group) {
      if (dip.up) up.push_back(dip.address);
    }
  }
  return up;
}

ServicePlan& World::service(std::string_view vip, std::uint8_t protocol, std::uint16_t port) {
  ServicePlan& plan = services_.emplace_back();
  plan.vip_ = vip;
  plan.protocol_ = protocol;
  plan.port_ = port;
  return plan;
}
World& World::way(std::string_view text, Way way) {
  ways_.emplace_back(prefix(text), std::move(way));
  return *this;
}
World& World::own_address(std::string_view text) {
  own_addresses_.emplace_back(text);
  return *this;
}
World& World::known_host(std::string_view text) {
  known_hosts_.emplace_back(text);
  return *this;
}
World& World::own_subnet(std::string_view text) {
  own_subnets_.emplace_back(text);
  return *this;
}
World& World::port_address(unsigned port, std::string_view text) {
  port_addresses_.emplace_back(port, text);
  return *this;
}
World& World::hash_key_byte(std::uint8_t value) {
  key_byte_ = value;
  return *this;
}

const ServicePlan& World::service_at(std::string_view vip) const {
  for (const ServicePlan& plan : services_) {
    if (plan.vip_ == vip) return plan;
  }
  throw std::invalid_argument("no service at " + std::string(vip));
}

ServicePlan& World::change(std::string_view vip) {
  return const_cast<ServicePlan&>(service_at(vip));
}

std::vector<std::string> World::all_dips() const {
  std::vector<std::string> all;
  for (const ServicePlan& plan : services_) {
    for (const auto& group : plan.groups_) {
      for (const auto& dip : group) all.push_back(dip.address);
    }
  }
  return all;
}

std::uint16_t World::add_next_hop(Snapshot& snapshot, const std::string& dip) const {
  Way way;
  for (const auto& [net, by] : ways_) {
    if (net.contains(address(dip))) way = by;
  }
  NextHop hop;
  const Bytes to = mac_bytes(way.mac), from = mac_bytes("02:00:00:00:00:10");
  std::copy(to.begin(), to.end(), hop.l2.begin());
  std::copy(from.begin(), from.end(), hop.l2.begin() + 6);
  if (way.vlan != 0) {
    const std::uint8_t tag[] = {0x81, 0x00, static_cast<std::uint8_t>(way.vlan >> 8),
                                static_cast<std::uint8_t>(way.vlan)};
    std::copy(std::begin(tag), std::end(tag), hop.l2.begin() + 12);
    hop.l2_bytes = 16;
  }
  hop.port = static_cast<std::uint8_t>(way.port);
  hop.mtu = static_cast<std::uint16_t>(way.mtu);
  hop.resolved = way.resolved;
  snapshot.next_hops.push_back(hop);
  return static_cast<std::uint16_t>(snapshot.next_hops.size() - 1);
}

void World::add_service(Snapshot& snapshot, const ServicePlan& plan) const {
  Service service;
  service.first_group = static_cast<std::uint32_t>(snapshot.groups.size());
  service.group_count = static_cast<std::uint32_t>(plan.groups_.size());
  service.counter = static_cast<std::uint32_t>(snapshot.services.size());
  service.hash_fields = plan.hash_fields_;
  service.protocol = plan.protocol_;
  service.flow_key = plan.flow_key_;
  service.flow_start = plan.flow_start_;
  service.control_port.set(plan.control_port_);
  service.type2 = plan.type2_;
  service.unknown_flow = plan.unknown_flow_;
  service.sticky = plan.state_ != nullptr;
  snapshot.has_special_services |= service.is_special();
  std::vector<std::uint16_t> live_groups;
  const bool inner_v4 = prefix(plan.vip_).address.is_v4();
  for (const auto& members : plan.groups_) {
    Group group;
    group.first_target = static_cast<std::uint32_t>(snapshot.targets.size());
    group.members = static_cast<std::uint32_t>(members.size());
    std::vector<std::uint16_t> live;
    for (const auto& dip : members) {
      if (dip.up) live.push_back(static_cast<std::uint16_t>(&dip - members.data()));
      Target target;
      const Bytes to = address_bytes(dip.address);
      target.outer_v6 = to.size() == 16;
      target.gue = plan.gue_;
      target.source = plan.source_;
      target.usable = dip.up;
      const unsigned next = plan.gue_ ? 17 : inner_v4 ? 4 : 41;
      IpAddress from = address(target.outer_v6 ? kMuxV6 : kMuxV4);
      if (plan.source_ == OuterSourceKind::kPrefix) {
        const Prefix spread = prefix(plan.source_prefix_);
        from = spread.address;
        target.source_prefix_bits = spread.length;
      }
      Bytes outer = target.outer_v6 ? outer6(from, to, next)
                                    : outer4(from, to, next, plan.source_ == OuterSourceKind::kFixed,
                                             target.outer_checksum_seed);
      if (plan.gue_) {
        outer.resize(outer.size() + 8);
        set16(outer, outer.size() - 6, kGuePort);
      }
      std::copy(outer.begin(), outer.end(), target.outer.begin());
      target.outer_bytes = static_cast<std::uint8_t>(outer.size());
      target.next_hop = add_next_hop(snapshot, dip.address);
      target.counter = static_cast<std::uint32_t>(snapshot.targets.size());
      snapshot.target_of_id.push_back(target.counter);
      snapshot.targets.push_back(target);
    }
    if (!live.empty()) live_groups.push_back(static_cast<std::uint16_t>(&members - plan.groups_.data()));
    group.dips = keep(snapshot, slots_in_turn(live));
    group.base_slots = group.dips.slots;
    if (plan.state_) {
      group.state = plan.state_.get();
      snapshot.states.push_back(plan.state_);
      group.scheduler = Scheduler::kNextInWheel;
      snapshot.wheels.push_back(std::make_shared<const std::vector<std::uint16_t>>(live));
      group.wheel = snapshot.wheels.back()->data();
      group.wheel_size = static_cast<std::uint16_t>(live.size());
    }
    snapshot.groups.push_back(group);
  }
  service.groups = keep(snapshot, slots_in_turn(live_groups));
  snapshot.services.push_back(service);
}

std::unique_ptr<Snapshot> World::build(std::uint64_t generation) const {
  auto key = kKey;
  if (key_byte_) key.fill(*key_byte_);
  auto snapshot = std::make_unique<Snapshot>(ToeplitzKey(key),
                                             KeyedHash(derive_secret(key, "tier 2 slots of the tests")));
  snapshot->generation = generation;
  snapshot->next_hops.emplace_back();
  std::vector<ServiceTable::Entry> entries;
  for (const ServicePlan& plan : services_) {
    entries.push_back({prefix(plan.vip_), plan.protocol_, plan.port_,
                       static_cast<std::uint32_t>(snapshot->services.size())});
    add_service(*snapshot, plan);
  }
  snapshot->service_table = ServiceTable(entries);
  for (const std::string& own : own_addresses_) snapshot->own_addresses.push_back(address(own));
  std::ranges::sort(snapshot->own_addresses);
  for (const std::string& known : known_hosts_) snapshot->known_hosts.push_back(address(known));
  std::ranges::sort(snapshot->known_hosts);
  for (const std::string& own : own_subnets_) snapshot->own_subnets.push_back(prefix(own));
  for (const auto& [port, text] : port_addresses_) {
    const IpAddress source = address(text);
    (source.is_v4() ? snapshot->port_address4 : snapshot->port_address6)[port] = source;
  }
  return snapshot;
}

World town() {
  World w;
  const std::vector<std::string> dips4 = {"10.1.0.11", "10.1.0.12", "10.2.0.13", "10.2.0.14"};
  const std::vector<std::string> dips6 = {"2001:db8:1::11", "2001:db8:1::12", "2001:db8:2::13"};
  w.service(kWeb, kTcp, 80).group(dips4);
  w.service(kWeb6, kTcp, 80).group(dips6);
  w.service(k4In6, kTcp, 80).group(dips6);
  w.service(k6In4, kTcp, 80).group(dips4);
  w.service(kDns, kUdp, 53).group(dips4);
  w.service(kDns6, kUdp, 53).group(dips6);
  w.service(kAnyPortVip, kTcp, kAnyPort).group({"10.1.0.20", "10.1.0.21"});
  w.service(kAnyProtocolVip, kAnyProtocol, kAnyPort).group({"10.1.0.30", "10.1.0.31", "10.1.0.32"});
  w.service(kAnyProtocolVip6, kAnyProtocol, kAnyPort).group(dips6);
  w.service(kEspVip, kEsp, kAnyPort).group(dips4);
  w.service(kSctpVip, kSctp, 5060).group(dips4);
  w.service(kPingVip, kIcmp, kAnyPort).group({"10.1.0.40"});
  w.service(kAhVip, kAh, kAnyPort).group(dips4);
  w.service(kPrefixVip, kTcp, 80).group({"10.1.0.50", "10.1.0.51"});
  w.service(kDeadVip, kTcp, 80).group({"10.1.0.60"}).down("10.1.0.60");
  w.service(kLostVip, kTcp, 80).group({"10.66.0.1"});
  w.service(kHalfDeadVip, kTcp, 80).group({"10.1.0.70", "10.1.0.71", "10.1.0.72"}).down("10.1.0.71");
  w.service(kGroupsVip, kTcp, 80).group({"10.1.0.80", "10.1.0.81"}).group({"10.1.0.82"}).group({"10.1.0.83"});
  w.service(kTaggedVip, kTcp, 80).group({"10.7.0.1"});
  w.service(kNarrowVip, kUdp, 53).group({"10.8.0.1"});
  w.service(kNarrowVip6, kUdp, 53).group({"2001:db8:8::1"});
  w.service(kSourceHashVip, kTcp, 80).group(dips4).hash(HashFields::kSource);
  w.way("10.66.0.0/16", {.resolved = false});
  w.way("10.7.0.0/16", {.mac = "02:00:00:00:07:fe", .vlan = 7});
  w.way("10.8.0.0/16", {.mtu = 1400});
  w.way("2001:db8:8::/48", {.mtu = 1400});
  w.own_address(kMuxV4).own_address(kMuxV6).own_address("fe80::10");
  w.port_address(0, kMuxV4).port_address(0, kMuxV6);
  return w;
}

}  // namespace sluice::test
