// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Everything that control decided, as the workers read it: immutable, built off the path, published by one
// pointer swap, freed after one grace period. A burst sees one snapshot from start to end.
//
//   packet --services--> Service --group_slots[Toeplitz]--> Group --dip_slots[keyed hash]--> Target -->
//   NextHop
//
// A Target is one DIP as one service reaches it: the finished outer header and the next hop in one cache
// line.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <memory>
#include <vector>

#include "dataplane/table/flow.h"
#include "dataplane/table/service_table.h"
#include "dataplane/table/slot_map.h"
#include "dataplane/wire/address.h"
#include "dataplane/wire/flow_key.h"
#include "dataplane/wire/keyed_hash.h"
#include "dataplane/wire/toeplitz.h"

namespace sluice {

// How outer source addresses are chosen (A3).
enum class OuterSourceKind : std::uint8_t { kFixed, kClient, kPrefix };

struct alignas(64) Target {
  static constexpr unsigned kMaxOuterBytes = 48;  // IPv6 and UDP

  std::array<std::uint8_t, kMaxOuterBytes>
      outer{};                   // as it goes out, but for lengths, TOS, source, checksums
  std::uint8_t outer_bytes = 0;  // 20 or 40, plus 8 with GUE
  bool outer_v6 = false;
  bool gue = false;
  OuterSourceKind source = OuterSourceKind::kFixed;
  std::uint8_t source_prefix_bits = 0;  // kPrefix: the template's source keeps these, the rest is entropy
  bool usable = true;                   // keeps its flows: up, draining or leaving
  std::uint16_t next_hop = 0;
  std::uint32_t counter = 0;              // stable id; index of WorkerCounters::target
  std::uint16_t outer_checksum_seed = 0;  // IPv4: folded sum of the template with zero length, TOS, checksum
  std::uint16_t capacity = 1;             // Scheduler::kLeastLoad: flows count relative to this
};
static_assert(sizeof(Target) == 64);

struct NextHop {
  std::array<std::uint8_t, 16> l2{};  // destination, source, (802.1Q tag); the EtherType follows
  std::uint8_t l2_bytes = 12;         // without the EtherType: 12, or 16 with a tag
  std::uint8_t port = 0;              // index of the port it leaves by
  std::uint16_t mtu = 1500;           // largest IP packet
  bool resolved = false;
  std::uint8_t reserved[11] = {};
};
static_assert(sizeof(NextHop) == 32);

// A slot map as the path reads it: no owner, two words.
struct SlotView {
  const std::uint16_t* slots = nullptr;
  FastMod mod{1};

  [[nodiscard]] std::uint32_t slot(std::uint32_t hash) const { return mod(hash); }
};

// How a new flow of a sticky service finds its DIP (B6).
enum class Scheduler : std::uint8_t {
  kMap,          // the newest map: the same choice on every MUX
  kNextInWheel,  // the wheel holds members as often as their weight says
  kRandomInWheel,
  kLeastFlows,
  kLeastLoad,
};

struct GroupState;  // group_state.h

struct alignas(64) Group {
  SlotView dips;                              // V': slot -> member of this group, kNoMember when none is up
  const std::uint16_t* base_slots = nullptr;  // V: the same slots as `dips` but during a transition (A7)
  std::uint32_t first_target = 0;             // member m is targets[first_target + m]
  std::uint32_t members = 0;
  GroupState* state = nullptr;  // flow table; null = the map alone decides. Only the owner may look inside
  const std::uint16_t* wheel = nullptr;
  std::uint16_t wheel_size = 0;
  Scheduler scheduler = Scheduler::kMap;
  std::uint8_t owner = 0;  // index of the tier-2 worker whose packets these are
  // More than one change is under way: V may soon be a map that lies between V and V', so that a new flow is
  // remembered even where V and V' agree.
  bool composed = false;

  [[nodiscard]] bool in_transition() const { return base_slots != dips.slots; }
};
static_assert(sizeof(Group) == 64);

// A group that has another owner than before, and whose former owner may still be its keeper (group_state.h).
struct GroupMove {
  std::uint32_t group = 0;  // index
  FlowObserver observer;    // the new owner's
};

// What becomes of a packet that opens no flow and belongs to none that is known (B3).
enum class UnknownFlow : std::uint8_t { kMap, kDrop, kReset };

// Which packets say by themselves that a flow begins (B3, B15). TCP SYN and SCTP INIT always do, unless the
// flows are subscribers.
enum class FlowStart : std::uint8_t {
  kHandshake,
  kGtpC,    // GTP-C's create requests too
  kRadius,  // RADIUS accounting, and nothing else: a flow is all that one subscriber sends
  kDhcp,    // the same by DHCP requests
};

// Tier 1's older maps. More changes than this at a time are laid on each other, slot by slot; the groups that
// a slot then has no room for are given up (control/maps/older_maps.h).
inline constexpr unsigned kMostOlderMaps = 7;

struct Service {
  SlotView groups;                // slot -> group of this service; not read when there is one group
  std::uint32_t first_group = 0;  // group g is groups[first_group + g]
  std::uint32_t group_count = 0;
  // Tier 1's maps under way, oldest first: where a known flow may have its entry when it is not in the group
  // that the newest map names. Same slots as `groups`.
  std::array<const std::uint16_t*, kMostOlderMaps> older_groups{};
  std::uint8_t older_count = 0;
  std::uint32_t counter = 0;  // stable id; index of WorkerCounters::service
  HashFields hash_fields = HashFields::kFiveTuple;
  HashFields flow_key = HashFields::kFiveTuple;  // what tells flows apart: hash_fields, or more
  FlowStart flow_start = FlowStart::kHandshake;
  Big16 control_port;         // where the messages of flow_start come to
  std::uint8_t protocol = 0;  // 0 = any
  bool sticky = false;        // every flow has an entry; else only those that a transition moved
  bool type1 = true;          // TCP SYN and the like open flows; other packets of such protocols do not (B3)
  bool type2 = true;          // of other protocols, any packet of an unknown flow opens it (B4)
  bool reset_at_deadline = false;
  UnknownFlow unknown_flow = UnknownFlow::kMap;
  // Elephants (B11): above either, in one window of flow.h, a flow moves to tier 1. 0 = never.
  std::uint32_t elephant_window_bytes = 0, elephant_window_packets = 0;

  [[nodiscard]] bool has_subscribers() const {
    return flow_start == FlowStart::kRadius || flow_start == FlowStart::kDhcp;
  }
  // Its packets pass read_control.
  [[nodiscard]] bool is_special() const {
    return flow_start != FlowStart::kHandshake || flow_key != HashFields::kFiveTuple;
  }
};

// No DIP of this id is left.
inline constexpr std::uint32_t kNoTarget = 0xffffffff;

struct Snapshot {
  Snapshot(const ToeplitzKey& toeplitz_key, const KeyedHash& tier2_hash)
      : toeplitz(toeplitz_key), slot_hash(tier2_hash) {}

  std::uint64_t generation = 0;
  ServiceTable service_table;         // packet -> index of services
  bool has_special_services = false;  // any service is_special()
  std::vector<Service> services;
  std::vector<Group> groups;
  std::vector<Target> targets;
  std::vector<std::uint32_t> target_of_id;  // Target::counter -> index in targets, or kNoTarget
  std::vector<NextHop> next_hops;           // index 0 always exists and is never resolved
  std::vector<IpAddress> own_addresses;     // sorted; packets to these go to the kernel
  // Whose packets to the kernel come before those of strangers: gateways and DIPs, sorted; the ports'
  // subnets.
  std::vector<IpAddress> known_hosts;
  std::vector<Prefix> own_subnets;
  std::array<IpAddress, 32> port_address4{},
      port_address6{};  // by port: source of ICMP errors; unspecified = none
  ToeplitzKey toeplitz;
  KeyedHash slot_hash;  // tier 2's slots
  // Keep alive what the views above see.
  std::vector<std::shared_ptr<const SlotMap>> maps;
  std::vector<std::shared_ptr<const std::vector<std::uint16_t>>> wheels;
  std::vector<std::shared_ptr<GroupState>> states;
  std::vector<GroupMove> moves;  // mostly empty

  // The service of a group: their groups lie in the order of the services.
  [[nodiscard]] const Service& service_of(std::uint32_t group) const {
    const auto after = std::ranges::upper_bound(services, group, {}, &Service::first_group);
    return *std::prev(after);
  }
  // The target that a flow entry names, or kNoTarget.
  [[nodiscard]] std::uint32_t find_target(std::uint32_t id) const {
    return id < target_of_id.size() ? target_of_id[id] : kNoTarget;
  }
};

}  // namespace sluice
