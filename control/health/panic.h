// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// When all DIPs of a service look dead at once, the fault is more likely in the probes or their way than in
// every server: the service then stays on the DIPs that were good before, and says so. "At once" means: at
// least two died within a window that is no longer than the probes need to notice one common cause. A single
// DIP that dies, and DIPs that die one after another, are believed.
//
// Panic ends when a DIP is alive again, after a grace in which the others can show that they are as well;
// what is still dead then is believed to be. Without the grace the first one to return would take all flows.
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
  Clock::duration window = std::chrono::seconds(7);  // from the first death of one cause to the last
  Clock::duration grace = std::chrono::seconds(7);   // from the first one alive to the end

  // For probes of these figures: one cause shows after `failures` - 1 intervals at the earliest, and after
  // `failures` intervals and a timeout at the latest; the same holds, with `successes`, for its end.
  static PanicPolicy of(bool enabled, const Policy& policy, Clock::duration timeout);
  friend bool operator==(const PanicPolicy&, const PanicPolicy&) = default;
};

class Panic {
 public:
  enum class Change : std::uint8_t { kNone, kBegan, kEnded };
  static constexpr std::size_t kFewest = 2;  // deaths that may have one cause

  // To be called after every change of a DIP, and when due(). `alive`: how many DIPs are. `died_since(t)`:
  // the names of those that are dead and were alive at t; asked only when nobody is alive.
  using DiedSince = std::function<std::vector<std::string>(TimePoint)>;
  Change update(std::size_t alive, const DiedSince& died_since, const PanicPolicy& policy, TimePoint now);

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
