// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Probers against real sockets of this process: one question at a time, to its end.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>

#include "control/health/probe.h"
#include "control/health/prober.h"
#include "tests/unit/health/peer.h"

namespace sluice::health {

using config::HealthType;
using std::chrono::milliseconds;

class Probers : public testing::Test {
 protected:
  Spec spec(HealthType type, std::uint16_t port, const char* address = "127.0.0.1") {
    Spec s;
    s.type = type;
    s.address = *parse_address(address);
    s.port = port;
    if (type != HealthType::kTcp && type != HealthType::kUdp && type != HealthType::kIcmp)
      s.path = "/healthz";
    s.timeout = milliseconds(2000);
    s.interval = std::chrono::hours(1);  // one result is enough
    return s;
  }

  // The result of one probe, timeout included.
  Result ask(const Spec& spec) {
    Gate gate(1);
    std::optional<Result> result;
    const auto probe = std::make_shared<Probe>(around_, gate, spec, Clock::duration::zero(),
                                               [&](const Answer& answer, const Result& r) {
                                                 report_ = answer.report;
                                                 result = r;
                                                 return std::optional<unsigned>();
                                               });
    probe->start_at(Clock::now());
    EXPECT_TRUE(run_until(io_, [&] { return result.has_value(); }));
    EXPECT_EQ(gate.inside(), 0u);
    return result.value_or(Result{});
  }

  // Asks the same prober again and again, as the monitor does.
  Answer again(Prober& prober) {
    std::optional<Answer> answer;
    prober.ask([&](Answer a) { answer = std::move(a); });
    EXPECT_FALSE(answer) << "called before ask() returned";
    EXPECT_TRUE(run_until(io_, [&] { return answer.has_value(); }));
    return answer.value_or(Answer{});
  }

  boost::asio::io_context io_;
  Surroundings around_{.io = io_, .pinger = nullptr, .tls = nullptr};
  std::optional<Report> report_;
};

// A port that was free a moment ago.
inline std::uint16_t closed_port() {
  boost::asio::io_context io;
  return Peer(io, {}).port();
}

}  // namespace sluice::health
