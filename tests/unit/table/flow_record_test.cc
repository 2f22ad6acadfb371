// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Flow tables through records into another table: what arrives is what left, and whatever the bytes are, the
// table that takes them stays sound.
#include "dataplane/table/flow_record.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>

#include "tests/unit/table/flow_tools.h"
#include "tests/unit/table/seed.h"

namespace sluice::test {
namespace {

constexpr std::uint32_t kTargets = 50,
                        kThere = 1000;  // target n of the old table is kThere + n of the new one
using Bytes = std::vector<std::byte>;

const KeyedHash& other_hash() {
  static const KeyedHash hash{std::array<std::uint8_t, 16>{9, 8, 7, 6}};
  return hash;
}

FlowTable::Limits limits(std::uint32_t flows) {
  FlowTable::Limits l;
  l.flows_v4 = l.flows_v6 = flows;
  l.probation_share = 1;
  l.timeouts = {.syn_s = 10, .established_s = 90, .closing_s = 15, .udp_s = 40, .other_s = 30};
  return l;
}

FlowKey key_of(std::uint32_t number) {
  constexpr std::uint8_t kProtocols[] = {kProtoTcp, kProtoTcp, kProtoUdp, kProtoSctp, 47};
  return flow_key(number, kProtocols[number / 2 % 5], number % 2);
}

Bytes pack(const FlowTable& table, FlowFamily family, std::uint32_t now, std::size_t at_once = 1000) {
  Bytes all, part(at_once);
  FlowPackCursor cursor;
  while (const std::size_t bytes = table.pack(family, cursor, part, now)) {
    all.insert(all.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(bytes));
  }
  return all;
}

// Takes records in, as a process does that knows the targets under other ids.
struct Heir {
  explicit Heir(std::uint32_t flows) : table(limits(flows)), target_of(kTargets), taken(kTargets) {
    for (std::uint32_t i = 0; i < kTargets; ++i) target_of[i] = kThere + i;
  }

  FlowsRestored take(FlowFamily family, const Bytes& bytes, std::uint32_t now, std::uint32_t elapsed = 0) {
    const auto any = family == FlowFamily::kV4 ? parse_prefix("0.0.0.0/0") : parse_prefix("::/0");
    return table.restore(family, bytes,
                         {.hash = other_hash(),
                          .fields = fields,
                          .vip = vip.value_or(*any),
                          .target_of = target_of,
                          .taken = taken,
                          .now = now,
                          .elapsed_ticks = elapsed});
  }
  Flow* find(const FlowKey& key, std::uint32_t now) {
    const std::uint64_t hash = other_hash()(key, HashFields::kFiveTuple);
    Flow* flow = nullptr;
    return table.find(&key, &hash, 1, &flow, now) ? flow : nullptr;
  }

  FlowTable table;
  std::optional<Prefix> vip;
  HashFields fields = HashFields::kFiveTuple;
  std::vector<std::uint32_t> target_of, taken;
};

// Flows of all kinds and ages.
std::uint32_t live_a_while(FlowTable& table, std::mt19937& random, std::uint32_t keys) {
  std::uint32_t now = 0xfffff000;  // wraps meanwhile
  for (unsigned step = 0; step < 20 * keys; ++step) {
    const auto number = static_cast<std::uint32_t>(random() % keys);
    const FlowKey key = key_of(number);
    if (Flow* flow = find(table, key, now)) {
      table.touch(*flow, {.bytes = 100, .opens = random() % 4 == 0, .closes = random() % 16 == 0}, now);
    } else {
      open(table, key, now, number % kTargets);
    }
    now += random() % 50 == 0;
    if (random() % 100 == 0) table.age(now, 50);
  }
  return now;
}

struct Seen {
  std::uint32_t target, idle;
  FlowState state;
  friend bool operator==(const Seen&, const Seen&) = default;
};
using Content = std::map<std::pair<std::string, unsigned>, Seen>;

Content content(FlowTable& table, std::uint32_t now, std::uint32_t first_target) {
  Content all;
  table.visit(0, 0xffffffff, [&](const FlowKey& key, Flow& flow) {
    const std::string name(reinterpret_cast<const char*>(&key), sizeof key);
    const Seen seen{flow.target - first_target, FlowClock::idle(now, flow.seen()), flow.state()};
    EXPECT_TRUE(all.emplace(std::pair{name, unsigned{key.protocol}}, seen).second);
  });
  return all;
}

TEST(FlowRecords, WhatArrivesIsWhatLeft) {
  std::mt19937 random(random_seed());
  for (unsigned round = 0; round < 20; ++round) {
    FlowTable old(limits(3000));
    const std::uint32_t then = live_a_while(old, random, 100 + random() % 2000);
    while (old.age(then, 100'000) != 0) {
    }
    Heir heir(3000);
    const std::uint32_t now = static_cast<std::uint32_t>(random());  // another clock
    FlowsRestored sum;
    for (const FlowFamily family : {FlowFamily::kV4, FlowFamily::kV6}) {
      const Bytes bytes = pack(old, family, then);
      sum += heir.take(family, bytes, now);
      EXPECT_EQ(pack(heir.table, family, now, 4096).size(), bytes.size());
    }
    EXPECT_EQ(content(heir.table, now, kThere), content(old, then, 0));
    EXPECT_EQ(sum.taken, old.size());
    EXPECT_EQ(sum.expired + sum.gone + sum.no_room + sum.wrong, 0u);
    EXPECT_EQ(heir.table.size(), old.size());
    EXPECT_EQ(heir.table.probation_size(), old.probation_size());
    std::uint64_t counted = 0;
    for (const std::uint32_t flows : heir.taken) counted += flows;
    EXPECT_EQ(counted, old.size());
  }
}

TEST(FlowRecords, TheOldestInProbationStaysTheOldest) {
  std::mt19937 random(random_seed());
  FlowTable old(limits(2000));
  const std::uint32_t then = live_a_while(old, random, 1500);
  Heir heir(2000);
  for (std::uint32_t i = 0; i < kTargets; ++i) heir.target_of[i] = i;  // so that the bytes can be equal
  for (const FlowFamily family : {FlowFamily::kV4, FlowFamily::kV6}) {
    const Bytes bytes = pack(old, family, then);
    heir.take(family, bytes, then);
    EXPECT_EQ(pack(heir.table, family, then), bytes);
  }
  EXPECT_GT(heir.table.probation_size(), 20u);
}

TEST(FlowRecords, SilenceGoesOnWhileNobodyIsThere) {
  FlowTable old(limits(100));
  establish(old, key_of(0), 0);  // 90 s
  open(old, key_of(2), 0);       // SYN, 10 s
  Heir heir(100);
  const std::uint32_t then = seconds(4), now = seconds(5000), away = seconds(5);
  const auto sum = heir.take(FlowFamily::kV4, pack(old, FlowFamily::kV4, then), now, away);
  EXPECT_EQ(sum.taken, 2u);
  EXPECT_EQ(FlowClock::idle(now, heir.find(key_of(0), now)->seen()), seconds(9));
  EXPECT_TRUE(heir.find(key_of(2), now + seconds(1)));
  EXPECT_FALSE(heir.find(key_of(2), now + seconds(1) + 1));
  EXPECT_TRUE(heir.find(key_of(0), now + seconds(81)));
  EXPECT_FALSE(heir.find(key_of(0), now + seconds(81) + 1));
}

TEST(FlowRecords, WhatTimesOutMeanwhileIsNotTaken) {
  FlowTable old(limits(100));
  establish(old, key_of(0), 0);
  open(old, key_of(2), 0);
  EXPECT_EQ(pack(old, FlowFamily::kV4, seconds(11)).size(), kFlowRecordBytesV4) << "it was over before";
  Heir heir(100);
  const Bytes bytes = pack(old, FlowFamily::kV4, 0);
  EXPECT_EQ(heir.take(FlowFamily::kV4, bytes, 77, seconds(11)).expired, 1u);
  EXPECT_EQ(heir.take(FlowFamily::kV4, bytes, 77, 0xffffffff).expired, 2u);
  EXPECT_EQ(heir.table.size(), 1u);
}

TEST(FlowRecords, ProbationGoesOnWhereItWas) {
  FlowTable old(limits(100));
  const FlowKey udp = key_of(4);
  ASSERT_EQ(udp.protocol, kProtoUdp);
  Flow* flow = open(old, udp, 0).flow;
  old.touch(*flow, kData, 0);
  Heir heir(100);
  heir.take(FlowFamily::kV4, pack(old, FlowFamily::kV4, 0), 9);
  flow = heir.find(udp, 9);
  ASSERT_TRUE(flow);
  EXPECT_EQ(flow->state(), FlowState::kProbation);
  EXPECT_EQ(heir.table.touch(*flow, kData, 9), FlowEvent::kEstablished) << "its third packet";
  EXPECT_EQ(heir.table.probation_size(), 0u);
}

TEST(FlowRecords, ASmallerTableTakesThoseThatHaveProvenThemselves) {
  FlowTable old(limits(400));
  for (std::uint32_t n = 0; n < 400; n += 2) {
    n % 40 == 0 ? establish(old, flow_key(n), 0) : open(old, flow_key(n), 0).flow;
  }
  Heir heir(50);
  const auto sum = heir.take(FlowFamily::kV4, pack(old, FlowFamily::kV4, 0), 0);
  EXPECT_EQ(sum.taken, 10u + 25u) << "half of probation is for connections";
  EXPECT_EQ(sum.no_room, 165u);
  for (std::uint32_t n = 0; n < 400; n += 40) EXPECT_TRUE(heir.find(flow_key(n), 0)) << n;
}

TEST(FlowRecords, FlowsOfDipsThatAreGoneAreNotTaken) {
  FlowTable old(limits(100));
  establish(old, flow_key(2), 0)->target = 3;
  establish(old, flow_key(4), 0)->target = 4;
  establish(old, flow_key(6), 0)->target = kTargets;  // nobody
  Heir heir(100);
  heir.target_of[3] = FlowRestoring::kGone;
  const auto sum = heir.take(FlowFamily::kV4, pack(old, FlowFamily::kV4, 0), 0);
  EXPECT_EQ(sum.gone, 2u);
  EXPECT_EQ(sum.taken, 1u);
  EXPECT_EQ(heir.taken[4], 1u);
}

TEST(FlowRecords, FlowsToOtherAddressesAreWrong) {
  FlowTable old(limits(100));
  establish(old, flow_key(2), 0);
  establish(old, flow_key(3, kProtoTcp, true), 0);
  Heir heir(100);
  heir.vip = parse_prefix("203.0.113.10");
  EXPECT_EQ(heir.take(FlowFamily::kV4, pack(old, FlowFamily::kV4, 0), 0).wrong, 1u);
  EXPECT_EQ(heir.take(FlowFamily::kV6, pack(old, FlowFamily::kV6, 0), 0).wrong, 1u);
  heir.vip = parse_prefix("198.51.100.0/24");
  EXPECT_EQ(heir.take(FlowFamily::kV4, pack(old, FlowFamily::kV4, 0), 0).taken, 1u);
}

TEST(FlowRecords, ATableOfSubscribersTakesNothingButSubscribers) {
  FlowTable old(limits(100));
  const FlowKey subscriber = only(flow_key(2), HashFields::kSource);
  establish(old, subscriber, 0);
  establish(old, flow_key(4), 0);
  Heir heir(100);
  heir.vip = parse_prefix("203.0.113.10");
  heir.fields = HashFields::kSource;
  const auto sum = heir.take(FlowFamily::kV4, pack(old, FlowFamily::kV4, 0), 0);
  EXPECT_EQ(sum.taken, 1u);
  EXPECT_EQ(sum.wrong, 1u);
  EXPECT_TRUE(heir.table.peek(subscriber, other_hash()(subscriber, HashFields::kSource), 0));
}

TEST(FlowRecords, TheSameFlowTwiceIsWrong) {
  FlowTable old(limits(100));
  establish(old, flow_key(2), 0);
  Bytes bytes = pack(old, FlowFamily::kV4, 0);
  bytes.insert(bytes.end(), bytes.begin(), bytes.begin() + kFlowRecordBytesV4);
  Heir heir(100);
  const auto sum = heir.take(FlowFamily::kV4, bytes, 0);
  EXPECT_EQ(sum.taken, 1u);
  EXPECT_EQ(sum.wrong, 1u);
}

TEST(FlowRecords, AnUnknownStateOrAPieceOfARecordIsWrong) {
  FlowTable old(limits(100));
  establish(old, flow_key(2), 0);
  const Bytes good = pack(old, FlowFamily::kV4, 0);
  for (const unsigned state : {0u, 4u, 255u}) {
    Bytes bytes = good;
    bytes[21] = static_cast<std::byte>(state);
    EXPECT_EQ(Heir(100).take(FlowFamily::kV4, bytes, 0).wrong, 1u) << state;
  }
  const Bytes piece(good.begin(), good.begin() + 13);
  EXPECT_EQ(Heir(100).take(FlowFamily::kV4, piece, 0).wrong, 1u);
}

// All that is in the table is found, and it can be emptied and used again.
void expect_sound(Heir& heir, std::uint32_t now) {
  std::uint64_t seen = 0;
  std::vector<FlowKey> keys;
  heir.table.visit(0, 0xffffffff, [&](const FlowKey& key, Flow&) { keys.push_back(key), ++seen; });
  EXPECT_EQ(seen, heir.table.size());
  for (const FlowKey& key : keys) {
    Flow* flow = heir.find(key, now);
    ASSERT_TRUE(flow);
    heir.table.touch(*flow, {.bytes = 1, .opens = key.protocol % 2 == 0, .closes = key.protocol % 3 == 0},
                     now);
    heir.table.erase(*flow);
  }
  EXPECT_EQ(heir.table.size(), 0u);
  EXPECT_EQ(heir.table.probation_size(), 0u);
}

TEST(FlowRecords, MutatedBytesLeaveASoundTable) {
  std::mt19937 random(random_seed());
  FlowTable old(limits(500));
  const std::uint32_t then = live_a_while(old, random, 400);
  const Bytes good[] = {pack(old, FlowFamily::kV4, then), pack(old, FlowFamily::kV6, then)};
  std::uint64_t wrong = 0, taken = 0;
  for (unsigned round = 0; round < 500; ++round) {
    Heir heir(1 + random() % 600);
    for (const FlowFamily family : {FlowFamily::kV4, FlowFamily::kV6}) {
      Bytes bytes = good[random() % 2];
      for (unsigned flips = random() % 2000; flips > 0; --flips) {
        bytes[random() % bytes.size()] ^= static_cast<std::byte>(1u << random() % 8);
      }
      bytes.resize(random() % (bytes.size() + 1));
      const auto sum = heir.take(family, bytes, static_cast<std::uint32_t>(random()), random() % 100);
      wrong += sum.wrong;
      taken += sum.taken;
    }
    EXPECT_LE(heir.table.size(), 1200u);
  }
  EXPECT_GT(wrong, 1000u);
  EXPECT_GT(taken, 1000u);
  for (unsigned round = 0; round < 100; ++round) {
    Heir heir(1 + random() % 600);
    for (const FlowFamily family : {FlowFamily::kV4, FlowFamily::kV6}) {
      Bytes bytes = good[family == FlowFamily::kV6];
      for (unsigned flips = random() % 200; flips > 0; --flips) {
        bytes[random() % bytes.size()] ^= static_cast<std::byte>(1u << random() % 8);
      }
      heir.take(family, bytes, 5);
    }
    expect_sound(heir, 5);
  }
}

}  // namespace
}  // namespace sluice::test
