// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// When all DIPs of a service look dead at once, the fault is more likely in the probes or their way than in
// every server: the service then stays on the DIPs that were good before, and says so.
//
// "At once" is seen when a DIP is declared dead while none is left that is sure, that is, that is up and
// answered its last probe: one cause makes them all suspect within an interval, long before the first has
// failed often enough to die, so nobody's flows are moved. Those who died a little earlier (a window no
// longer than the probes need to notice one cause) are taken back. It takes two for a common cause: the only
// DIP that dies, and DIPs that die one after another, are believed.
//
// Panic ends when a DIP is sure again, after a grace in which the others can show that they are as well; what
// is still dead then is believed to be. Without the grace the first one to return would take all flows.
//
// Pure: counts, names and time are arguments. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control/health/machine.h"

namespace sluice::health {

struct PanicPolicy {
  bool enabled = true;
  Clock::duration window = std::chrono::seconds(8);  // from the first death of one cause to the last
  Clock::duration grace = std::chrono::seconds(8);   // from the first one that is sure to the end

  // For probes of these figures: one cause shows within `failures` intervals and a timeout; the same holds,
  // with `successes` and the interval in which it ends, for its end. A second more for a loop that is busy.
  static PanicPolicy of(bool enabled, const Policy& policy, Clock::duration timeout);
  friend bool operator==(const PanicPolicy&, const PanicPolicy&) = default;
};

class Panic {
 public:
  enum class Change : std::uint8_t { kNone, kBegan, kEnded };
  static constexpr std::size_t kFewest = 2;  // DIPs that may have one cause

  // To be called when a DIP died or came back, when `sure` changed while active(), and when due(). `sure`:
  // how many DIPs are up and answered their last probe. `doubtful(t)`: the names of those that are up and did
  // not, and of those that are dead and were up at t; asked only when nobody is sure and one has died.
  using Doubtful = std::function<std::vector<std::string>(TimePoint)>;
  Change update(std::size_t sure, bool died, const Doubtful& doubtful, const PanicPolicy& policy,
                TimePoint now);

  [[nodiscard]] bool active() const { return active_; }
  // Whether this DIP keeps its slots though it looks dead.
  [[nodiscard]] bool keeps(const std::string& dip) const { return active_ && kept_.contains(dip); }
  // The grace is over: update() would end the panic.
  [[nodiscard]] bool due(TimePoint now) const { return ends_ && now >= *ends_; }
  // How many are kept.
  [[nodiscard]] std::size_t size() const { return kept_.size(); }
  // A DIP that is no longer there keeps nothing.
  void forget(const std::string& dip) { kept_.erase(dip); }

 private:
  Change end();

  bool active_ = false;
  std::set<std::string> kept_;
  std::optional<TimePoint> ends_;
};

}  // namespace sluice::health
