// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/load/follower.h"

#include <algorithm>
#include <cmath>

namespace sluice::load {
namespace {

double steps_of(double factor) {
  return kStepsToDouble * std::log2(factor);
}

}  // namespace

std::uint16_t factor_of_steps(int steps) {
  const double factor = maps::Loads::kUnit * std::exp2(static_cast<double>(steps) / kStepsToDouble);
  return static_cast<std::uint16_t>(std::clamp(std::round(factor), 1.0, 65535.0));
}

std::optional<maps::Loads::Factors> Follower::round(const maps::Loads::Factors& in_force,
                                                    const std::map<std::string, Target>& targets,
                                                    const Bounds& bounds, TimePoint now) {
  std::erase_if(wanted_, [&](const auto& entry) { return !targets.contains(entry.first); });
  const double lowest = steps_of(bounds.lowest), highest = steps_of(bounds.highest);
  bool far = false;
  for (const auto& [dip, target] : targets) {
    const auto found = in_force.find(dip);
    const std::uint32_t factor = found == in_force.end() ? maps::Loads::kUnit : found->second;
    const double here = factor == 0 ? 0 : std::round(steps_of(factor / double{maps::Loads::kUnit}));
    double& wanted = wanted_.try_emplace(dip, here).first->second;
    if (target.wish == Wish::kConfigured) wanted = 0;
    if (target.wish == Wish::kFactor)
      wanted += kDamping * (std::clamp(steps_of(target.factor), lowest, highest) - wanted);
    wanted = std::clamp(wanted, lowest, highest);
    const bool nothing = target.wish == Wish::kNothing;
    far = far || nothing != (factor == 0) || (!nothing && std::abs(wanted - here) >= kTolerance);
  }
  if (!far || (changed_ && now - *changed_ < bounds.gap)) return {};
  maps::Loads::Factors next;
  for (const auto& [dip, target] : targets) {
    // Cut towards 1, so that rounding stays within the bounds.
    const int steps = std::clamp(static_cast<int>(std::lround(wanted_.at(dip))), static_cast<int>(lowest),
                                 static_cast<int>(highest));
    const std::uint16_t factor = target.wish == Wish::kNothing ? 0 : factor_of_steps(steps);
    if (factor != maps::Loads::kUnit) next[dip] = factor;
  }
  changed_ = now;
  return next;
}

}  // namespace sluice::load
