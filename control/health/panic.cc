// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/panic.h"

#include <utility>

namespace sluice::health {

PanicPolicy PanicPolicy::of(bool enabled, const Policy& policy, Clock::duration timeout) {
  return {.enabled = enabled,
          .window = policy.interval * policy.failures + timeout + std::chrono::seconds(1),
          .grace = policy.interval * (policy.successes + 1) + timeout + std::chrono::seconds(1)};
}

Panic::Change Panic::end() {
  active_ = false;
  kept_.clear();
  ends_.reset();
  return Change::kEnded;
}

Panic::Change Panic::update(std::size_t sure, bool died, const Doubtful& doubtful, const PanicPolicy& policy,
                            TimePoint now) {
  if (!active_) {
    if (!policy.enabled || sure > 0 || !died) return Change::kNone;
    std::vector<std::string> names = doubtful(now - policy.window);
    if (names.size() < kFewest) return Change::kNone;
    active_ = true;
    kept_.insert(std::make_move_iterator(names.begin()), std::make_move_iterator(names.end()));
    return Change::kBegan;
  }
  if (!policy.enabled) return end();
  if (sure == 0) {
    ends_.reset();
    return Change::kNone;
  }
  if (!ends_) ends_ = now + policy.grace;
  return due(now) ? end() : Change::kNone;
}

}  // namespace sluice::health
