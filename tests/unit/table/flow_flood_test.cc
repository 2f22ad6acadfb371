// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Floods (F6): whatever strangers send, a flow that is alive stays, memory stays, and the order in which the
// others make room is the promised one.
#include <gtest/gtest.h>

#include <random>

#include "dataplane/table/flow_table.h"
#include "tests/unit/table/flow_tools.h"

namespace sluice::test {
namespace {

constexpr std::uint32_t kStrangers = 0x80000000;  // numbers of flows that belong to a flood

FlowTable::Limits limits(std::uint32_t flows, double share = 0.25) {
  FlowTable::Limits l;
  l.flows_v4 = l.flows_v6 = flows;
  l.probation_share = share;
  return l;
}

struct Flood {
  const char* name;
  std::uint8_t protocol;
  unsigned packets_each;
  bool closes;
};

class FlowFlood : public testing::TestWithParam<std::tuple<Flood, bool>> {};

// 20,000 flows fit; 10,000 are real and speak every second; a million strangers come in 20 seconds.
TEST_P(FlowFlood, NoFlowThatIsAliveIsLost) {
  const auto& [flood, v6] = GetParam();
  FlowTable table(limits(20'000));
  std::uint32_t now = 0xffffff00;
  constexpr std::uint32_t kReal = 10'000, kFlood = 1'000'000, kTicks = 20 * FlowClock::kTicksPerSecond;
  // Real ones come first, a few at a time, as probation has room.
  for (std::uint32_t i = 0; i < kReal; ++i) {
    ASSERT_NE(establish(table, flow_key(i, kProtoTcp, v6), now), nullptr);
  }
  std::uint64_t bytes = 0, most_in_probation = 0;
  std::size_t resident = 0;
  for (std::uint32_t n = 0; n < kFlood; ++n) {
    if (n % (kFlood / kTicks) == 0) {
      ++now;
      for (std::uint32_t i = now % FlowClock::kTicksPerSecond; i < kReal; i += FlowClock::kTicksPerSecond) {
        Flow* flow = find(table, flow_key(i, kProtoTcp, v6), now);
        ASSERT_NE(flow, nullptr) << "real flow " << i << " after " << n << " strangers";
        table.touch(*flow, kData, now);
      }
      table.age(now, 500);
    }
    const FlowKey key = flow_key(kStrangers + n, flood.protocol, v6);
    Flow* flow = open(table, key, now).flow;
    for (unsigned more = 1; flow && more < flood.packets_each; ++more) table.touch(*flow, kData, now);
    if (flow && flood.closes) table.touch(*flow, kFin, now);
    most_in_probation = std::max(most_in_probation, table.probation_size());
    ASSERT_LE(table.size(), 20'000u);
    if (n == kFlood / 2) bytes = table.bytes(), resident = resident_bytes();
  }
  EXPECT_LE(most_in_probation, 2500u);
  EXPECT_EQ(table.bytes(), bytes);
  EXPECT_LE(resident_bytes(), resident + (1u << 20));
  EXPECT_GT(table.counters().untracked(), 0u);
  EXPECT_EQ(table.counters().evicted_idle, 0u);
  for (std::uint32_t i = 0; i < kReal; ++i) {
    ASSERT_NE(find(table, flow_key(i, kProtoTcp, v6), now), nullptr) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, FlowFlood,
    testing::Combine(testing::Values(Flood{"Syn", kProtoTcp, 1, false}, Flood{"Udp", kProtoUdp, 1, false},
                                     Flood{"Esp", 50, 2, false}, Flood{"SynAck", kProtoTcp, 2, false},
                                     Flood{"Udp3", kProtoUdp, 3, false}, Flood{"SynRst", kProtoTcp, 1, true}),
                     testing::Bool()),
    [](const auto& info) {
      return std::string(std::get<0>(info.param).name) + (std::get<1>(info.param) ? "V6" : "V4");
    });

TEST(FlowRoom, AUdpFloodLeavesProbationToConnections) {
  FlowTable table(limits(8000));  // 1,000 in probation for each kind
  for (std::uint32_t n = 0; n < 5000; ++n) open(table, flow_key(kStrangers + n, kProtoUdp), 0);
  EXPECT_EQ(table.probation_size(), 1000u);
  EXPECT_EQ(table.counters().untracked_probation, 4000u);
  for (std::uint32_t n = 0; n < 1000; ++n) ASSERT_NE(open(table, flow_key(n), 0).flow, nullptr);
  EXPECT_EQ(open(table, flow_key(1000), 0).flow, nullptr);
  EXPECT_EQ(table.counters().evicted_probation, 0u);
}

TEST(FlowRoom, FullProbationGivesTheOldestAwayOnlyWhenItsTimeIsOver) {
  FlowTable table(limits(8000));
  for (std::uint32_t n = 0; n < 1000; ++n) ASSERT_NE(open(table, flow_key(n), n).flow, nullptr);
  EXPECT_EQ(open(table, flow_key(1000), seconds(10)).flow, nullptr);
  EXPECT_NE(open(table, flow_key(1000), seconds(10) + 1).flow, nullptr);
  EXPECT_EQ(table.peek(flow_key(0), flow_hash(flow_key(0)), seconds(10)), nullptr);
  EXPECT_NE(table.peek(flow_key(1), flow_hash(flow_key(1)), seconds(10)), nullptr);
  EXPECT_EQ(table.probation_size(), 1000u);
}

TEST(FlowRoom, ReopeningNeedsRoomInProbation) {
  FlowTable table(limits(8000));
  Flow* flow = establish(table, flow_key(0), 0);
  table.touch(*flow, kFin, 0);
  for (std::uint32_t n = 1; n <= 1000; ++n) ASSERT_NE(open(table, flow_key(n), 0).flow, nullptr);
  EXPECT_EQ(table.touch(*flow, kSyn, 0), FlowEvent::kNothing);
  EXPECT_EQ(flow->state(), FlowState::kClosing);
  EXPECT_EQ(table.touch(*flow, kSyn, seconds(10) + 1), FlowEvent::kReopened);
  EXPECT_EQ(flow->state(), FlowState::kProbation);
  EXPECT_EQ(table.probation_size(), 1000u);
  EXPECT_EQ(table.counters().reopened, 1u);
}

// A full table of 60: what leaves, in which order.
class FlowOrder : public testing::Test {
 protected:
  static constexpr std::uint32_t kFlows = 60;

  FlowOrder() : table_(limits(kFlows, 1), departures_.observer()) {}
  void real(std::uint32_t from, std::uint32_t to, std::uint32_t now) {
    for (std::uint32_t n = from; n < to; ++n) establish(table_, flow_key(n), now)->target = n;
  }
  // Which target left when a stranger came; none: ~0.
  std::uint32_t stranger(std::uint32_t now) {
    const std::size_t before = departures_.list.size();
    opened_ = open(table_, flow_key(kStrangers + strangers_++), now, kStrangers).flow;
    if (departures_.list.size() == before) return ~0u;
    EXPECT_EQ(departures_.list.size(), before + 1);
    return departures_.list.back().target;
  }

  Departures departures_;
  FlowTable table_;
  Flow* opened_ = nullptr;
  std::uint32_t strangers_ = 0;
};

TEST_F(FlowOrder, OldestInProbationFirst) {
  real(0, 50, 0);
  for (std::uint32_t n = 50; n < 60; ++n) open(table_, flow_key(n), n, n);
  table_.touch(*find(table_, flow_key(52), 60), kFin, 60);
  table_.touch(*find(table_, flow_key(54), 60), kData, 60);
  for (const std::uint32_t n : {50u, 51u, 53u, 55u, 56u, 57u, 58u, 59u}) EXPECT_EQ(stranger(100), n);
  EXPECT_EQ(stranger(100), kStrangers) << "then strangers push strangers out";
  EXPECT_EQ(table_.counters().evicted_probation, 9u);
  EXPECT_EQ(table_.size(), kFlows);
}

TEST_F(FlowOrder, ThenClosingAndThenTheLongestIdle) {
  const std::uint32_t later = seconds(61);
  real(0, 60, 0);
  for (std::uint32_t n = 0; n < 20; ++n) table_.touch(*find(table_, flow_key(n), 0), kData, later);
  for (std::uint32_t n = 20; n < 22; ++n) table_.touch(*find(table_, flow_key(n), 0), kFin, later);
  table_.touch(*find(table_, flow_key(40), 0), kData, 1);
  const auto take_and_establish = [&](std::uint32_t now) {
    const std::uint32_t gone = stranger(now);
    if (opened_) table_.touch(*opened_, kData, now);
    return gone;
  };
  // Closing ones first, but not in the second after their last packet: 38 idle flows are there meanwhile.
  std::uint32_t gone = take_and_establish(later);
  EXPECT_TRUE(gone >= 22 && gone < 60 && gone != 40) << gone;
  for (int n = 0; n < 2; ++n) {
    gone = take_and_establish(later + seconds(1));
    EXPECT_TRUE(gone == 20 || gone == 21) << gone;
  }
  for (int n = 0; n < 36; ++n) {
    gone = take_and_establish(later + seconds(1));
    EXPECT_TRUE(gone >= 22 && gone < 60 && gone != 40) << gone;
  }
  EXPECT_EQ(take_and_establish(later + seconds(1)), 40u) << "idle for 60 seconds, but less than the others";
  EXPECT_EQ(take_and_establish(later + seconds(1)), ~0u);
  EXPECT_EQ(opened_, nullptr);
  EXPECT_EQ(table_.counters().untracked_table, 1u);
  EXPECT_EQ(table_.counters().evicted_closing, 2u);
  EXPECT_EQ(table_.counters().evicted_idle, 38u);
  for (std::uint32_t n = 0; n < 20; ++n) EXPECT_NE(find(table_, flow_key(n), later), nullptr);
}

TEST_F(FlowOrder, IdleMeansSixtySecondsToTheTick) {
  real(0, 60, 5);
  EXPECT_EQ(stranger(5 + seconds(60) - 1), ~0u);
  EXPECT_LT(stranger(5 + seconds(60)), 60u);
}

TEST_F(FlowOrder, WhatIsOverGoesBeforeAll) {
  real(0, 59, 0);
  open(table_, flow_key(59), seconds(899), 59);
  for (std::uint32_t n = 0; n < 58; ++n) table_.touch(*find(table_, flow_key(n), 0), kData, seconds(890));
  EXPECT_EQ(stranger(seconds(899)), 59u) << "in probation, while none is over";
  table_.touch(*opened_, kData, seconds(899));
  EXPECT_EQ(stranger(seconds(901)), 58u);
  EXPECT_EQ(departures_.list.back().why, FlowGone::kExpired);
}

// 16 buckets of ten and a hash that knows only two of them: room must be made in the buckets.
TEST(FlowRoom, FullBucketsMakeRoomAmongTheirOwn) {
  FlowTable table(limits(96, 1));
  const std::uint64_t hash = 0x1234567890abcdef;
  std::uint32_t there = 0;
  while (table.insert(flow_key(there), hash, there, there).flow) {
    Flow* flow = table.insert(flow_key(there), hash, 0, there).flow;
    if (there % 2) table.touch(*flow, kData, there);
    if (++there == 40) break;
  }
  // Every second flow stayed in probation and was pushed out, the oldest first; 20 established fill both.
  EXPECT_EQ(there, 40u);
  EXPECT_EQ(table.size(), 20u);
  for (std::uint32_t n = 1; n < 40; n += 2) EXPECT_NE(table.peek(flow_key(n), hash, 40), nullptr) << n;
  EXPECT_EQ(table.insert(flow_key(100), hash, 100, 40).flow, nullptr);
  EXPECT_EQ(table.counters().untracked_bucket, 1u);
  EXPECT_NE(table.insert(flow_key(100), hash, 100, 40 + seconds(60)).flow, nullptr);
  EXPECT_EQ(table.counters().evicted_idle, 1u);
  EXPECT_EQ(table.peek(flow_key(1), hash, 40), nullptr);
}

}  // namespace
}  // namespace sluice::test
