// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// How a DIP that joins comes to its first packet (A9): when it has answered a probe, the doctor walks the
// clients' way to it, and what he finds wrong keeps it out. A walk that failed is repeated, later each time.
// Pure: time is an argument. One thread at a time.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "control/config/model.h"
#include "control/health/machine.h"

namespace sluice::health {

// What came of a walk.
struct Finding {
  bool refused = false;
  std::string text;  // what is wrong; of one that is let in, what speaks for it or why nothing could be seen
  bool examined = true;  // refused and not examined: where it failed is known, and not yet why
};

// Walks to a DIP of a service, whose groups are not looked at. `done` is called once, later, within a minute.
using Walked = std::function<void(const Finding&)>;
using Walk = std::function<void(const config::Service& service, const config::Dip& dip, Walked done)>;

inline constexpr std::chrono::seconds kFirstWalkAgain{1}, kLongestWalkAgain{15};
// How long after that many refusals in a row the next walk begins: each time twice as long.
Clock::duration delay_of_walk(unsigned refusals);

class Admission {
 public:
  // No walk is under way, and it is time for one.
  [[nodiscard]] bool due(TimePoint now) const { return !ticket_ && now >= next_; }
  // A walk is under way from now on. What it finds counts as long as the ticket has not expired.
  [[nodiscard]] std::weak_ptr<const void> begin();
  // The walk is over, and the DIP may be asked about again at once.
  void end() { ticket_.reset(); }
  // The walk is over and found something wrong. True when that is news: the verdict is another one than
  // before. One that was not examined is no news to one that was.
  bool refuse(const Finding& finding, TimePoint now);
  // What is asked has changed: a walk under way counts for nothing, and the next one may begin at once.
  void begin_anew();

  [[nodiscard]] TimePoint next() const { return next_; }  // when the next walk may begin
  // What keeps the DIP out, since the last walk; "" when none has found anything.
  [[nodiscard]] const std::string& verdict() const { return verdict_; }

 private:
  std::shared_ptr<const int> ticket_;  // of the walk under way
  TimePoint next_{};
  unsigned refusals_ = 0;
  std::string verdict_;
  bool examined_ = false;
};

}  // namespace sluice::health
