// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Load of the whole machine from /proc. The parsers are pure: they take the text of the file, and answer
// zeros to a text that is none.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

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
  std::array<double, 3> load{};  // run queue over 1, 5 and 15 minutes
  double cpu_busy_percent = 0;   // of all CPUs, since the sample before
  unsigned cpus = 0;
  Memory memory;
};

std::array<double, 3> parse_loadavg(std::string_view proc_loadavg);
Memory parse_meminfo(std::string_view proc_meminfo);
// Busy is everything but idle and waiting for disks.
CpuTicks parse_cpu(std::string_view proc_stat);
double busy_percent(const CpuTicks& before, const CpuTicks& now);

// Keeps the sample before the last, for the CPU's share. One thread.
class MachineSampler {
 public:
  MachineSampler();
  void sample();
  [[nodiscard]] const Machine& last() const { return machine_; }

 private:
  CpuTicks ticks_;
  Machine machine_;
};

}  // namespace sluice::agent
