// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "tests/bench/world.h"

#include <rte_cycles.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <stdexcept>
#include <vector>

#include "dataplane/table/group_state.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/headers.h"

namespace sluice::bench {
namespace {

constexpr unsigned kSlots = 65'537;
constexpr std::uint16_t kMtu = 1'500;

IpAddress numbered(bool v6, const char* v4_base, const char* v6_base, std::uint32_t number) {
  IpAddress address = *parse_address(v6 ? v6_base : v4_base);
  Big32 low = address.v4();
  low.set(low.value() + number);
  std::memcpy(&address.byte[12], &low, 4);
  return address;
}
IpAddress dip(bool v6, std::uint32_t number) {
  return numbered(v6, "10.1.0.1", "2001:db8:1::1", number);
}
IpAddress mux(bool v6) {
  return numbered(v6, "10.0.0.10", "2001:db8::10", 0);
}

Target make_target(bool v6, unsigned number) {
  Target target;
  target.next_hop = static_cast<std::uint16_t>(1 + number % 4);
  target.counter = number;
  target.outer_v6 = v6;
  if (v6) {
    auto* ip = new (target.outer.data()) Ipv6Header{};
    ip->version_class_flow.set(6u << 28);
    ip->next_header = kProtoIpv6;
    ip->hop_limit = 64;
    ip->source = mux(true).byte;
    ip->destination = dip(true, number).byte;
    target.outer_bytes = sizeof(Ipv6Header);
  } else {
    auto* ip = new (target.outer.data()) Ipv4Header{};
    ip->version_ihl = 0x45;
    ip->ttl = 64;
    ip->protocol = kProtoIpv4;
    ip->source = mux(false).v4();
    ip->destination = dip(false, number).v4();
    target.outer_bytes = sizeof(Ipv4Header);
    target.outer_checksum_seed = fold(ipv4_sum(*ip));
  }
  return target;
}

std::shared_ptr<const SlotMap> make_map(unsigned members, std::mt19937& random) {
  std::vector<std::uint16_t> slots(kSlots);
  for (unsigned i = 0; i < kSlots; ++i) slots[i] = static_cast<std::uint16_t>(i % members);
  std::ranges::shuffle(slots, random);
  return std::make_shared<const SlotMap>(std::move(slots));
}

// `map` with a share of its slots at other members.
std::shared_ptr<const SlotMap> moved_map(const SlotMap& map, double share, unsigned members,
                                         std::mt19937& random) {
  std::vector<std::uint16_t> slots(map.data(), map.data() + map.size());
  for (std::uint16_t& slot : slots) {
    if (random() < share * 4294967296.0) slot = static_cast<std::uint16_t>((slot + 1u) % members);
  }
  return std::make_shared<const SlotMap>(std::move(slots));
}

// As large as the flows need with some to spare, all of it there before the first packet.
std::shared_ptr<GroupState> make_state(const WorldShape& shape) {
  FlowTable::Limits limits;
  limits.flows_v4 = limits.flows_v6 = 0;
  (shape.v6 ? limits.flows_v6 : limits.flows_v4) = shape.flows / shape.groups + shape.flows / 4 + 1'024;
  limits.probation_share = 1;
  limits.memory_at_once = true;
  limits.timeouts.syn_s = 1;  // a flood of new flows finds room again by the time the table is full
  return std::make_shared<GroupState>(limits, FlowObserver{});
}

SlotView view_of(const SlotMap& map) {
  return {map.data(), map.mod()};
}

void add_group(Snapshot& tables, const WorldShape& shape, unsigned number, std::mt19937& random) {
  const unsigned members = shape.services > 1 ? shape.dips : shape.dips / shape.groups;
  if (number == 0 || !shape.one_map) tables.maps.push_back(make_map(members, random));
  Group& group = tables.groups.emplace_back();
  group.dips = view_of(*tables.maps.back());
  group.base_slots = group.dips.slots;
  group.first_target = number * members;
  group.members = members;
  group.owner = shape.owner;
  if (shape.moved > 0) {
    tables.maps.push_back(moved_map(*tables.maps.back(), shape.moved, members, random));
    group.base_slots = tables.maps.back()->data();
  }
  if (shape.sticky || shape.moved > 0) {
    tables.states.push_back(make_state(shape));
    group.state = tables.states.back().get();
  }
}

void add_next_hops(Snapshot& tables) {
  tables.next_hops.resize(5);
  for (unsigned i = 1; i < tables.next_hops.size(); ++i) {
    NextHop& hop = tables.next_hops[i];
    for (unsigned byte = 0; byte < 12; ++byte)
      hop.l2[byte] = static_cast<std::uint8_t>(byte % 6 == 0 ? 2 : i);
    hop.mtu = kMtu;
    hop.resolved = true;
  }
}

}  // namespace

std::unique_ptr<const Snapshot> make_snapshot(const WorldShape& shape) {
  std::mt19937 random(shape.seed);
  auto tables = std::make_unique<Snapshot>(make_toeplitz_key(shape.seed), make_keyed_hash(shape.seed));
  add_next_hops(*tables);
  for (unsigned i = 0; i < shape.dips * shape.services; ++i) {
    tables->targets.push_back(make_target(shape.v6, i));
    tables->target_of_id.push_back(i);
  }
  const unsigned groups = shape.services > 1 ? 1 : shape.groups;
  for (unsigned g = 0; g < groups * shape.services; ++g) add_group(*tables, shape, g, random);
  tables->maps.push_back(make_map(groups, random));
  const SlotView view = view_of(*tables->maps.back());
  std::vector<ServiceTable::Entry> entries;
  for (std::uint32_t i = 0; i < shape.services; ++i) {
    Service& service = tables->services.emplace_back();
    service.groups = view;
    service.first_group = i * groups;
    service.group_count = groups;
    service.counter = i;
    service.protocol = kProtoTcp;
    service.sticky = shape.sticky;
    service.elephant_window_packets = shape.elephant_pps / Flow::kWindowsPerSecond;
    entries.push_back({Prefix::host(service_vip(shape.v6, i)), kProtoTcp, kServicePort, i});
  }
  tables->service_table = ServiceTable(entries);
  return tables;
}

void remember(const Snapshot& tables, const WorldShape& shape) {
  const auto now = static_cast<std::uint32_t>(rte_rdtsc() / (rte_get_tsc_hz() / FlowClock::kTicksPerSecond));
  FlowKey key;
  key.destination = service_vip(shape.v6, 0);
  key.destination_port.set(kServicePort);
  key.protocol = kProtoTcp;
  const Group& group = tables.groups.at(0);
  for (std::uint32_t n = 0; n < shape.flows; ++n) {
    key.source = client_of(n, shape.v6);
    key.source_port.set(client_port_of(n));
    const std::uint64_t hash = tables.slot_hash(key, HashFields::kFiveTuple);
    const std::uint32_t slot = group.dips.slot(static_cast<std::uint32_t>(hash));
    const std::uint16_t member = group.dips.slots[slot];
    if (!tables.services[0].sticky && (n % 2 == 0 || group.base_slots[slot] == member)) continue;
    const auto opened = group.state->flows.insert(key, hash, tables.targets[member].counter, now);
    if (!opened.flow) throw std::runtime_error("the flow table does not take all flows");
    group.state->flows.touch(*opened.flow, {.bytes = 40}, now);
  }
}

ToeplitzKey make_toeplitz_key(std::uint32_t seed) {
  std::mt19937 random(seed);
  std::array<std::uint8_t, ToeplitzKey::kBytes> key;
  for (std::uint8_t& byte : key) byte = static_cast<std::uint8_t>(random());
  return ToeplitzKey(key);
}

KeyedHash make_keyed_hash(std::uint32_t seed) {
  std::mt19937 random(seed + 1);
  HashSecret secret;
  for (std::uint8_t& byte : secret) byte = static_cast<std::uint8_t>(random());
  return KeyedHash(secret);
}

}  // namespace sluice::bench
