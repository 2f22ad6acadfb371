// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Do all workers turn? Each counts its turns; a count that stands still over many looks is a worker that is
// stuck. Time counts only as far as somebody looked: a process that was stopped as a whole, a machine that
// slept, or a control thread that was busy makes one long step, which counts no more than kLongestStep. Pure:
// counts and time are arguments.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice::supervise {

class TurnWatch {
 public:
  using Duration = std::chrono::milliseconds;
  static constexpr Duration kLongestStep{1000};

  struct Stuck {
    std::size_t worker = 0;  // its index in `turns`
    Duration silent{0};
  };

  // `turns`: of each worker, the same ones in each call. `step`: the time since the last look.
  // Returns whether every worker has turned since the last look.
  bool look(std::span<const std::uint64_t> turns, Duration step);
  // Those that have not turned for so long or longer.
  [[nodiscard]] std::vector<Stuck> stuck(Duration limit) const;

 private:
  std::vector<std::uint64_t> turns_;
  std::vector<Duration> silent_;
};

}  // namespace sluice::supervise
