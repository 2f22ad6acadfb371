// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// When a DIP that joins is walked to again, and what the operator hears of it, on a made-up clock.
#include "control/health/admission.h"

#include <gtest/gtest.h>

namespace sluice::health {
namespace {

using std::chrono::seconds;

const Finding kNoVip{.refused = true, .text = "the VIP is not on the server"};
const Finding kNoTunnel{.refused = true, .text = "the tunnel is not decapsulated"};
const Finding kSomething{.refused = true, .text = "tunnel: waited 1500 ms", .examined = false};

struct AtTheGate : testing::Test {
  TimePoint now{seconds(1000)};
  Admission admission;
};

TEST_F(AtTheGate, TheFirstWalkBeginsAtOnce) {
  EXPECT_TRUE(admission.due(now));
  EXPECT_EQ(admission.verdict(), "");
}

TEST_F(AtTheGate, ThereIsOneWalkAtATime) {
  const auto ticket = admission.begin();
  EXPECT_FALSE(admission.due(now + seconds(100)));
  EXPECT_FALSE(ticket.expired());
  admission.end();
  EXPECT_TRUE(admission.due(now));
  EXPECT_TRUE(ticket.expired());
}

TEST_F(AtTheGate, WalksThatFailAreRepeatedLaterEachTime) {
  std::vector<long> delays;
  for (unsigned i = 0; i < 7; ++i) {
    static_cast<void>(admission.begin());
    admission.refuse(kNoVip, now);
    delays.push_back(std::chrono::duration_cast<seconds>(admission.next() - now).count());
    EXPECT_FALSE(admission.due(admission.next() - seconds(1)));
    now = admission.next();
    EXPECT_TRUE(admission.due(now));
  }
  EXPECT_EQ(delays, (std::vector<long>{1, 2, 4, 8, 15, 15, 15}));
}

TEST_F(AtTheGate, AVerdictIsNewsOnce) {
  EXPECT_TRUE(admission.refuse(kNoVip, now));
  EXPECT_FALSE(admission.refuse(kNoVip, now));
  EXPECT_TRUE(admission.refuse(kNoTunnel, now));
  EXPECT_EQ(admission.verdict(), "the tunnel is not decapsulated");
}

TEST_F(AtTheGate, WhatNobodyExaminedStandsUntilSomebodyDoes) {
  EXPECT_TRUE(admission.refuse(kSomething, now));
  EXPECT_EQ(admission.verdict(), "tunnel: waited 1500 ms");
  EXPECT_TRUE(admission.refuse(kNoVip, now));
  EXPECT_FALSE(admission.refuse(kSomething, now));
  EXPECT_EQ(admission.verdict(), "the VIP is not on the server");
}

TEST_F(AtTheGate, WhatIsAskedAnewIsWalkedAnew) {
  for (unsigned i = 0; i < 5; ++i) admission.refuse(kNoVip, now);
  const auto ticket = admission.begin();
  admission.begin_anew();
  EXPECT_TRUE(ticket.expired()) << "its walk was to another service";
  EXPECT_TRUE(admission.due(now));
  admission.refuse(kNoVip, now);
  EXPECT_EQ(admission.next(), now + kFirstWalkAgain);
}

}  // namespace
}  // namespace sluice::health
