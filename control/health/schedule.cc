// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/schedule.h"

#include <algorithm>

namespace sluice::health {

Clock::duration phase_of(std::uint64_t n, Clock::duration interval) {
  constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15;  // 2^64 / golden ratio
  const auto fraction = static_cast<double>((n * kStep) >> 11) * 0x1p-53;
  return Clock::duration(static_cast<Clock::rep>(fraction * static_cast<double>(interval.count())));
}

TimePoint at_phase(TimePoint earliest, Clock::duration phase, Clock::duration interval) {
  const auto into = (earliest.time_since_epoch() - phase) % interval;
  if (into == Clock::duration::zero()) return earliest;
  return earliest - into + (into > Clock::duration::zero() ? interval : Clock::duration::zero());
}

TimePoint next_start(TimePoint started, TimePoint now, Clock::duration phase, Clock::duration interval) {
  // Half an interval of distance at least, after a start that was out of phase.
  return at_phase(std::max(started + interval / 2, now), phase, interval);
}

TimePoint next_start_of_suspect(TimePoint started, TimePoint now, unsigned failures,
                                Clock::duration interval) {
  if (failures < 2) return std::max(started + interval, now);
  // From the death to the verdict at the worst: interval + (failures - 1) * gap + took = failures * interval.
  const Clock::duration gap = interval - (now - started) / (failures - 1);
  return std::max(started + gap, now);
}

Clock::duration delay_of_joining(std::uint64_t n) {
  return std::chrono::milliseconds(n);
}

}  // namespace sluice::health
