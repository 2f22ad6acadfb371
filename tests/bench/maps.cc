// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "control/maps/maglev.h"
#include "tests/bench/measure.h"
#include "tests/bench/parts.h"

namespace sluice::bench {
namespace {

constexpr std::uint32_t kSlots = 65'537;
constexpr unsigned kRepeats = 7;

// The median of several, in ms of wall time: the control thread is what waits.
double build_ms(const std::vector<maps::Member>& members) {
  std::vector<double> ms(kRepeats);
  for (double& took : ms) {
    const auto before = std::chrono::steady_clock::now();
    keep(maps::build(members, kSlots));
    took = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - before).count();
  }
  std::ranges::sort(ms);
  return ms[kRepeats / 2];
}

}  // namespace

nlohmann::json measure_maps(const WorldShape& shape) {
  std::vector<maps::Member> members(shape.dips);
  for (unsigned i = 0; i < shape.dips; ++i) {
    IpAddress address = *parse_address("10.1.0.1");
    const Big32 low(address.v4().value() + i);
    address = IpAddress::v4(low);
    members[i].identity = maps::identity(address, 0);
  }
  nlohmann::json out;
  out["build_ms"] = build_ms(members);
  members[0].up = false;
  out["one_down_ms"] = build_ms(members);
  for (unsigned i = 0; i < shape.dips; i += 2) members[i].up = false;
  out["half_down_ms"] = build_ms(members);
  out["map_bytes"] = maps::build(members, kSlots).size() * sizeof(std::uint16_t);
  return out;
}

}  // namespace sluice::bench
