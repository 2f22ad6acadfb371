// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The watchdog: looks at the workers' turns in a steady rhythm, tells systemd that all is well only when
// every one of them has turned since the last time (sd_watchdog_enabled(3), WATCHDOG=1), and names the one
// that is stuck. A control thread that hangs tells systemd nothing, which is what WatchdogSec is for. Control
// thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "control/supervise/turn_watch.h"

namespace sluice::supervise {

class Watchdog {
 public:
  struct Options {
    std::function<std::vector<std::uint64_t>()> turns;  // of the workers
    std::function<std::chrono::milliseconds()> limit;   // 0: systemd is told, and nobody is named
    // Called once for each worker that is stuck, and again only after it has turned in between.
    std::function<void(const TurnWatch::Stuck&)> on_stuck;
  };

  // Looks from now on.
  Watchdog(boost::asio::io_context& io, Options options);

 private:
  using Clock = std::chrono::steady_clock;
  void look();

  Options options_;
  boost::asio::steady_timer timer_;
  std::chrono::milliseconds rhythm_;
  TurnWatch watch_;
  Clock::time_point last_;
  std::vector<std::size_t> named_;
};

}  // namespace sluice::supervise
