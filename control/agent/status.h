// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What /status says, as JSON. docs/agent.md shows an example. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "control/agent/config.h"
#include "control/agent/connections.h"
#include "control/agent/drains.h"
#include "control/agent/machine.h"
#include "control/agent/tunnel_shared.h"

namespace sluice::agent {

struct InterfaceStatus {
  std::string name;
  unsigned mtu_bytes = 0;
  unsigned inner_mtu_bytes = 0;  // that clients are told, through the MSS; 0 = nothing
  unsigned rp_filter = 0;        // the effective one: 0 none, 1 strict, 2 loose
};

struct StatusFacts {
  std::string_view state = "alive";  // or draining, leaving, joining, restarting (B7)
  bool healthy = true;
  std::string health_text;
  double uptime_s = 0;
  Machine machine;
  std::vector<InterfaceStatus> interfaces;
  std::vector<VipConnections> connections;  // in the order of Config::vips
  std::vector<bool> held;                   // the VIP is on loopback now; in the order of Config::vips
  std::vector<tunnel_counters> counters;    // entry 0 the host, then in the order of Config::vips
  std::vector<double> rx_pps;               // in the order of Config::vips; empty: not known yet
  const Drains* drains = nullptr;           // what the MUXes drain; null: nothing
  std::string_view hook = "none";           // what became of the last run
  DrainClock::time_point now;
};

// One drain, as the answer to its order has it too.
nlohmann::ordered_json make_drain(const DrainKey& key, const Drain& drain, DrainClock::time_point now);
nlohmann::ordered_json make_status(const Config& config, const StatusFacts& facts);

}  // namespace sluice::agent
