// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The monitor's rows on the socket and on the page of metrics. Control thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "control/health/diagnosis.h"
#include "control/health/monitor.h"
#include "control/rpc/router.h"

namespace sluice::rpc {

using HealthRows = std::function<std::vector<health::Row>()>;

// Registers `health.list`.
void add_health(Router& router, HealthRows rows);

// Examines a DIP and calls back with what it found; false: too busy.
using HealthCheck = std::function<bool(const config::Service&, const config::Dip&,
                                       std::function<void(const health::Diagnosis&)>)>;
struct Appliance;
// Registers `health.check`.
void add_health_check(Router& router, const Appliance& appliance, HealthCheck check);

// The health families of the page of /metrics.
std::string render_health(const std::vector<health::Row>& rows, const health::Stats& stats);

}  // namespace sluice::rpc
