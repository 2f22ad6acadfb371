// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/supervise/turn_watch.h"

#include <algorithm>

namespace sluice::supervise {

bool TurnWatch::look(std::span<const std::uint64_t> turns, Duration step) {
  if (turns_.size() != turns.size()) {
    turns_.assign(turns.begin(), turns.end());
    silent_.assign(turns.size(), Duration(0));
    return true;
  }
  bool all = true;
  for (std::size_t i = 0; i < turns.size(); ++i) {
    const bool turned = turns[i] != turns_[i];
    silent_[i] = turned ? Duration(0) : silent_[i] + std::min(step, kLongestStep);
    all &= turned;
  }
  turns_.assign(turns.begin(), turns.end());
  return all;
}

std::vector<TurnWatch::Stuck> TurnWatch::stuck(Duration limit) const {
  std::vector<Stuck> all;
  for (std::size_t i = 0; i < silent_.size(); ++i) {
    if (silent_[i] >= limit) all.push_back({i, silent_[i]});
  }
  return all;
}

}  // namespace sluice::supervise
