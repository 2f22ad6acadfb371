// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The monitor as a whole: real servers on loopback (each address of 127.0.0.0/8 is a DIP), short intervals,
// and verdicts as the events to wait for.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/config/address_port.h"
#include "control/health/monitor.h"
#include "tests/unit/health/peer.h"

namespace sluice::health {

using config::HealthType;
using std::chrono::milliseconds;

inline config::Dip dip(const std::string& text) {
  const auto at = config::parse_address_port(text);
  return {.address = at->address, .port = at->port};
}

inline config::Service service(const std::string& name, config::Health health,
                               const std::vector<std::string>& dips) {
  config::Service s;
  s.name = name;
  s.vip = *parse_prefix("203.0.113.10");
  s.port = 80;
  s.health = std::move(health);
  s.groups = {{.name = "default", .weight = 0, .dips = {}}};
  for (const std::string& d : dips) s.groups[0].dips.push_back(dip(d));
  return s;
}

inline config::Health quick(HealthType type, std::uint16_t port) {
  config::Health health{.type = type, .port = port};
  health.interval_ms = 20;
  health.timeout_ms = 200;
  return health;
}

struct Heard {
  std::string service, dip;
  bool healthy;
  std::string why;
};

class Monitors : public testing::Test {
 protected:
  void make(Options options = {}) {
    options.log = [this](const std::string& sentence) { log_.push_back(sentence); };
    monitor_ = std::make_unique<Monitor>(
        io_,
        [this](const std::string& s, const std::string& d, bool healthy, const std::string& why) {
          heard_.push_back({s, d, healthy, why});
          const bool before = this->healthy(s, d);
          EXPECT_NE(healthy, before) << "said twice: " << s << ' ' << d;
          healthy_[{s, d}] = healthy;
          if (on_verdict_) on_verdict_();
        },
        std::move(options));
  }
  bool until(const std::function<bool()>& condition) { return run_until(io_, condition); }
  bool healthy(const std::string& s, const std::string& d) const {
    const auto at = healthy_.find({s, d});
    return at == healthy_.end() || at->second;
  }
  Row row(const std::string& s, const std::string& d) const {
    for (Row& r : monitor_->rows()) {
      if (r.service == s && r.address == d) return r;
    }
    ADD_FAILURE() << "no row for " << s << ' ' << d;
    return {};
  }
  // Each probe has come round `times` more.
  bool rounds(std::uint64_t times) {
    const std::uint64_t goal = monitor_->stats().asked + times * monitor_->stats().probes;
    return until([&] { return monitor_->stats().asked >= goal; });
  }

  boost::asio::io_context io_;
  std::vector<Heard> heard_;
  std::map<std::pair<std::string, std::string>, bool> healthy_;
  std::vector<std::string> log_;
  std::function<void()> on_verdict_;
  std::unique_ptr<Monitor> monitor_;
};

}  // namespace sluice::health
