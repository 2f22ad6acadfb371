// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// From where factors should be to where they are: damped, within bounds, on a grid of 16 steps to a doubling
// (4.4 % each), and only changed when somebody is more than a step and a half away and the last change is
// long enough ago. When one changes, all go to their places on the grid: MUXes that see the same reports
// forget where they came from (each round takes three tenths off the difference) and come to the same
// factors, but for one who is just between two steps. Pure: time comes in as an argument.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "control/load/figure.h"
#include "control/maps/loads.h"

namespace sluice::load {

inline constexpr int kStepsToDouble = 16;
inline constexpr double kDamping = 0.3;    // the part of the way that a round goes
inline constexpr double kTolerance = 1.5;  // steps

struct Bounds {
  double lowest = 0.25, highest = 4;               // factors
  Clock::duration gap = std::chrono::seconds(10);  // from change to change, at least
};

// What a round wants of one DIP: a factor; to stay where it is; or the configured figure.
enum class Wish : std::uint8_t { kFactor, kStay, kConfigured, kNothing };
struct Target {
  Wish wish = Wish::kConfigured;  // kNothing: the factor 0, whatever the bounds
  double factor = 1;              // of Wish::kFactor, above 0
};

// The factor of so many steps from 1, in the units of maps::Loads.
std::uint16_t factor_of_steps(int steps);

class Follower {
 public:
  // One round, from the factors in force. The factors of all DIPs, when they are to change now; DIPs that are
  // not in `targets` are forgotten. A DIP that is new here wants at first what it has.
  std::optional<maps::Loads::Factors> round(const maps::Loads::Factors& in_force,
                                            const std::map<std::string, Target>& targets,
                                            const Bounds& bounds, TimePoint now);

 private:
  std::map<std::string, double> wanted_;  // steps, damped
  std::optional<TimePoint> changed_;
};

}  // namespace sluice::load
