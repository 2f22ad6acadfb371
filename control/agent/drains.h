// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Which services of this server the MUXes are draining (A14): told by POST /drain and /undrain, forgotten at
// the deadline of the last MUX that asked. A drained service goes on serving; what is done about it is the
// hook's business (agent.cc). Pure: time comes in as an argument. Bounded: only services of the configuration
// can be drained, by at most kMostAsking MUXes each.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/agent/config.h"

namespace sluice::agent {

using DrainClock = std::chrono::steady_clock;

struct DrainKey {
  Prefix vip;
  Protocol protocol = Protocol::kAny;
  std::uint16_t port = 0;      // as clients see it; 0 = every port
  std::uint16_t dip_port = 0;  // where the server listens; 0 = on `port`
  friend auto operator<=>(const DrainKey&, const DrainKey&) = default;
};

std::string describe(const DrainKey& key);  // "203.0.113.10 tcp port 80"

struct DrainOrder {
  DrainKey key;
  std::chrono::seconds deadline{0};
};

inline constexpr std::chrono::seconds kLongestDrain = std::chrono::hours(24 * 7);
inline constexpr std::size_t kMostAsking = 16;

// A body such as {"vip": "203.0.113.10", "protocol": "tcp", "port": 80, "deadline_s": 300}; `deadline_s` may
// be left out (then it is the longest) and is cut to kLongestDrain. The service must be one of the
// configuration's, or part of one that takes every port or protocol. Else nothing, and `error` is a sentence.
std::optional<DrainOrder> read_drain(std::string_view body, const Config& config, std::string& error);

struct Drain {
  DrainClock::time_point since;
  std::map<IpAddress, DrainClock::time_point> asking;  // MUX -> its deadline
  std::uint64_t connections = 0;                       // when last counted
  bool counted = false;
  std::optional<DrainClock::time_point> empty_since;
};

class Drains {
 public:
  // True when it begins with this order; an order that is known is prolonged. Nothing when too many ask.
  std::optional<bool> begin(const DrainOrder& order, const IpAddress& mux, DrainClock::time_point now);
  // True when it ends with this word: nobody else asks for it.
  bool end(const DrainKey& key, const IpAddress& mux);
  // Takes out what is over, and returns it.
  std::vector<DrainKey> expire(DrainClock::time_point now);
  // What the kernel counted for `key`. True when its last connection has gone since the count before.
  bool count(const DrainKey& key, std::uint64_t connections, DrainClock::time_point now);

  [[nodiscard]] const std::map<DrainKey, Drain>& all() const { return all_; }
  // The service, or one that it is part of, is being drained.
  [[nodiscard]] bool covers(const Prefix& vip, const Service& service) const;
  // The drained services as VIPs, to count their connections; and the counts back, in the order of all().
  [[nodiscard]] std::vector<Vip> as_vips() const;

 private:
  std::map<DrainKey, Drain> all_;
};

}  // namespace sluice::agent
