// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What the watchdog of sluiced looks at, and what it does when a worker is stuck: the keys stall_s and
// on_stall of section control. Control thread.
#pragma once

#include <functional>
#include <vector>

#include "control/maps/live.h"
#include "control/rpc/appliance.h"
#include "control/supervise/watchdog.h"

namespace sluice::supervise {

// A thread that is stuck can neither be waited for nor ended alone: the log names its worker, `before_end` is
// called, and the process ends by exit status 1 or by abort(), without any further clean-up. All arguments
// live as long as the watchdog.
Watchdog::Options watch_workers(const std::vector<rpc::WorkerFacts>& workers, const maps::Live& live,
                                std::function<void()> before_end);

}  // namespace sluice::supervise
