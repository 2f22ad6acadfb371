// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The parts of sluice-bench. Each runs once on a started EAL and returns its figures; repeating and comparing
// is scripts/bench's work. Throws std::runtime_error when what came out is not what should have.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "tests/bench/flow_order.h"
#include "tests/bench/world.h"

namespace sluice::bench {

// {stage: ns per packet}. Bursts of 64 as a port gives them go through the stages in the worker's order, with
// a time stamp between two of them; filling the buffers and freeing them is outside.
nlohmann::json measure_stages(const WorldShape& shape);

// {packets, cpu_ns, busy_cycles, tsc_hz}: a real Worker on `device`, on the first worker lcore, for
// `seconds`. cpu_ns is the cpu time of its thread, so other programs on this cpu do not count.
nlohmann::json measure_path(const WorldShape& shape, const std::string& device, double seconds);

// {sluice: ns of cpu per packet; tier 1: the same of a pipeline's first core; flows, flow_bytes}: packets of
// `shape.flows` flows on a port that costs nothing (null_traffic.h).
enum class FlowWork {
  kStateless,    // no flow table, nothing under way
  kEstablished,  // all flows are in the table
  kNew,          // each packet is the SYN of a new flow and gets an entry
  kTransition,   // stateless, and a transition moves a tenth of the slots
  kElephants,    // all flows are in tier 1's table
  kPipeline,     // established, tier 1 and 2 on cores of their own
};
struct FlowsPlan {
  FlowWork work = FlowWork::kEstablished;
  Order order = Order::kRandom;
  bool adaptive_idle = false;
  double seconds = 1;
};
nlohmann::json measure_flows(const WorldShape& shape, const FlowsPlan& plan);

// {build_ms, one_down_ms, half_down_ms, map_bytes}: the map of a group of `shape.dips` DIPs, by the code that
// control runs, with 65,537 slots.
nlohmann::json measure_maps(const WorldShape& shape);

// {figure: ns}: the hash twins, and the service lookup by the number of services.
nlohmann::json measure_tables(const WorldShape& shape);

}  // namespace sluice::bench
