// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What the policies of this room look at: a report of a server, boiled down to a few figures within bounds.
// A figure that was not said, or could not be believed (control/health/report.h), is not there. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control/health/report.h"
#include "dataplane/wire/address.h"

namespace sluice::load {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

struct Figure {
  // 0 to 1: the share of the CPUs that is busy (smoothed; else of the last second; else the run queue a CPU);
  // and where more than kTightMemory of the memory is used, no less than that.
  std::optional<double> utilisation = {};
  std::optional<double> work = {};  // packets a second that came for the service's VIP, from all MUXes
  std::optional<double> told = {};  // the factor of its weight that the server asks for (agent-check)
  bool takes = true;                // false: it drains or leaves
};

inline constexpr double kTightMemory = 0.9;

Figure figure_of(const health::Report& report, const Prefix& vip);

// One DIP of a service, as a round of a policy sees it.
struct Server {
  std::string dip;           // as maps::dip_name has it
  std::uint32_t weight = 1;  // configured
  bool up = true;
  std::optional<Figure> figure = {};  // none: no report, or an old one
};

}  // namespace sluice::load
