// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/table/fragment_table.h"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "tests/unit/table/seed.h"

namespace sluice::test {
namespace {

using Transport = FragmentTable::Transport;

constexpr std::uint64_t kLife = 1000, kHold = 100;

KeyedHash some_hash() {
  constexpr std::array<std::uint8_t, 16> kSecret = {1, 2, 3};
  return KeyedHash(kSecret);
}

FlowKey datagram(std::uint32_t number) {
  FlowKey flow;
  flow.source = IpAddress::v4(Big32(0xc6336400 + number / 4));
  flow.destination = IpAddress::v4(Big32(0xcb00710a));
  flow.protocol = 17;
  return FragmentTable::datagram(flow, number % 4);
}

Transport transport(std::uint32_t number) {
  return {{Big16(static_cast<std::uint16_t>(number)), Big16(53)}, 17};
}

// Packets without packet memory: the table uses nothing but their link.
class Packets {
 public:
  rte_mbuf* next() {
    rte_mbuf& m = packets_.emplace_back();
    m.nb_segs = 1;
    return &m;
  }

 private:
  std::deque<rte_mbuf> packets_;
};

std::vector<rte_mbuf*> take_all(FragmentTable& table, unsigned (FragmentTable::*take)(rte_mbuf**, unsigned)) {
  std::vector<rte_mbuf*> all;
  rte_mbuf* some[3];
  while (const unsigned n = (table.*take)(some, 3)) all.insert(all.end(), some, some + n);
  return all;
}

// What the table must do as long as nothing is pushed out.
class Model {
 public:
  Model(std::uint32_t held_packets, std::uint32_t held_per_datagram)
      : held_packets_(held_packets), held_per_datagram_(held_per_datagram) {}

  std::optional<Transport> find(std::uint32_t d, std::uint64_t now) {
    expire(d, now);
    const auto at = known_.find(d);
    return at == known_.end() ? std::nullopt : std::optional(at->second.transport);
  }
  void learn(std::uint32_t d, const Transport& t, std::uint64_t now) {
    expire(d, now);
    known_[d] = {t, now};
    if (const auto at = waiting_.find(d); at != waiting_.end()) {
      released_.insert(released_.end(), at->second.packets.begin(), at->second.packets.end());
      waiting_.erase(at);
    }
  }
  bool hold(std::uint32_t d, rte_mbuf* packet, std::uint64_t now) {
    if (held() >= held_packets_) return false;
    expire(d, now);
    auto [at, fresh] = waiting_.try_emplace(d);
    if (fresh) at->second.since = now;
    if (at->second.packets.size() >= held_per_datagram_) return false;
    at->second.packets.push_back(packet);
    return true;
  }
  void expire_all(std::uint64_t now) {
    std::set<std::uint32_t> all;
    for (const auto& [d, entry] : known_) all.insert(d);
    for (const auto& [d, entry] : waiting_) all.insert(d);
    for (const std::uint32_t d : all) expire(d, now);
  }
  std::vector<rte_mbuf*> take_released() { return std::exchange(released_, {}); }
  std::vector<rte_mbuf*> take_expired() { return std::exchange(expired_, {}); }
  [[nodiscard]] std::size_t held() const {
    std::size_t n = released_.size() + expired_.size();
    for (const auto& [d, entry] : waiting_) n += entry.packets.size();
    return n;
  }

 private:
  struct Known {
    Transport transport;
    std::uint64_t since;
  };
  struct Waiting {
    std::vector<rte_mbuf*> packets;
    std::uint64_t since = 0;
  };
  void expire(std::uint32_t d, std::uint64_t now) {
    if (const auto at = known_.find(d); at != known_.end() && now - at->second.since > kLife)
      known_.erase(at);
    if (const auto at = waiting_.find(d); at != waiting_.end() && now - at->second.since > kHold) {
      expired_.insert(expired_.end(), at->second.packets.begin(), at->second.packets.end());
      waiting_.erase(at);
    }
  }
  std::uint32_t held_packets_, held_per_datagram_;
  std::map<std::uint32_t, Known> known_;
  std::map<std::uint32_t, Waiting> waiting_;
  std::vector<rte_mbuf*> released_, expired_;
};

std::multiset<rte_mbuf*> as_set(const std::vector<rte_mbuf*>& packets) {
  return {packets.begin(), packets.end()};
}

TEST(FragmentTable, DoesWhatAModelDoesOnARandomWalk) {
  std::mt19937 random(random_seed());
  const auto below = [&](unsigned n) { return static_cast<std::uint32_t>(random() % n); };
  for (unsigned round = 0; round < 40; ++round) {
    // Four datagrams fit the one set: nothing is pushed out.
    FragmentTable table(some_hash(), {1, 12, 5, kLife, kHold});
    Model model(12, 5);
    Packets packets;
    std::uint64_t now = below(1000);
    for (unsigned step = 0; step < 2000; ++step) {
      const std::uint32_t d = below(4);
      switch (below(8)) {
        case 0:
          table.learn(datagram(d), transport(step), now);
          model.learn(d, transport(step), now);
          break;
        case 1:
          now += below(10) == 0 ? below(kLife * 2) : below(kHold / 2);
          break;
        case 2:
          table.expire(now, 1);
          model.expire_all(now);
          break;
        case 3:
          EXPECT_EQ(as_set(take_all(table, &FragmentTable::take_expired)), as_set(model.take_expired()));
          EXPECT_EQ(take_all(table, &FragmentTable::take_released), model.take_released());
          break;
        default: {
          const Transport* found = table.find(datagram(d), now);
          const std::optional<Transport> wanted = model.find(d, now);
          ASSERT_EQ(found != nullptr, wanted.has_value());
          if (found) {
            EXPECT_EQ(*found, *wanted);
          } else {
            rte_mbuf* packet = packets.next();
            EXPECT_EQ(table.hold(datagram(d), packet, now), model.hold(d, packet, now));
          }
        }
      }
      ASSERT_EQ(table.held(), model.held()) << "round " << round << " step " << step;
    }
    table.give_up_all();
    take_all(table, &FragmentTable::take_expired);
    EXPECT_EQ(table.held(), 0u);
  }
}

TEST(FragmentTable, LosesNoPacketAndTellsNoLiesUnderAFlood) {
  std::mt19937 random(random_seed());
  const auto below = [&](unsigned n) { return static_cast<std::uint32_t>(random() % n); };
  constexpr std::uint32_t kLimit = 50;
  FragmentTable table(some_hash(), {8, kLimit, 4, kLife, kHold});  // 32 entries for 400 datagrams
  Packets packets;
  struct Learnt {
    Transport transport;
    std::uint64_t when;
  };
  std::map<std::uint32_t, Learnt> learnt;
  std::set<rte_mbuf*> inside;
  std::uint64_t now = 0;
  const auto leave = [&](const std::vector<rte_mbuf*>& out) {
    for (rte_mbuf* m : out) {
      EXPECT_EQ(inside.erase(m), 1u) << "a packet came out that was not inside, or twice";
      EXPECT_EQ(m->next, nullptr);
    }
  };
  for (unsigned step = 0; step < 200'000; ++step) {
    const std::uint32_t d = below(400);
    if (below(3) == 0) {
      table.learn(datagram(d), transport(step), now);
      learnt[d] = {transport(step), now};
    } else if (const Transport* found = table.find(datagram(d), now)) {
      EXPECT_EQ(*found, learnt.at(d).transport);
      EXPECT_LE(now - learnt.at(d).when, kLife);
    } else {
      rte_mbuf* packet = packets.next();
      if (table.hold(datagram(d), packet, now)) inside.insert(packet);
    }
    if (below(50) == 0) now += below(kHold);
    if (below(10) == 0) table.expire(now, 2);
    if (below(5) == 0) leave(take_all(table, &FragmentTable::take_released));
    if (below(5) == 0) leave(take_all(table, &FragmentTable::take_expired));
    ASSERT_EQ(table.held(), inside.size());
    ASSERT_LE(table.held(), kLimit);
  }
  table.give_up_all();
  leave(take_all(table, &FragmentTable::take_expired));
  EXPECT_TRUE(inside.empty());
}

TEST(FragmentTable, ReleasesInTheOrderOfArrival) {
  FragmentTable table(some_hash(), {16, 100, 64, kLife, kHold});
  Packets packets;
  std::vector<rte_mbuf*> held;
  for (unsigned i = 0; i < 10; ++i) {
    held.push_back(packets.next());
    ASSERT_TRUE(table.hold(datagram(1), held.back(), 0));
  }
  table.learn(datagram(1), transport(1), 1);
  EXPECT_EQ(take_all(table, &FragmentTable::take_released), held);
}

TEST(FragmentTable, SpreadsAnAttackOverItsSets) {
  // Ids chosen one after the other do not meet in one set: the hash is keyed.
  FragmentTable table(some_hash(), {256, 10'000, 64, kLife, kHold});
  Packets packets;
  for (std::uint32_t d = 0; d < 512; ++d) ASSERT_TRUE(table.hold(datagram(d), packets.next(), 0));
  rte_mbuf* out[512];
  EXPECT_LT(table.take_expired(out, 512), 60u) << "half full, hardly any datagram pushes another one out";
  table.give_up_all();
  take_all(table, &FragmentTable::take_expired);
}

TEST(FragmentTable, KnowsADatagramByAllOfItsFields) {
  FlowKey flow;
  flow.source = *parse_address("198.51.100.1");
  flow.destination = *parse_address("203.0.113.10");
  flow.protocol = 17;
  std::vector<FlowKey> all = {FragmentTable::datagram(flow, 1), FragmentTable::datagram(flow, 2),
                              FragmentTable::datagram(flow, 0x10001)};
  FlowKey other = flow;
  other.source = *parse_address("198.51.100.2");
  all.push_back(FragmentTable::datagram(other, 1));
  other = flow;
  other.destination = *parse_address("203.0.113.11");
  all.push_back(FragmentTable::datagram(other, 1));
  other = flow;
  other.protocol = 6;
  all.push_back(FragmentTable::datagram(other, 1));
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) EXPECT_NE(all[i], all[k]);
  }
}

TEST(FragmentTable, KnowsAnIpv6DatagramWithoutItsProtocol) {
  FlowKey flow;
  flow.source = *parse_address("2001:db8::1");
  flow.destination = *parse_address("2001:db8::2");
  flow.protocol = 17;
  const FlowKey first = FragmentTable::datagram(flow, 9);
  flow.protocol = 60;
  EXPECT_EQ(FragmentTable::datagram(flow, 9), first);
}

}  // namespace
}  // namespace sluice::test
