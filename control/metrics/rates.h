// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Figures per second from counters that only grow: a sample every second, the difference of the last two.
// Control thread; time comes in as an argument.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace sluice::metrics {

class Rates {
 public:
  using Clock = std::chrono::steady_clock;

  // The counter `name` stands at `value` now.
  void sample(const std::string& name, std::uint64_t value, Clock::time_point now);
  // Per second between the last two samples; 0 while there are not two.
  [[nodiscard]] double per_second(const std::string& name) const;
  // Forgets counters that were not sampled since `oldest`.
  void forget_before(Clock::time_point oldest);

 private:
  struct Series {
    std::uint64_t value = 0;
    Clock::time_point at;
    double per_second = 0;
  };
  std::unordered_map<std::string, Series> series_;
};

}  // namespace sluice::metrics
