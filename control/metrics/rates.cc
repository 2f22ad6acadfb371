// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/metrics/rates.h"

namespace sluice::metrics {

void Rates::sample(const std::string& name, std::uint64_t value, Clock::time_point now) {
  const auto [at, fresh] = series_.try_emplace(name, Series{value, now, 0});
  if (fresh) return;
  Series& series = at->second;
  const double seconds = std::chrono::duration<double>(now - series.at).count();
  if (seconds <= 0) return;
  // A counter whose owner changed starts over.
  series.per_second = value < series.value ? 0 : static_cast<double>(value - series.value) / seconds;
  series.value = value;
  series.at = now;
}

double Rates::per_second(const std::string& name) const {
  const auto at = series_.find(name);
  return at == series_.end() ? 0 : at->second.per_second;
}

void Rates::forget_before(Clock::time_point oldest) {
  std::erase_if(series_, [&](const auto& entry) { return entry.second.at < oldest; });
}

}  // namespace sluice::metrics
