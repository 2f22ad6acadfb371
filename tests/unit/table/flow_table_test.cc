// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The flow table step by step: what each packet does to its flow, what time does, what room means.
#include "dataplane/table/flow_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <stdexcept>
#include <thread>

#include "tests/unit/table/flow_tools.h"

namespace sluice::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::uint32_t kNow = 0xfffffff0;  // time wraps within every test

FlowTable::Limits limits(std::uint32_t v4, std::uint32_t v6 = 0) {
  FlowTable::Limits l;
  l.flows_v4 = v4;
  l.flows_v6 = v6;
  return l;
}

struct Step {
  FlowPacket packet;
  FlowEvent event;
  FlowState state;
};
struct Life {
  const char* name;
  std::uint8_t protocol;
  std::vector<Step> steps;  // after the first packet
};

class FlowLife : public testing::TestWithParam<std::tuple<Life, bool>> {};

TEST_P(FlowLife, GoesByItsPackets) {
  const auto& [life, v6] = GetParam();
  FlowTable table(limits(100, 100));
  const FlowKey key = flow_key(1, life.protocol, v6);
  const auto [flow, fresh] = open(table, key, kNow);
  ASSERT_TRUE(flow && fresh);
  EXPECT_EQ(flow->state(), FlowState::kProbation);
  EXPECT_EQ(flow->protocol(), life.protocol);
  std::uint32_t now = kNow;
  for (std::size_t i = 0; i < life.steps.size(); ++i) {
    const Step& step = life.steps[i];
    EXPECT_EQ(table.touch(*flow, step.packet, ++now), step.event) << "packet " << i + 2;
    EXPECT_EQ(flow->state(), step.state) << "packet " << i + 2;
    EXPECT_EQ(flow->seen(), now);
    EXPECT_EQ(table.probation_size(), step.state == FlowState::kProbation ? 1 : 0);
  }
  EXPECT_EQ(find(table, key, now), flow);
  EXPECT_EQ(flow->target, 7u);
}

using enum FlowState;
const FlowEvent kNone = FlowEvent::kNothing;
const Life kLives[] = {
    {"SynAgain", kProtoTcp, {{kSyn, kNone, kProbation}, {kSyn, kNone, kProbation}}},
    {"Handshake", kProtoTcp, {{kData, FlowEvent::kEstablished, kEstablished}, {kData, kNone, kEstablished}}},
    {"SynOfEstablished",
     kProtoTcp,
     {{kData, FlowEvent::kEstablished, kEstablished}, {kSyn, kNone, kEstablished}}},
    {"Close",
     kProtoTcp,
     {{kData, FlowEvent::kEstablished, kEstablished},
      {kFin, FlowEvent::kClosing, kClosing},
      {kData, kNone, kClosing},
      {kFin, kNone, kClosing}}},
    {"CloseAtOnce", kProtoTcp, {{kFin, FlowEvent::kClosing, kClosing}, {kData, kNone, kClosing}}},
    {"Reopen",
     kProtoTcp,
     {{kData, FlowEvent::kEstablished, kEstablished},
      {kFin, FlowEvent::kClosing, kClosing},
      {kSyn, FlowEvent::kReopened, kProbation},
      {kSyn, kNone, kProbation},
      {kData, FlowEvent::kEstablished, kEstablished}}},
    {"Sctp",
     kProtoSctp,
     {{kSyn, kNone, kProbation},
      {kData, FlowEvent::kEstablished, kEstablished},
      {kFin, FlowEvent::kClosing, kClosing}}},
    {"Udp",
     kProtoUdp,
     {{kData, kNone, kProbation},
      {kData, FlowEvent::kEstablished, kEstablished},
      {kData, kNone, kEstablished}}},
    {"Gre", 47, {{kData, kNone, kProbation}, {kData, FlowEvent::kEstablished, kEstablished}}},
};

INSTANTIATE_TEST_SUITE_P(Packets, FlowLife, testing::Combine(testing::ValuesIn(kLives), testing::Bool()),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) +
                                  (std::get<1>(info.param) ? "V6" : "V4");
                         });

struct Silence {
  const char* name;
  std::uint8_t protocol;
  std::vector<FlowPacket> packets;
  std::uint32_t timeout_s;
};

class FlowSilence : public testing::TestWithParam<Silence> {};

TEST_P(FlowSilence, EndsAfterItsTimeout) {
  const Silence& silence = GetParam();
  for (const bool by_ageing : {false, true}) {
    Departures departures;
    FlowTable table(limits(100), departures.observer());
    const FlowKey key = flow_key(1, silence.protocol);
    Flow* flow = open(table, key, kNow).flow;
    for (const FlowPacket& packet : silence.packets) table.touch(*flow, packet, kNow);
    const std::uint32_t last = kNow + seconds(silence.timeout_s);
    EXPECT_EQ(table.age(last, 100), 0u);
    EXPECT_EQ(table.peek(key, flow_hash(key), last), flow);
    EXPECT_EQ(find(table, key, last), flow);
    EXPECT_EQ(table.peek(key, flow_hash(key), last + 1), nullptr);
    EXPECT_EQ(table.size(), 1u);
    const std::uint32_t aged = by_ageing ? table.age(last + 1, 100) : 0;
    EXPECT_EQ(aged, by_ageing ? 1u : 0u);
    EXPECT_EQ(find(table, key, last + 1), nullptr);
    EXPECT_EQ(table.size(), 0u);
    EXPECT_EQ(table.probation_size(), 0u);
    ASSERT_EQ(departures.list.size(), 1u);
    EXPECT_EQ(departures.list[0].why, FlowGone::kExpired);
    EXPECT_EQ(departures.list[0].target, 7u);
    EXPECT_EQ(table.counters().expired, 1u);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Timeouts, FlowSilence,
    testing::Values(Silence{"Syn", kProtoTcp, {}, 10}, Silence{"Established", kProtoTcp, {kData}, 900},
                    Silence{"Closing", kProtoTcp, {kData, kFin}, 30}, Silence{"UdpFirst", kProtoUdp, {}, 60},
                    Silence{"Udp", kProtoUdp, {kData, kData}, 60}, Silence{"Other", 47, {kData, kData}, 60},
                    Silence{"Init", kProtoSctp, {}, 10}),
    [](const auto& info) { return info.param.name; });

TEST(FlowTable, TimeoutsMayChangeUnderTheFlows) {
  FlowTable table(limits(100));
  const FlowKey key = flow_key(1);
  establish(table, key, kNow);
  FlowTimeouts shorter;
  shorter.established_s = 5;
  table.set_timeouts(shorter);
  EXPECT_NE(table.peek(key, flow_hash(key), kNow + seconds(5)), nullptr);
  EXPECT_EQ(table.peek(key, flow_hash(key), kNow + seconds(5) + 1), nullptr);
}

TEST(FlowTable, AClockThatIsBehindCountsAsNoSilence) {
  FlowTable table(limits(100));
  const FlowKey key = flow_key(1);
  establish(table, key, 5);
  EXPECT_NE(find(table, key, 5u - 3u), nullptr);
  EXPECT_NE(find(table, key, 5u - 10u), nullptr);  // before the wrap
  EXPECT_EQ(table.age(5u - 10u, 100), 0u);
}

TEST(FlowTable, TellsKeysApartInEveryField) {
  for (const bool v6 : {false, true}) {
    FlowTable table(limits(100, 100));
    const FlowKey key = flow_key(0x01020304, kProtoTcp, v6);
    std::vector<FlowKey> others(5, key);
    others[0].source.byte[15] ^= 1;
    others[1].destination.byte[15] ^= 1;
    others[2].source_port.set(1);
    others[3].destination_port.set(81);
    others[4].protocol = kProtoUdp;
    const std::uint64_t hash = flow_hash(key);  // the same for all: only the keys differ
    ASSERT_TRUE(table.insert(key, hash, 100, kNow).fresh);
    for (std::uint32_t i = 0; i < others.size(); ++i) {
      EXPECT_EQ(table.peek(others[i], hash, kNow), nullptr) << i;
      EXPECT_TRUE(table.insert(others[i], hash, i, kNow).fresh) << i;
    }
    for (std::uint32_t i = 0; i < others.size(); ++i) EXPECT_EQ(table.peek(others[i], hash, kNow)->target, i);
    EXPECT_EQ(table.peek(key, hash, kNow)->target, 100u);
    std::set<std::uint32_t> visited;
    EXPECT_EQ(table.visit(0, 1000,
                          [&](const FlowKey& k, Flow& flow) {
                            visited.insert(flow.target);
                            EXPECT_EQ(k, flow.target == 100 ? key : others[flow.target]);
                          }),
              FlowTable::kEnd);
    EXPECT_EQ(visited.size(), 6u);
  }
}

TEST(FlowTable, ABurstFindsBothFamiliesAndLeavesTheRestAlone) {
  FlowTable table(limits(1000, 1000));
  std::vector<FlowKey> keys;
  std::vector<std::uint64_t> hashes;
  for (std::uint32_t i = 0; i < 64; ++i) {
    keys.push_back(flow_key(i, kProtoTcp, i % 3 == 0));
    hashes.push_back(flow_hash(keys[i]));
    if (i % 2) open(table, keys[i], kNow, i);
  }
  Flow poison;
  std::vector<Flow*> out(64, &poison);
  const std::uint64_t mask = 0x0ff0ffff0ff0ffff;
  table.prefetch(keys.data(), hashes.data(), mask);
  const std::uint64_t found = table.find(keys.data(), hashes.data(), mask, out.data(), kNow);
  EXPECT_EQ(found, mask & 0xaaaaaaaaaaaaaaaa);
  for (std::uint32_t i = 0; i < 64; ++i) {
    if (!(mask >> i & 1)) {
      EXPECT_EQ(out[i], &poison);
    } else if (i % 2) {
      ASSERT_NE(out[i], nullptr);
      EXPECT_EQ(out[i]->target, i);
    } else {
      EXPECT_EQ(out[i], nullptr);
    }
  }
}

TEST(FlowTable, TheSameExpiredKeyTwiceInABurstGoesOnce) {
  FlowTable table(limits(100));
  const FlowKey keys[2] = {flow_key(1), flow_key(1)};
  const std::uint64_t hashes[2] = {flow_hash(keys[0]), flow_hash(keys[1])};
  open(table, keys[0], kNow);
  Flow* out[2];
  EXPECT_EQ(table.find(keys, hashes, 3, out, kNow + seconds(11)), 0u);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.counters().expired, 1u);
  EXPECT_TRUE(open(table, keys[0], kNow).fresh);
  EXPECT_TRUE(open(table, flow_key(2), kNow).fresh);
  EXPECT_NE(find(table, keys[0], kNow), find(table, flow_key(2), kNow));
}

TEST(FlowTable, ASecondFirstPacketFindsTheFlowOfTheFirst) {
  FlowTable table(limits(10));
  Flow* flow = open(table, flow_key(1), kNow, 3).flow;
  const auto again = open(table, flow_key(1), kNow, 4);
  EXPECT_EQ(again.flow, flow);
  EXPECT_FALSE(again.fresh);
  EXPECT_EQ(flow->target, 3u);
  const auto later = open(table, flow_key(1), kNow + seconds(11), 5);  // the old one's time was over
  EXPECT_TRUE(later.fresh);
  EXPECT_EQ(later.flow->target, 5u);
  EXPECT_EQ(table.size(), 1u);
}

TEST(FlowTable, AFamilyWithoutRoomIsUntracked) {
  FlowTable table(limits(10, 0));
  const FlowKey key = flow_key(1, kProtoTcp, true);
  EXPECT_EQ(open(table, key, kNow).flow, nullptr);
  EXPECT_EQ(find(table, key, kNow), nullptr);
  EXPECT_EQ(table.peek(key, flow_hash(key), kNow), nullptr);
  EXPECT_EQ(table.age(kNow, 100), 0u);
  EXPECT_EQ(table.visit(0, 100, [](const FlowKey&, Flow&) { FAIL(); }), FlowTable::kEnd);
}

TEST(FlowTable, CountsAWindowForElephants) {
  FlowTable table(limits(10));
  const std::uint32_t start = 0x1000;
  Flow* flow = open(table, flow_key(1), start).flow;
  EXPECT_EQ(flow->window_bytes(), 0u);
  EXPECT_EQ(flow->window_packets(), 1u);
  table.touch(*flow, kData, start);  // the packet that ends probation opens the count
  for (int i = 0; i < 9; ++i) table.touch(*flow, {.bytes = 1000}, start + Flow::kWindowTicks - 1);
  EXPECT_EQ(flow->window_bytes(), 9000u);
  EXPECT_EQ(flow->window_packets(), 11u);
  table.touch(*flow, {.bytes = 500}, start + Flow::kWindowTicks);
  EXPECT_EQ(flow->window_bytes(), 500u);
  EXPECT_EQ(flow->window_packets(), 1u);
  table.touch(*flow, {.bytes = 0xffffffff}, start + Flow::kWindowTicks);
  EXPECT_EQ(flow->window_bytes(), 0xffffffffu);
  for (int i = 0; i < 70'000; ++i) table.touch(*flow, {.bytes = 60}, start + Flow::kWindowTicks);
  EXPECT_EQ(flow->window_packets(), 0xffffu);
  EXPECT_EQ(flow->window_bytes(), 0xffffffffu);
}

TEST(FlowTable, EraseTellsTheObserverAndFreesTheKey) {
  for (const bool v6 : {false, true}) {
    Departures departures;
    FlowTable table(limits(10, 10));
    table.set_observer(departures.observer());
    Flow* flow = open(table, flow_key(1, kProtoTcp, v6), kNow, 5).flow;
    flow->target = 6;  // moved to another DIP
    table.erase(*flow);
    EXPECT_EQ(find(table, flow_key(1, kProtoTcp, v6), kNow), nullptr);
    ASSERT_EQ(departures.list.size(), 1u);
    EXPECT_EQ(departures.list[0].why, FlowGone::kErased);
    EXPECT_EQ(departures.list[0].state, FlowState::kProbation);
    EXPECT_EQ(departures.list[0].target, 6u);
    EXPECT_EQ(table.size(), 0u);
    EXPECT_EQ(table.probation_size(), 0u);
    EXPECT_EQ(table.counters().erased, 1u);
  }
}

TEST(FlowTable, AgeingLooksAtNoMoreThanItsBudgetAndComesRound) {
  FlowTable table(limits(1000, 1000));
  for (std::uint32_t i = 0; i < 100; ++i) establish(table, flow_key(i, kProtoTcp, i % 2), kNow);
  EXPECT_EQ(table.span(), 100u);
  const std::uint32_t late = kNow + seconds(901);
  std::uint32_t removed = 0;
  for (int slice = 0; slice < 10; ++slice) {
    const std::uint32_t now_removed = table.age(late, 10);
    EXPECT_EQ(now_removed, 10u);
    removed += now_removed;
  }
  EXPECT_EQ(removed, 100u);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.age(late, 10), 0u);
}

TEST(FlowTable, ListingInSlicesMeetsEveryFlowThatStaysExactlyOnce) {
  FlowTable::Limits l = limits(1000, 1000);
  l.probation_share = 1;
  FlowTable table(l);
  for (std::uint32_t i = 0; i < 400; ++i) open(table, flow_key(i, kProtoTcp, i % 3 == 0), kNow, i);
  std::vector<int> met(1000);
  std::uint64_t cursor = 0;
  std::uint32_t added = 400;
  for (unsigned slices = 0; cursor != FlowTable::kEnd; ++slices) {
    ASSERT_LT(slices, 500u);
    std::uint32_t in_slice = 0;
    cursor = table.visit(cursor, 7, [&](const FlowKey& key, Flow& flow) {
      EXPECT_EQ(key, flow_key(flow.target, kProtoTcp, flow.target % 3 == 0));
      ++met[flow.target];
      ++in_slice;
      if (flow.target % 5 == 0) table.erase(flow);
    });
    EXPECT_LE(in_slice, 7u);
    if (added < 420) open(table, flow_key(added, kProtoTcp, added % 3 == 0), kNow, added), ++added;
  }
  for (std::uint32_t i = 0; i < 400; ++i) EXPECT_EQ(met[i], 1) << i;
  for (std::uint32_t i = 400; i < 1000; ++i) EXPECT_LE(met[i], 1) << i;
  EXPECT_EQ(table.counters().erased, 80u + (met[400] + met[405] + met[410] + met[415]));
}

TEST(FlowTable, MovesToAnotherOwnerWithAllItsFlows) {
  auto table = std::make_unique<FlowTable>(limits(10'000, 10'000));
  for (std::uint32_t i = 0; i < 5000; ++i) establish(*table, flow_key(i, kProtoTcp, i % 2), kNow)->target = i;
  Departures departures;
  std::thread other([owned = std::move(table), &departures]() mutable {
    FlowTable moved = std::move(*owned);
    owned.reset();
    moved.set_observer(departures.observer());
    for (std::uint32_t i = 0; i < 5000; ++i) {
      Flow* flow = find(moved, flow_key(i, kProtoTcp, i % 2), kNow);
      ASSERT_NE(flow, nullptr);
      EXPECT_EQ(flow->target, i);
      if (i % 2) moved.erase(*flow);
    }
    EXPECT_EQ(moved.size(), 2500u);
  });
  other.join();
  EXPECT_EQ(departures.list.size(), 2500u);
}

std::string refusal(const FlowTable::Limits& l) {
  try {
    FlowTable table(l);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(FlowTable, RefusesWhatDoesNotFitWithTheFigureThatWould) {
  FlowTable::Limits l = limits(16'000'000);
  l.memory_bytes = 100u << 20;
  const std::string sentence = refusal(l);
  EXPECT_THAT(sentence,
              AllOf(HasSubstr("16000000 IPv4 flows"), HasSubstr("100 MiB"), HasSubstr("would fit")));
  l.flows_v4 = static_cast<std::uint32_t>(std::stoul(sentence.substr(sentence.find("had: ") + 5)));
  EXPECT_GT(l.flows_v4, 2'000'000u);
  EXPECT_EQ(refusal(l), "accepted") << l.flows_v4;
  EXPECT_LE(FlowTable::bytes_for(l), l.memory_bytes);
}

TEST(FlowTable, RefusesLimitsThatMakeNoSense) {
  EXPECT_THAT(refusal(limits(FlowTable::kMostFlows + 1)), HasSubstr("at most 100000000 of each family"));
  FlowTable::Limits l = limits(10);
  for (const double share : {0.0, -1.0, 1.1}) {
    l.probation_share = share;
    EXPECT_THAT(refusal(l), HasSubstr("above 0 and at most 1"));
  }
}

TEST(FlowTable, TakesLessThan64BytesForAnIPv4FlowAndNothingForNone) {
  EXPECT_LE(FlowTable::bytes_for(limits(1'000'000)), 47u * 1'000'000);
  EXPECT_LE(FlowTable::bytes_for(limits(0, 1'000'000)), 79u * 1'000'000);
  EXPECT_LE(FlowTable::bytes_for(limits(16'000'000)), 47ull * 16'000'000);
  const std::size_t before = resident_bytes();
  const FlowTable table(limits(16'000'000, 16'000'000));
  EXPECT_LE(table.bytes(), 10'000u);
  EXPECT_LE(resident_bytes(), before + (8u << 20));
}

TEST(FlowTable, TakesItsMemoryAtOnceWhereAsked) {
  FlowTable::Limits l = limits(500'000, 200'000);
  l.memory_at_once = true;
  const std::size_t before = resident_bytes();
  const FlowTable table(l);
  EXPECT_GE(resident_bytes() - before, FlowTable::bytes_for(l) * 95 / 100);
}

}  // namespace
}  // namespace sluice::test
