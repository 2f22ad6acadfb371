// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Load of the whole machine from /proc and /sys. The parsers are pure: they take the text of the file, and
// answer zeros to a text that is none.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/agent/traffic.h"

namespace sluice::agent {

struct Memory {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;
};

struct CpuTicks {  // since boot, over all CPUs
  std::uint64_t busy = 0;
  std::uint64_t total = 0;
};

struct Machine {
  std::array<double, 3> load{};                // run queue over 1, 5 and 15 minutes
  double cpu_busy_percent = 0;                 // of all CPUs, since the sample before
  std::optional<double> cpu_busy_10s_percent;  // the same, smoothed (traffic.h); none in the first second
  unsigned cpus = 0;
  Memory memory;
  std::optional<double> temperature_c;  // of the hottest place that the kernel tells of
};

std::array<double, 3> parse_loadavg(std::string_view proc_loadavg);
Memory parse_meminfo(std::string_view proc_meminfo);
// Busy is everything but idle and waiting for disks.
CpuTicks parse_cpu(std::string_view proc_stat);
// What a file `temp` of a thermal zone says: millidegrees. Nothing when it is no temperature of a running
// machine, -50 to 200.
std::optional<double> parse_temperature(std::string_view text);
double busy_percent(const CpuTicks& before, const CpuTicks& now);

// Keeps the sample before the last, for the CPU's share. One thread.
class MachineSampler {
 public:
  MachineSampler();
  void sample();
  [[nodiscard]] const Machine& last() const { return machine_; }

 private:
  CpuTicks ticks_;
  Smoothed busy_;
  std::vector<std::string> thermometers_;  // files below /sys
  std::chrono::steady_clock::time_point sampled_{};
  Machine machine_;
};

}  // namespace sluice::agent
