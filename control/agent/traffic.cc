// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/traffic.h"

#include <algorithm>
#include <cmath>

namespace sluice::agent {

void Smoothed::sample(double value, double seconds) {
  const double part = any_ ? 1 - std::exp(-std::max(0.0, seconds) / kSmoothedS) : 1;
  value_ += (value - value_) * part;
  any_ = true;
}

std::uint64_t decapsulated(const tunnel_counters& counters) {
  std::uint64_t sum = 0;
  for (int form = TUNNEL_IPV4_IN_IPV4; form <= TUNNEL_GUE_OVER_IPV6; ++form) sum += counters.packets[form];
  return sum;
}

void VipTraffic::sample(std::span<const tunnel_counters> counters, double seconds) {
  std::vector<std::uint64_t> now;
  for (const tunnel_counters& vip : counters.subspan(1)) now.push_back(decapsulated(vip));
  if (now.size() == last_.size() && seconds > 0) {
    rates_.resize(now.size());
    for (std::size_t i = 0; i < now.size(); ++i) {
      const std::uint64_t came = now[i] >= last_[i] ? now[i] - last_[i] : now[i];
      rates_[i].sample(static_cast<double>(came) / seconds, seconds);
    }
  }
  last_ = std::move(now);
}

std::vector<double> VipTraffic::rx_pps() const {
  std::vector<double> all;
  for (const Smoothed& rate : rates_) all.push_back(rate.value());
  return all;
}

}  // namespace sluice::agent
