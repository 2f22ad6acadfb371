// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Figures that follow the last seconds: how many packets a second came in for each VIP, how busy the CPUs
// were. Smoothed here, so that all who ask get the same figure, whenever they ask. Pure but for the clock of
// its caller, who samples once a second.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "control/agent/tunnel_shared.h"

namespace sluice::agent {

inline constexpr double kSmoothedS = 10;  // of a step, 63 % is seen after so long

class Smoothed {
 public:
  // `seconds` since the sample before.
  void sample(double value, double seconds);
  [[nodiscard]] double value() const { return value_; }

 private:
  double value_ = 0;
  bool any_ = false;
};

// Packets that lost their outer header, over all forms.
std::uint64_t decapsulated(const tunnel_counters& counters);

class VipTraffic {
 public:
  // The counters of the programs: entry 0 the host, then the VIPs. Counters that step back are new ones.
  void sample(std::span<const tunnel_counters> counters, double seconds);
  // Packets a second of each VIP; empty before the second sample.
  [[nodiscard]] std::vector<double> rx_pps() const;

 private:
  std::vector<std::uint64_t> last_;
  std::vector<Smoothed> rates_;
};

}  // namespace sluice::agent
