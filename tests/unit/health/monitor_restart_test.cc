// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A process that goes on where another one stopped: who was down stays down until probes say otherwise.
#include "tests/unit/health/monitors.h"

namespace sluice::health {
namespace {

class AfterARestart : public Monitors {
 protected:
  // What the process before left: the maps are without this DIP, and the monitor is told so.
  void was_down(const std::string& dip) {
    healthy_[{"web", dip}] = false;
    Options options;
    options.was_down = [dip](const std::string& s, const std::string& d) { return s == "web" && d == dip; };
    make(std::move(options));
  }
};

TEST_F(AfterARestart, WhoWasDownStaysDownWhileItIsDead) {
  Peer alive(io_, {}), dead(io_, {});
  const std::string first = alive.name(), second = dead.name();
  dead.die();
  was_down(second);
  monitor_->configure({service("web", quick(HealthType::kTcp, 0), {first, second})});
  EXPECT_EQ(row("web", second).state, "down");
  EXPECT_FALSE(row("web", second).healthy);
  ASSERT_TRUE(rounds(5));
  EXPECT_TRUE(heard_.empty()) << "the maps are as they should be: nothing to publish";
  EXPECT_EQ(row("web", first).state, "up");
  EXPECT_EQ(row("web", second).state, "down");
}

TEST_F(AfterARestart, WhoWasDownAndAnswersAgainNeedsTheSameGoodAnswersAsEver) {
  Peer alive(io_, {}), back(io_, {});
  const std::string first = alive.name(), second = back.name();
  was_down(second);
  monitor_->configure({service("web", quick(HealthType::kTcp, 0), {first, second})});
  ASSERT_TRUE(until([&] { return healthy("web", second); }));
  ASSERT_EQ(heard_.size(), 1u);
  EXPECT_EQ(heard_[0].why, "2 good answers in a row: connected");
}

TEST_F(AfterARestart, WhoWasUpAndDiedMeanwhileIsFoundOut) {
  Peer alive(io_, {}), other(io_, {});
  const std::string first = alive.name(), second = other.name();
  other.die();
  was_down("127.0.0.9:9");
  monitor_->configure({service("web", quick(HealthType::kTcp, 0), {first, second})});
  EXPECT_EQ(row("web", second).state, "up") << "until it fails";
  ASSERT_TRUE(until([&] { return !healthy("web", second); }));
  EXPECT_EQ(heard_[0].why, "3 failures in a row: connection refused");
}

TEST_F(AfterARestart, TheProcessBeforeSaysNothingOfADipThatComesLater) {
  Peer alive(io_, {}), later(io_, {});
  const std::string first = alive.name(), second = later.name();
  was_down("127.0.0.9:9");
  monitor_->configure({service("web", quick(HealthType::kTcp, 0), {first})});
  ASSERT_TRUE(rounds(2));
  monitor_->configure({service("web", quick(HealthType::kTcp, 0), {first, second})});
  EXPECT_EQ(row("web", second).state, "joining");
  ASSERT_TRUE(until([&] { return heard_.size() == 2; }));
  EXPECT_FALSE(heard_[0].healthy);
  EXPECT_TRUE(heard_[1].healthy);
}

}  // namespace
}  // namespace sluice::health
