// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Keys, hashes and packets for the tests of the flow table.
#pragma once

#include <array>
#include <cstdint>
#include <fstream>
#include <vector>

#include "dataplane/table/flow_table.h"
#include "dataplane/wire/headers.h"
#include "dataplane/wire/keyed_hash.h"

namespace sluice::test {

inline constexpr FlowPacket kSyn{.bytes = 40, .opens = true};
inline constexpr FlowPacket kData{.bytes = 100};
inline constexpr FlowPacket kFin{.bytes = 40, .closes = true};

inline constexpr std::uint32_t seconds(double s) {
  return static_cast<std::uint32_t>(s * FlowClock::kTicksPerSecond);
}

// Any two numbers below 2^32 give different keys.
inline FlowKey flow_key(std::uint32_t number, std::uint8_t protocol = kProtoTcp, bool v6 = false) {
  FlowKey key;
  key.source = IpAddress::v4(Big32(number));
  key.destination = IpAddress::v4(Big32(0xc6336401));
  if (v6) key.source.byte[0] = key.destination.byte[0] = 0x20;
  key.source_port.set(static_cast<std::uint16_t>(number * 7919));
  key.destination_port.set(80);
  key.protocol = protocol;
  return key;
}

inline std::uint64_t flow_hash(const FlowKey& key) {
  static const KeyedHash hash{std::array<std::uint8_t, 16>{1, 2, 3, 4}};
  return hash(key, HashFields::kFiveTuple);
}

// One key through find(), as a stage would.
inline Flow* find(FlowTable& table, const FlowKey& key, std::uint32_t now) {
  const std::uint64_t hash = flow_hash(key);
  Flow* out = nullptr;
  const std::uint64_t found = table.find(&key, &hash, 1, &out, now);
  return found ? out : nullptr;
}

inline FlowTable::Opened open(FlowTable& table, const FlowKey& key, std::uint32_t now,
                              std::uint32_t target = 7) {
  return table.insert(key, flow_hash(key), target, now);
}

// A connection whose handshake is done.
inline Flow* establish(FlowTable& table, const FlowKey& key, std::uint32_t now) {
  Flow* flow = open(table, key, now).flow;
  if (flow) table.touch(*flow, kData, now);
  return flow;
}

// Of this process, in memory.
inline std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

// Which flows left, by number of the reason, with what they were then.
struct Departures {
  struct Departure {
    FlowState state;
    FlowGone why;
    std::uint32_t target;
  };
  std::vector<Departure> list;

  FlowObserver observer() {
    return {this, [](void* self, const Flow& flow, FlowGone why) noexcept {
              static_cast<Departures*>(self)->list.push_back({flow.state(), why, flow.target});
            }};
  }
};

}  // namespace sluice::test
