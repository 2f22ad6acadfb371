// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// When load alone moves the IIPs, on a made-up clock.
#include "control/pool/exchange.h"

#include <gtest/gtest.h>

namespace sluice::pool::test {
namespace {

using namespace std::chrono_literals;

constexpr ExchangeRule kRule{80, 10s, 60s};
const std::vector<ExchangePolicy::Spare> kIdle = {{"mux3", 5}, {"mux2", 5}, {"mux4", 9}};

struct Member {
  explicit Member(ExchangeRule rule = kRule) : policy(rule) {}
  // The first second from now in which it exchanges, with whom; "" when it does not within `seconds`.
  std::string within(int seconds, unsigned busy, const std::vector<ExchangePolicy::Spare>& spares = kIdle) {
    for (int i = 0; i < seconds; ++i, now += 1s)
      if (const auto to = policy.observe(busy, spares, now)) return std::to_string(i) + " s: " + *to;
    return {};
  }
  std::chrono::steady_clock::time_point now{1h};
  ExchangePolicy policy;
};

TEST(Exchange, BusyForLongEnoughGoesToTheIdlestSpare) {
  EXPECT_EQ(Member().within(100, 90), "10 s: mux2");
}

TEST(Exchange, AtTheLimitIsNotAboveIt) {
  EXPECT_EQ(Member().within(100, 80), "");
}

TEST(Exchange, AMomentOfPeaceBeginsTheCountAnew) {
  Member member;
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(member.within(9, 95), "");
    EXPECT_EQ(member.within(1, 70), "");
  }
}

TEST(Exchange, WithoutARuleThereIsNone) {
  EXPECT_EQ(Member({0, 10s, 60s}).within(1000, 100), "");
}

TEST(Exchange, ASpareThatIsHardlyIdlerIsNotWorthIt) {
  EXPECT_EQ(Member().within(100, 90, {{"mux2", 66}}), "");
  EXPECT_EQ(Member().within(100, 90, {{"mux2", 65}}), "10 s: mux2");
  EXPECT_EQ(Member().within(100, 90, {}), "");
}

TEST(Exchange, AfterAnyMoveThereIsAPause) {
  Member member;
  member.policy.moved(member.now);
  EXPECT_EQ(member.within(300, 100), "60 s: mux2");
}

// Two members and a load that overloads whoever has it: it does not go to and fro faster than the pause.
TEST(Exchange, AnOverloadThatNobodyCanCarryDoesNotSwing) {
  Member members[2];
  unsigned holder = 0, exchanges = 0;
  for (int second = 0; second < 3600; ++second) {
    for (Member& member : members) member.now += 1s;
    Member& active = members[holder];
    if (active.policy.observe(95, {{"other", 0}}, active.now)) {
      for (Member& member : members) member.policy.moved(member.now);
      holder = 1 - holder;
      ++exchanges;
    }
  }
  EXPECT_GE(exchanges, 1u);
  EXPECT_LE(exchanges, 60u);
}

}  // namespace
}  // namespace sluice::pool::test
