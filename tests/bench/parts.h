// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The parts of sluice-bench. Each runs once on a started EAL and returns its figures; repeating and comparing
// is scripts/bench's work. Throws std::runtime_error when what came out is not what should have.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "tests/bench/world.h"

namespace sluice::bench {

// {stage: ns per packet}. Bursts of 64 as a port gives them go through the stages in the worker's order, with
// a time stamp between two of them; filling the buffers and freeing them is outside.
nlohmann::json measure_stages(const WorldShape& shape);

// {packets, cpu_ns, busy_cycles, tsc_hz}: a real Worker on `device`, on the first worker lcore, for
// `seconds`. cpu_ns is the cpu time of its thread, so other programs on this cpu do not count.
nlohmann::json measure_path(const WorldShape& shape, const std::string& device, double seconds);

// {figure: ns}: the hash twins, and the service lookup by the number of services.
nlohmann::json measure_tables(const WorldShape& shape);

}  // namespace sluice::bench
