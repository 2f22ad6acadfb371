// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/load/figure.h"

#include <algorithm>

namespace sluice::load {
namespace {

std::optional<double> utilisation_of(const health::Report& report) {
  std::optional<double> busy;
  if (report.cpu_busy_10s_percent)
    busy = *report.cpu_busy_10s_percent / 100;
  else if (report.cpu_busy_percent)
    busy = *report.cpu_busy_percent / 100;
  else if (report.load_1min && report.cpus)
    busy = *report.load_1min / *report.cpus;
  if (!busy) return {};
  const double memory = report.memory_used_percent.value_or(0) / 100;
  return std::clamp(memory > kTightMemory ? std::max(*busy, memory) : *busy, 0.0, 1.0);
}

}  // namespace

Figure figure_of(const health::Report& report, const Prefix& vip) {
  Figure figure{.utilisation = utilisation_of(report)};
  const auto at = std::ranges::find(report.vips, vip, &health::Report::Vip::address);
  if (at != report.vips.end()) figure.work = at->rx_pps;
  if (report.weight_percent) figure.told = *report.weight_percent / 100;
  figure.takes = report.life != health::Life::kDraining && report.life != health::Life::kLeaving;
  return figure;
}

}  // namespace sluice::load
