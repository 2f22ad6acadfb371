// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The start of DPDK. Control thread, once. Throws std::runtime_error with one sentence that names the remedy.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace sluice::io {

// Starts EAL with the operator's arguments as they are. When they name no cores (-l, -c, --lcores), the
// worker lcores are laid onto this machine's cpus, and a main lcore beside them.
void start_eal(std::span<const std::string> arguments, std::span<const unsigned> worker_lcores);
void stop_eal();

// The --lcores argument that start_eal would add: pure, for tests. `cpus`: what this process may run on.
std::string lcore_layout(std::span<const unsigned> worker_lcores, std::span<const unsigned> cpus);

}  // namespace sluice::io
