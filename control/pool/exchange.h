// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// When an overloaded member gives its IIPs to a spare (A20): busier than a limit for a while, and a spare is
// idle enough to be better at it. After an exchange, whoever began it, there is none for a pause, so that two
// members do not pass the load to and fro. Pure; one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sluice::pool {

struct ExchangeRule {
  unsigned busy_percent = 0;        // more than so much is too much; 0 = never exchange
  std::chrono::seconds after{10};   // for so long
  std::chrono::seconds pause{300};  // from one exchange to the next
  friend bool operator==(const ExchangeRule&, const ExchangeRule&) = default;
};

// A spare is worth the exchange when it is this much less busy.
inline constexpr unsigned kWorthPercent = 25;

class ExchangePolicy {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Spare {
    std::string name;
    unsigned busy_percent = 0;
  };

  explicit ExchangePolicy(const ExchangeRule& rule) : rule_(rule) {}

  // To be called every second or so by the member that holds something. The spare to exchange with, now.
  std::optional<std::string> observe(unsigned busy_percent, const std::vector<Spare>& spares, TimePoint now);
  // IIPs moved, for whatever reason.
  void moved(TimePoint now);

 private:
  const ExchangeRule rule_;
  std::optional<TimePoint> busy_since_, moved_;
};

}  // namespace sluice::pool
