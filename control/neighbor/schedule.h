// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// When which of the kernel's tables is dumped, and how far a dump can be trusted. Kinds that are wanted
// together make a round, dumped one after the other. A dump that events of its kind ran into, or that the
// kernel or a loss of messages says is incomplete, is disturbed: it adds, but nothing is forgotten by it, and
// it is repeated. After kDisturbedPasses of them in a row, what none of them named is forgotten (under
// changes that never end, a dead entry must go some day). After a round comes a pause of kPause times its
// length. Pure: time comes in as an argument.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <optional>
#include <utility>

#include "control/neighbor/mirror.h"

namespace sluice::neighbor {

constexpr unsigned bit(Kind kind) {
  return 1u << static_cast<unsigned>(kind);
}
constexpr unsigned kAllKinds = (1u << kKinds) - 1;

class DumpSchedule {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr unsigned kDisturbedPasses = 5;
  static constexpr int kPause = 20;
  static constexpr std::chrono::seconds kLongestPause{10};

  // A disturbed or failed dump is repeated `repeat_delay` after its round at the earliest.
  explicit DumpSchedule(std::chrono::milliseconds repeat_delay) : repeat_delay_(repeat_delay) {}

  // Wants these kinds (bits) dumped in `delay`, or with what is due earlier; counted from now, or from the
  // end of the round that runs.
  void want(unsigned kinds, std::chrono::milliseconds delay, Clock::time_point now) {
    wanted_ |= kinds;
    if (started_) {
      after_round_ = std::min(after_round_, delay);
      return;
    }
    const Clock::time_point due = std::max(now + delay, not_before_);
    due_ = due_ ? std::min(*due_, due) : due;
  }
  // When to call begin(); none while nothing is wanted or a round runs.
  [[nodiscard]] std::optional<Clock::time_point> due() const { return due_; }
  void begin(Clock::time_point now) {
    due_.reset();
    started_ = now;
    round_ = std::exchange(wanted_, 0);
  }
  // The next kind to dump; none: the round is over.
  std::optional<Kind> next(Clock::time_point now) {
    if (round_ != 0) {
      dumping_ = static_cast<Kind>(std::countr_zero(round_));
      round_ &= ~bit(*dumping_);
      is_disturbed_ = false;
      return dumping_;
    }
    if (!started_) return {};
    not_before_ = now + std::min<Clock::duration>(kPause * (now - *started_), kLongestPause);
    started_.reset();
    if (wanted_ != 0) want(wanted_, std::exchange(after_round_, kNever), now);
    return {};
  }
  [[nodiscard]] std::optional<Kind> dumping() const { return dumping_; }
  [[nodiscard]] bool is_idle() const { return !due_ && !started_; }

  // An event of this kind came, or something is missing from whatever dump is running.
  void saw_event(Kind kind) { is_disturbed_ |= dumping_ == kind; }
  void saw_gap() { is_disturbed_ = true; }

  // The running dump came to its end, or failed. Returns by how many passes to forget what was not named
  // (Mirror::end_dump), 0 for not at all. What is disturbed or failed is wanted again.
  unsigned finish(bool is_good, Clock::time_point now) {
    const Kind kind = *std::exchange(dumping_, std::nullopt);
    unsigned& passes = disturbed_passes_[static_cast<std::size_t>(kind)];
    if (is_good && !is_disturbed_) {
      passes = 0;
      return 1;
    }
    want(bit(kind), repeat_delay_, now);
    if (!is_good) {  // it named nothing, or not all, and does not count as a pass
      passes = 0;
      return 0;
    }
    if (++passes < kDisturbedPasses) return 0;
    passes = 0;
    return kDisturbedPasses;
  }

 private:
  static constexpr std::chrono::milliseconds kNever{1L << 40};
  std::chrono::milliseconds repeat_delay_;
  std::chrono::milliseconds after_round_ = kNever;  // the shortest delay wanted during the running round
  unsigned wanted_ = 0;                             // kinds of the next round, as bits
  unsigned round_ = 0;                              // those of the running round whose turn is still to come
  std::optional<Kind> dumping_;
  bool is_disturbed_ = false;
  std::array<unsigned, kKinds> disturbed_passes_{};
  std::optional<Clock::time_point> due_, started_;
  Clock::time_point not_before_{};
};

}  // namespace sluice::neighbor
