// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// How often the kernel is asked about one neighbour: at most once per interval, for a bounded number of
// neighbours, whatever the number of packets or DIPs that want it. Time is an argument.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>

#include "control/neighbor/mirror.h"

namespace sluice::neighbor {

class Pacer {
 public:
  using Clock = std::chrono::steady_clock;
  // At most `limit` neighbours within `interval`.
  Pacer(std::chrono::milliseconds interval, std::size_t limit) : interval_(interval), limit_(limit) {}

  // Whether `hop` may be asked for now; if so, it counts as asked. Costs a pass over all when full.
  bool allow(const NextHop& hop, Clock::time_point now) {
    const auto asked = asked_.find(hop);
    if (asked != asked_.end()) {
      if (now - asked->second < interval_) return false;
      asked->second = now;
      return true;
    }
    if (asked_.size() >= limit_)
      std::erase_if(asked_, [&](const auto& entry) { return now - entry.second >= interval_; });
    if (asked_.size() >= limit_) return false;
    asked_.emplace(hop, now);
    return true;
  }
  [[nodiscard]] std::size_t size() const { return asked_.size(); }

 private:
  std::chrono::milliseconds interval_;
  std::size_t limit_;
  std::map<NextHop, Clock::time_point> asked_;
};

}  // namespace sluice::neighbor
