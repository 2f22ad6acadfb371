// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What /status says, as JSON. docs/agent.md shows an example. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "control/agent/config.h"
#include "control/agent/connections.h"
#include "control/agent/machine.h"
#include "control/agent/tunnel_shared.h"

namespace sluice::agent {

struct InterfaceStatus {
  std::string name;
  unsigned mtu_bytes = 0;
  unsigned inner_mtu_bytes = 0;  // that clients are told, through the MSS; 0 = nothing
};

struct StatusFacts {
  bool draining = false;
  bool healthy = true;
  std::string health_text;
  double uptime_s = 0;
  Machine machine;
  std::vector<InterfaceStatus> interfaces;
  std::vector<VipConnections> connections;  // in the order of Config::vips
  std::vector<tunnel_counters> counters;    // entry 0 the host, then in the order of Config::vips
};

nlohmann::ordered_json make_status(const Config& config, const StatusFacts& facts);

}  // namespace sluice::agent
