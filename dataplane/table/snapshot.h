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

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

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
  bool up = true;
  std::uint16_t next_hop = 0;
  std::uint32_t counter = 0;              // index of WorkerCounters::target
  std::uint16_t outer_checksum_seed = 0;  // IPv4: folded sum of the template with zero length, TOS, checksum
  std::uint16_t reserved = 0;
};
static_assert(sizeof(Target) == 64);

struct NextHop {
  std::array<std::uint8_t, 18> l2{};  // destination, source, (802.1Q tag); the EtherType follows
  std::uint8_t l2_bytes = 12;         // without the EtherType: 12, or 16 with a tag
  std::uint8_t port = 0;              // index of the port it leaves by
  std::uint16_t mtu = 1500;           // largest IP packet
  bool resolved = false;
  std::uint8_t reserved[9] = {};
};
static_assert(sizeof(NextHop) == 32);

// A slot map as the path reads it: no owner, two words.
struct SlotView {
  const std::uint16_t* slots = nullptr;
  FastMod mod{1};

  [[nodiscard]] std::uint32_t slot(std::uint32_t hash) const { return mod(hash); }
};

struct Group {
  SlotView dips;                   // slot -> member of this group, kNoMember when none is up
  std::uint32_t first_target = 0;  // member m is targets[first_target + m]
  std::uint32_t members = 0;
  std::uint32_t id = 0;  // stable over snapshots
};

struct Service {
  SlotView groups;                // slot -> group of this service; not read when there is one group
  std::uint32_t first_group = 0;  // group g is groups[first_group + g]
  std::uint32_t group_count = 0;
  std::uint32_t counter = 0;  // index of WorkerCounters::service
  HashFields hash_fields = HashFields::kFiveTuple;
  std::uint8_t protocol = 0;  // 0 = any
};

struct Snapshot {
  Snapshot(const ToeplitzKey& toeplitz_key, const KeyedHash& tier2_hash)
      : toeplitz(toeplitz_key), slot_hash(tier2_hash) {}

  std::uint64_t generation = 0;
  ServiceTable service_table;  // packet -> index of services
  std::vector<Service> services;
  std::vector<Group> groups;
  std::vector<Target> targets;
  std::vector<NextHop> next_hops;        // index 0 always exists and is never resolved
  std::vector<IpAddress> own_addresses;  // sorted; packets to these go to the kernel
  std::array<IpAddress, 32> port_address4{},
      port_address6{};  // by port: source of ICMP errors; unspecified = none
  ToeplitzKey toeplitz;
  KeyedHash slot_hash;                               // tier 2's slots
  std::vector<std::shared_ptr<const SlotMap>> maps;  // keeps alive what the SlotViews see
};

}  // namespace sluice
