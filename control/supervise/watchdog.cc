// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/supervise/watchdog.h"

#include <systemd/sd-daemon.h>

#include <algorithm>
#include <utility>

namespace sluice::supervise {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRhythm{250}, kShortest{20};

// systemd kills after the time that it names; three signs of life within it leave room for a late one.
milliseconds rhythm() {
  std::uint64_t limit_us = 0;
  if (sd_watchdog_enabled(0, &limit_us) <= 0) return kRhythm;
  return std::clamp(milliseconds(limit_us / 3000), kShortest, kRhythm);
}

}  // namespace

Watchdog::Watchdog(boost::asio::io_context& io, Options options)
    : options_(std::move(options)), timer_(io), rhythm_(rhythm()), last_(Clock::now()) {
  look();
}

void Watchdog::look() {
  const auto now = Clock::now();
  const auto step = std::chrono::duration_cast<milliseconds>(now - std::exchange(last_, now));
  if (watch_.look(options_.turns(), step)) sd_notify(0, "WATCHDOG=1");
  const milliseconds limit = options_.limit();
  std::vector<std::size_t> named;
  if (limit.count() > 0) {
    for (const TurnWatch::Stuck& stuck : watch_.stuck(limit)) {
      named.push_back(stuck.worker);
      if (std::ranges::find(named_, stuck.worker) == named_.end()) options_.on_stuck(stuck);
    }
  }
  named_ = std::move(named);
  timer_.expires_after(rhythm_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) look();
  });
}

}  // namespace sluice::supervise
