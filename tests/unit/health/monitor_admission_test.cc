// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A DIP that joins gets its first packet when it has answered and a made-up doctor has found nothing wrong.
#include <algorithm>
#include <boost/asio/post.hpp>

#include "tests/unit/health/monitors.h"

namespace sluice::health {
namespace {

class Admissions : public Monitors {
 protected:
  struct Visit {
    std::string service, dip;
    Walked done;
  };

  // The doctor remembers each walk, and says nothing before the test has him do so.
  Options with_doctor() {
    Options options;
    options.walk = [this](const config::Service& s, const config::Dip& d, Walked done) {
      visits_.push_back({s.name, config::to_string(config::AddressPort{d.address, d.port}), std::move(done)});
      EXPECT_TRUE(s.groups.empty());
    };
    return options;
  }
  void say(const Finding& finding) {
    const Walked done = std::exchange(visits_.back().done, nullptr);
    ASSERT_TRUE(done);
    done(finding);
  }
  bool walks(std::size_t count) {
    return until([this, count] { return visits_.size() == count; });
  }
  // A service that serves with `first`, and `second` joins it.
  void join(const std::string& first, const std::string& second, config::Health health) {
    monitor_->configure({service("web", health, {first})});
    ASSERT_TRUE(rounds(2));
    monitor_->configure({service("web", health, {first, second})});
  }

  const config::Health health_ = quick(HealthType::kTcp, 0);
  const Finding kGoodWay{.text = "the doctor found its way good"};
  const Finding kNoVip{.refused = true, .text = "the VIP is not on the server"};
  std::vector<Visit> visits_;
};

TEST_F(Admissions, ADipThatJoinsIsLetInWhenTheDoctorHasFoundNothing) {
  Peer a(io_, {}), b(io_, {});
  make(with_doctor());
  join(a.name(), b.name(), health_);
  ASSERT_TRUE(walks(1));
  EXPECT_EQ(visits_[0].dip, b.name()) << "and nobody goes to the one that was there";
  ASSERT_TRUE(rounds(3));
  EXPECT_EQ(visits_.size(), 1u) << "one walk at a time";
  EXPECT_EQ(row("web", b.name()).state, "joining");
  EXPECT_EQ(row("web", b.name()).why, "answers: connected; the doctor has yet to walk its way");
  EXPECT_FALSE(healthy("web", b.name()));
  say(kGoodWay);
  EXPECT_TRUE(healthy("web", b.name()));
  EXPECT_EQ(heard_.back().why, "its first answer: connected; the doctor found its way good");
  EXPECT_EQ(row("web", b.name()).state, "up");
  EXPECT_EQ(monitor_->stats().walks, 1u);
  EXPECT_EQ(monitor_->stats().refused_walks, 0u);
}

TEST_F(Admissions, ADipThatDoesNotAnswerIsNotWalkedTo) {
  Peer a(io_, {}), b(io_, {});
  b.die();
  make(with_doctor());
  join(a.name(), b.name(), health_);
  ASSERT_TRUE(rounds(4));
  EXPECT_TRUE(visits_.empty());
  b.come_back();
  EXPECT_TRUE(walks(1));
}

TEST_F(Admissions, WhatTheDoctorFindsKeepsADipOutAndIsSaidOnce) {
  Peer a(io_, {}), b(io_, {});
  make(with_doctor());
  join(a.name(), b.name(), health_);
  ASSERT_TRUE(walks(1));
  say(kNoVip);
  const Row kept = row("web", b.name());
  EXPECT_EQ(kept.state, "joining");
  EXPECT_EQ(kept.why, "the doctor: the VIP is not on the server");
  EXPECT_TRUE(kept.refused);
  EXPECT_FALSE(healthy("web", b.name()));
  ASSERT_TRUE(walks(2)) << "he comes again by himself";
  say(kNoVip);
  EXPECT_EQ(log_, (std::vector<std::string>{"service web: DIP " + b.name() +
                                            " gets nothing yet: the doctor: the VIP is not on the server"}));
  ASSERT_TRUE(walks(3));
  say(kGoodWay);
  EXPECT_TRUE(healthy("web", b.name()));
  EXPECT_FALSE(row("web", b.name()).refused);
  EXPECT_EQ(monitor_->stats().walks, 3u);
  EXPECT_EQ(monitor_->stats().refused_walks, 2u);
}

TEST_F(Admissions, ADipThatFailsDuringTheWalkIsWalkedToAgainWhenItAnswers) {
  Peer a(io_, {}), b(io_, {});
  make(with_doctor());
  join(a.name(), b.name(), health_);
  ASSERT_TRUE(walks(1));
  b.die();
  ASSERT_TRUE(until([&] { return row("web", b.name()).why.starts_with("does not answer any more"); }));
  say(kGoodWay);
  EXPECT_FALSE(healthy("web", b.name()));
  EXPECT_EQ(row("web", b.name()).state, "joining");
  b.come_back();
  ASSERT_TRUE(walks(2));
  say(kGoodWay);
  EXPECT_TRUE(healthy("web", b.name()));
}

TEST_F(Admissions, ADipThatComesBackIsNotWalkedTo) {
  Peer a(io_, {}), b(io_, {});
  make(with_doctor());
  join(a.name(), b.name(), health_);
  ASSERT_TRUE(walks(1));
  say(kGoodWay);
  b.die();
  ASSERT_TRUE(until([&] { return !healthy("web", b.name()); }));
  EXPECT_EQ(row("web", b.name()).state, "down");
  b.come_back();
  ASSERT_TRUE(until([&] { return healthy("web", b.name()); }));
  EXPECT_EQ(visits_.size(), 1u);
}

TEST_F(Admissions, TheServiceMayDoWithoutTheDoctor) {
  Peer a(io_, {}), b(io_, {});
  make(with_doctor());
  config::Health health = health_;
  health.admit = config::Admit::kProbe;
  join(a.name(), b.name(), health);
  ASSERT_TRUE(until([&] { return healthy("web", b.name()); }));
  EXPECT_EQ(heard_.back().why, "its first answer: connected");
  EXPECT_TRUE(visits_.empty());
}

TEST_F(Admissions, TheServiceMayDoWithoutHimWhileHeKeepsADipOut) {
  Peer a(io_, {}), b(io_, {});
  make(with_doctor());
  join(a.name(), b.name(), health_);
  ASSERT_TRUE(walks(1));
  say(kNoVip);
  config::Health health = health_;
  health.admit = config::Admit::kProbe;
  monitor_->configure({service("web", health, {a.name(), b.name()})});
  EXPECT_TRUE(until([&] { return healthy("web", b.name()); }));
}

TEST_F(Admissions, AChangeOfTheServiceMakesAWalkWorthless) {
  Peer a(io_, {}), b(io_, {});
  make(with_doctor());
  join(a.name(), b.name(), health_);
  ASSERT_TRUE(walks(1));
  config::Service changed = service("web", health_, {a.name(), b.name()});
  changed.encapsulation = config::Encapsulation::kGue;
  monitor_->configure({changed});
  const Walked of_the_old_one = visits_[0].done;
  ASSERT_TRUE(walks(2));
  of_the_old_one(kGoodWay);
  EXPECT_FALSE(healthy("web", b.name()));
  say(kGoodWay);
  EXPECT_TRUE(healthy("web", b.name()));
}

TEST_F(Admissions, ADipThatIsTakenOutMeanwhileIsForgotten) {
  Peer a(io_, {}), b(io_, {});
  make(with_doctor());
  join(a.name(), b.name(), health_);
  ASSERT_TRUE(walks(1));
  monitor_->configure({service("web", health_, {a.name()})});
  say(kNoVip);
  EXPECT_TRUE(log_.empty());
  monitor_->configure({service("web", health_, {a.name(), b.name()})});
  ASSERT_TRUE(walks(2));
  say(kNoVip);
  monitor_->configure({service("web", health_, {a.name()})});
  const std::uint64_t before = monitor_->stats().asked;
  ASSERT_TRUE(until([&] { return monitor_->stats().asked >= before + 60; })) << "longer than the pause";
  EXPECT_EQ(visits_.size(), 2u);
}

TEST_F(Admissions, WhoseVerdictComesAfterTheMonitorsEndIsNotHeard) {
  Peer a(io_, {}), b(io_, {});
  make(with_doctor());
  join(a.name(), b.name(), health_);
  ASSERT_TRUE(walks(1));
  const std::size_t said = heard_.size();
  monitor_.reset();
  say(kGoodWay);
  EXPECT_EQ(heard_.size(), said);
}

TEST_F(Admissions, WhoWasDownBeforeARestartIsWalkedToLikeANewOne) {
  Peer a(io_, {}), b(io_, {});
  const std::string second = b.name();
  healthy_[{"web", second}] = false;
  Options options = with_doctor();
  options.was_down = [second](const std::string&, const std::string& d) { return d == second; };
  make(std::move(options));
  monitor_->configure({service("web", health_, {a.name(), second})});
  EXPECT_EQ(row("web", second).state, "down");
  ASSERT_TRUE(walks(1));
  EXPECT_EQ(visits_[0].dip, second);
  EXPECT_EQ(row("web", second).state, "joining");
  EXPECT_TRUE(heard_.empty()) << "it was out, and it is: nothing to publish";
  say(kGoodWay);
  EXPECT_TRUE(healthy("web", second));
}

TEST_F(Admissions, OneThatWaitsAtTheGateDoesNotMakeAPanicOfADeath) {
  Peer a(io_, {}), b(io_, {});
  make(with_doctor());
  join(a.name(), b.name(), health_);
  ASSERT_TRUE(walks(1));
  a.die();
  b.die();
  ASSERT_TRUE(until([&] { return !healthy("web", a.name()); }));
  EXPECT_EQ(row("web", a.name()).state, "down") << "the only one of the service that was up: believed";
  EXPECT_EQ(row("web", b.name()).state, "joining");
  EXPECT_FALSE(healthy("web", b.name()));
}

}  // namespace
}  // namespace sluice::health
