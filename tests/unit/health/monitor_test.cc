// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What the monitor makes of servers that die, come back, join, leave and speak for themselves.
#include <algorithm>
#include <set>

#include "tests/unit/health/monitors.h"

namespace sluice::health {
namespace {

TEST_F(Monitors, ADipThatStopsServingIsDeclaredDeadAndComesBack) {
  Peer a(io_, {}), b(io_, {});
  const std::string first = "127.0.0.1:" + std::to_string(a.port()),
                    second = "127.0.0.1:" + std::to_string(b.port());
  make();
  monitor_->configure({service("web", quick(HealthType::kTcp, 0), {first, second})});
  ASSERT_TRUE(rounds(3));
  EXPECT_TRUE(heard_.empty());
  EXPECT_EQ(row("web", first).state, "up");

  b.die();
  ASSERT_TRUE(until([&] { return !healthy("web", second); }));
  EXPECT_EQ(heard_.size(), 1u);
  EXPECT_EQ(heard_[0].why, "3 failures in a row: connection refused");
  const Row dead = row("web", second);
  EXPECT_EQ(dead.state, "down");
  EXPECT_FALSE(dead.healthy);
  EXPECT_EQ(dead.probe, "tcp " + second);
  EXPECT_EQ(dead.last.back().judgement, Judgement::kBad);
  EXPECT_LE(dead.last.size(), Machine::kRemembered);

  b.come_back();
  ASSERT_TRUE(until([&] { return healthy("web", second); }));
  EXPECT_EQ(heard_.size(), 2u);
  EXPECT_EQ(heard_[1].why, "2 good answers in a row: connected");
  EXPECT_EQ(row("web", second).state, "up");
}

TEST_F(Monitors, ADeathIsSeenWithinItsIntervals) {
  Peer a(io_, {}), b(io_, {});
  const std::string second = "127.0.0.1:" + std::to_string(b.port());
  config::Health health = quick(HealthType::kTcp, 0);
  health.interval_ms = 200;
  make();
  monitor_->configure({service("web", health, {"127.0.0.1:" + std::to_string(a.port()), second})});
  ASSERT_TRUE(rounds(2));
  b.die();
  const auto died = Clock::now();
  ASSERT_TRUE(until([&] { return !healthy("web", second); }));
  const auto took = Clock::now() - died;
  EXPECT_GT(took, milliseconds(2 * 200 - 20)) << "three failures are two intervals apart";
  EXPECT_LT(took, milliseconds(3 * 200 + 500));
}

TEST_F(Monitors, AnEmptyServiceAndOneWithoutHealthHaveNoRows) {
  make();
  monitor_->configure({service("web", {}, {"127.0.0.1"}), service("tls", quick(HealthType::kTcp, 1), {})});
  EXPECT_TRUE(monitor_->rows().empty());
  EXPECT_EQ(monitor_->stats().probes, 0u);
}

// --- sharing -------------------------------------------------------------------------------------------

TEST_F(Monitors, ServicesThatAskTheSameShareTheProbeAndCountForThemselves) {
  Peer peer(io_, {});
  const std::uint16_t port = peer.port();
  config::Health patient = quick(HealthType::kTcp, port);
  patient.failures = 6;
  make();
  monitor_->configure(
      {service("web", quick(HealthType::kTcp, port), {"127.0.0.1"}), service("tls", patient, {"127.0.0.1"})});
  EXPECT_EQ(monitor_->stats().probes, 1u);
  ASSERT_TRUE(rounds(3));
  EXPECT_LE(static_cast<std::uint64_t>(peer.connections), monitor_->stats().asked + 1)
      << "and not twice as many";
  peer.die();
  ASSERT_TRUE(until([&] { return heard_.size() == 2; }));
  EXPECT_EQ(heard_[0].service, "web");
  EXPECT_EQ(heard_[1].service, "tls");
  EXPECT_EQ(heard_[1].why, "6 failures in a row: connection refused");
}

TEST_F(Monitors, ADipInTwoGroupsIsOne) {
  Peer peer(io_, {});
  config::Service s = service("web", quick(HealthType::kTcp, peer.port()), {"127.0.0.1"});
  s.groups.push_back(s.groups[0]);
  s.groups[1].name = "b";
  make();
  monitor_->configure({s});
  EXPECT_EQ(monitor_->rows().size(), 1u);
}

// --- changes of the configuration ----------------------------------------------------------------------

TEST_F(Monitors, ADipThatComesLaterJoinsWithItsFirstAnswer) {
  Peer peer(io_, {});
  const std::uint16_t port = peer.port();
  make();
  monitor_->configure({service("web", quick(HealthType::kTcp, port), {"127.0.0.1"})});
  ASSERT_TRUE(heard_.empty());
  peer.die();
  monitor_->configure({service("web", quick(HealthType::kTcp, port), {"127.0.0.1", "127.0.0.2"})});
  ASSERT_EQ(heard_.size(), 1u) << "its verdict comes before configure() returns";
  EXPECT_EQ(heard_[0].dip, "127.0.0.2");
  EXPECT_FALSE(heard_[0].healthy);
  EXPECT_EQ(row("web", "127.0.0.2").state, "joining");
  ASSERT_TRUE(rounds(6));
  EXPECT_EQ(row("web", "127.0.0.2").state, "joining");
  EXPECT_EQ(row("web", "127.0.0.2").why, "has not answered yet: connection refused");
}

TEST_F(Monitors, OneThatAnswersJoinsAtOnce) {
  Peer peer(io_, {}, {}, nullptr, "0.0.0.0");
  config::Health health = quick(HealthType::kTcp, peer.port());
  health.interval_ms = 3'600'000;
  make();
  monitor_->configure({service("web", health, {"127.0.0.1"})});
  monitor_->configure(
      {service("web", health, {"127.0.0.1", "127.0.0.2"}), service("new", health, {"127.0.0.3"})});
  EXPECT_FALSE(healthy("web", "127.0.0.2"));
  EXPECT_FALSE(healthy("new", "127.0.0.3"));
  ASSERT_TRUE(until([&] { return healthy("web", "127.0.0.2") && healthy("new", "127.0.0.3"); }))
      << "long before the interval is over";
}

TEST_F(Monitors, ADipThatWasThereAndGetsHealthLaterCountsAsUp) {
  make();
  monitor_->configure({service("web", {}, {"127.0.0.1"})});
  monitor_->configure({service("web", quick(HealthType::kTcp, 1), {"127.0.0.1"})});
  EXPECT_TRUE(heard_.empty());
  EXPECT_EQ(row("web", "127.0.0.1").state, "up");
  EXPECT_TRUE(until([&] { return !healthy("web", "127.0.0.1"); })) << "until it fails";
}

TEST_F(Monitors, EqualConfigurationsChangeNothing) {
  Peer peer(io_, {});
  const auto services = std::vector{service("web", quick(HealthType::kTcp, peer.port()), {"127.0.0.1"})};
  make();
  monitor_->configure(services);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(rounds(1));
    monitor_->configure(services);
  }
  EXPECT_TRUE(heard_.empty());
  EXPECT_EQ(row("web", "127.0.0.1").last.size(), Machine::kRemembered);
}

TEST_F(Monitors, AProbeThatChangesKeepsTheStateOfItsDip) {
  Peer good(io_, {});
  config::Health health = quick(HealthType::kTcp, 1);
  make();
  monitor_->configure({service("web", health, {"127.0.0.1"})});
  ASSERT_TRUE(until([&] { return !healthy("web", "127.0.0.1"); }));
  health.port = good.port();
  monitor_->configure({service("web", health, {"127.0.0.1"})});
  EXPECT_EQ(row("web", "127.0.0.1").state, "down") << "until it has shown otherwise";
  EXPECT_TRUE(until([&] { return healthy("web", "127.0.0.1"); }));
}

TEST_F(Monitors, WithoutHealthADeadDipIsHealthyAgain) {
  make();
  monitor_->configure({service("web", quick(HealthType::kTcp, 1), {"127.0.0.1"})});
  ASSERT_TRUE(until([&] { return !healthy("web", "127.0.0.1"); }));
  monitor_->configure({service("web", {}, {"127.0.0.1"})});
  EXPECT_TRUE(healthy("web", "127.0.0.1"));
  EXPECT_EQ(heard_.back().why, "not watched any more");
  EXPECT_EQ(monitor_->stats().probes, 0u);
}

TEST_F(Monitors, AServiceWithAnotherFaceIsToldOfItsDeadAgain) {
  make();
  config::Service s = service("web", quick(HealthType::kTcp, 1), {"127.0.0.1"});
  monitor_->configure({s});
  ASSERT_TRUE(until([&] { return !healthy("web", "127.0.0.1"); }));
  healthy_.clear();  // as maps::Live forgets a service that it takes for a new one
  s.vip = *parse_prefix("203.0.113.11");
  monitor_->configure({s});
  EXPECT_FALSE(healthy("web", "127.0.0.1"));
}

TEST_F(Monitors, ARemovedServiceIsForgottenWithItsProbes) {
  Peer peer(io_, {});
  make();
  const auto web = service("web", quick(HealthType::kTcp, peer.port()), {"127.0.0.1"});
  monitor_->configure({web, service("tls", quick(HealthType::kTcp, 1), {"127.0.0.1"})});
  ASSERT_TRUE(rounds(1));
  monitor_->configure({web});
  EXPECT_EQ(monitor_->rows().size(), 1u);
  EXPECT_EQ(monitor_->stats().probes, 1u);
  ASSERT_TRUE(rounds(5));
  for (const Heard& h : heard_) EXPECT_NE(h.service, "web");
}

TEST_F(Monitors, AVerdictMayChangeTheConfiguration) {
  Peer peer(io_, {}, {}, nullptr, "0.0.0.0");
  const auto one = service("web", quick(HealthType::kTcp, peer.port()), {"127.0.0.1"});
  auto dead = quick(HealthType::kTcp, 1);
  dead.panic = false;
  make();
  on_verdict_ = [&] { monitor_->configure({one}); };
  monitor_->configure({one, service("tls", dead, {"127.0.0.1", "127.0.0.2"})});
  ASSERT_TRUE(until([&] { return monitor_->rows().size() == 1; }));
  ASSERT_TRUE(rounds(3));
  EXPECT_EQ(row("web", "127.0.0.1").state, "up");
}

TEST_F(Monitors, AMonitorMayEndInTheMiddleOfItsProbes) {
  Peer peer(io_, {}, {}, nullptr, "0.0.0.0");
  make({.most_probes = 2});
  std::vector<std::string> dips;
  for (int i = 1; i < 50; ++i) dips.push_back("127.0.2." + std::to_string(i));
  auto health = quick(HealthType::kHttp, peer.port());  // accepted and not answered
  monitor_->configure({service("web", health, dips)});
  ASSERT_TRUE(until([&] { return monitor_->stats().waiting > 5; }));
  monitor_.reset();
  io_.restart();
  io_.run_for(milliseconds(50));
  EXPECT_TRUE(heard_.empty());
}

// --- panic ---------------------------------------------------------------------------------------------

TEST_F(Monitors, WhenAllDieAtOnceTheLastGoodSetStaysAndComesBackWhole) {
  Peer peer(io_, {}, {}, nullptr, "0.0.0.0");
  const std::vector<std::string> dips = {"127.0.0.1", "127.0.0.2", "127.0.0.3"};
  make();
  monitor_->configure({service("web", quick(HealthType::kTcp, peer.port()), dips)});
  ASSERT_TRUE(rounds(2));
  peer.die();
  ASSERT_TRUE(until([&] { return !log_.empty(); }));
  EXPECT_EQ(log_[0],
            "panic: all DIPs of service web look dead at once; the 3 that were up until now stay in use");
  for (const std::string& d : dips) {
    ASSERT_TRUE(until([&] { return row("web", d).state == "panic"; })) << d;
    EXPECT_TRUE(row("web", d).why.starts_with("kept, since all DIPs look dead at once; this one: "))
        << row("web", d).why;
  }
  ASSERT_TRUE(rounds(10));
  peer.come_back();
  ASSERT_TRUE(until([&] { return log_.size() == 2; }));
  EXPECT_EQ(log_[1], "panic of service web is over: 3 of 3 DIPs answer");
  EXPECT_TRUE(heard_.empty()) << "not one flow was moved";
}

TEST_F(Monitors, WithoutPanicAllDeadIsAllDead) {
  Peer peer(io_, {}, {}, nullptr, "0.0.0.0");
  auto health = quick(HealthType::kTcp, peer.port());
  health.panic = false;
  make();
  monitor_->configure({service("web", health, {"127.0.0.1", "127.0.0.2"})});
  ASSERT_TRUE(rounds(1));
  peer.die();
  ASSERT_TRUE(until([&] { return !healthy("web", "127.0.0.1") && !healthy("web", "127.0.0.2"); }));
  EXPECT_TRUE(log_.empty());
}

// --- agents --------------------------------------------------------------------------------------------

TEST_F(Monitors, AnAgentsWordsReachTheRowsAndTheListener) {
  std::string state = "alive";
  Peer peer(io_, [&](Session& session, const std::string&) {
    session.send_and_close(http_answer("{\"state\": \"" + state + "\", \"connections\": 12}"));
  });
  std::vector<Report> reports;
  make({.report = [&](const std::string&, const std::string&, const Report& r) { reports.push_back(r); }});
  monitor_->configure({service("web", quick(HealthType::kAgent, peer.port()), {"127.0.0.1"})});
  ASSERT_TRUE(until([&] { return !reports.empty(); }));
  EXPECT_EQ(reports[0].connections, 12u);
  EXPECT_EQ(row("web", "127.0.0.1").state, "up");
  state = "draining";
  ASSERT_TRUE(until([&] { return row("web", "127.0.0.1").state == "draining"; }));
  EXPECT_TRUE(heard_.empty()) << "a draining server serves its flows";
  state = "restarting";
  ASSERT_TRUE(until([&] { return row("web", "127.0.0.1").state == "down"; }));
}

// --- many ----------------------------------------------------------------------------------------------

TEST_F(Monitors, ThousandsOfDipsOnOneLoopInAnEvenStreamWithBoundedSockets) {
  constexpr int kDips = 3000;
  Peer peer(io_, {}, {}, nullptr, "0.0.0.0");
  std::vector<std::string> dips;
  for (int i = 0; i < kDips; ++i)
    dips.push_back("127.7." + std::to_string(i / 250) + '.' + std::to_string(1 + i % 250));
  config::Health health{.type = HealthType::kTcp, .port = peer.port()};
  health.interval_ms = 1000;
  health.timeout_ms = 1000;
  make({.most_probes = 64});
  monitor_->configure({service("web", health, dips)});
  EXPECT_EQ(monitor_->stats().probes, static_cast<std::size_t>(kDips));
  std::size_t most = 0;
  const auto begin = Clock::now();
  std::uint64_t at_half = 0;
  ASSERT_TRUE(until([&] {
    most = std::max(most, monitor_->stats().under_way);
    if (at_half == 0 && Clock::now() - begin > milliseconds(500)) at_half = monitor_->stats().asked;
    return monitor_->stats().asked >= kDips;
  }));
  EXPECT_LE(most, 64u);
  EXPECT_NEAR(static_cast<double>(at_half), kDips / 2.0, kDips / 5.0)
      << "half of them in half of the interval";
  EXPECT_EQ(monitor_->stats().failed, 0u);
  EXPECT_TRUE(heard_.empty());
}

TEST_F(Monitors, MoreProbesThanSocketsWaitTheirTurnAndNobodyDiesOfIt) {
  Peer peer(
      io_, [](Session& session, const std::string&) { session.send_and_close(http_answer("ok")); }, {},
      nullptr, "0.0.0.0");
  std::vector<std::string> dips;
  for (int i = 1; i <= 200; ++i) dips.push_back("127.8.0." + std::to_string(i));
  make({.most_probes = 1});
  monitor_->configure({service("web", quick(HealthType::kHttp, peer.port()), dips)});
  ASSERT_TRUE(until([&] {
    EXPECT_LE(monitor_->stats().under_way, 1u);
    return monitor_->stats().asked > 800;
  }));
  EXPECT_EQ(monitor_->stats().failed, 0u);
  EXPECT_TRUE(heard_.empty());
}

}  // namespace
}  // namespace sluice::health
