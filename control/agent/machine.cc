// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/machine.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace sluice::agent {
namespace {

constexpr std::size_t kMostThermometers = 64;

std::istringstream stream(std::string_view text) {
  return std::istringstream{std::string(text)};
}

std::string read_proc(const char* path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace

std::array<double, 3> parse_loadavg(std::string_view proc_loadavg) {
  auto in = stream(proc_loadavg);
  std::array<double, 3> load{};
  if (!(in >> load[0] >> load[1] >> load[2])) return {};
  return load;
}

Memory parse_meminfo(std::string_view proc_meminfo) {
  auto in = stream(proc_meminfo);
  Memory memory;
  std::string key;
  for (std::uint64_t kib = 0; in >> key >> kib; in.ignore(64, '\n')) {
    if (key == "MemTotal:") memory.total_bytes = kib * 1024;
    if (key == "MemAvailable:") memory.available_bytes = kib * 1024;
  }
  return memory;
}

CpuTicks parse_cpu(std::string_view proc_stat) {
  auto in = stream(proc_stat);
  std::string name;
  if (!(in >> name) || name != "cpu") return {};
  // user nice system idle iowait irq softirq steal; guest times are part of user and nice (proc(5)).
  CpuTicks ticks;
  std::uint64_t value = 0;
  for (int field = 0; field < 8 && in >> value; ++field) {
    ticks.total += value;
    if (field != 3 && field != 4) ticks.busy += value;
  }
  return ticks;
}

double busy_percent(const CpuTicks& before, const CpuTicks& now) {
  if (now.total <= before.total || now.busy < before.busy) return 0;
  return 100.0 * static_cast<double>(now.busy - before.busy) / static_cast<double>(now.total - before.total);
}

std::optional<double> parse_temperature(std::string_view text) {
  long millidegrees = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), millidegrees);
  if (error != std::errc() || millidegrees < -50'000 || millidegrees > 200'000) return {};
  return static_cast<double>(millidegrees) / 1000;
}

MachineSampler::MachineSampler() {
  std::error_code none;
  for (const auto& zone : std::filesystem::directory_iterator("/sys/class/thermal", none)) {
    if (!zone.path().filename().string().starts_with("thermal_zone")) continue;
    if (thermometers_.size() < kMostThermometers) thermometers_.push_back(zone.path() / "temp");
  }
  sample();
}

void MachineSampler::sample() {
  const CpuTicks now = parse_cpu(read_proc("/proc/stat"));
  const auto time = std::chrono::steady_clock::now();
  machine_.cpu_busy_percent = busy_percent(ticks_, now);
  // The first one is since boot.
  if (ticks_.total != 0) {
    busy_.sample(machine_.cpu_busy_percent, std::chrono::duration<double>(time - sampled_).count());
    machine_.cpu_busy_10s_percent = busy_.value();
  }
  ticks_ = now;
  sampled_ = time;
  machine_.temperature_c.reset();
  for (const std::string& file : thermometers_) {
    const auto degrees = parse_temperature(read_proc(file.c_str()));
    if (degrees) machine_.temperature_c = std::max(machine_.temperature_c.value_or(*degrees), *degrees);
  }
  machine_.load = parse_loadavg(read_proc("/proc/loadavg"));
  machine_.memory = parse_meminfo(read_proc("/proc/meminfo"));
  machine_.cpus = static_cast<unsigned>(sysconf(_SC_NPROCESSORS_ONLN));
}

}  // namespace sluice::agent
