// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/table/service_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <vector>

#include "tests/unit/table/seed.h"

namespace sluice::test {
namespace {

using Entry = ServiceTable::Entry;

constexpr std::array<std::uint8_t, 4> kProtocols = {0, 6, 17, 50};
constexpr std::array<std::uint16_t, 4> kPorts = {0, 53, 80, 443};

// A list, and a look at every entry of it: what the table must agree with.
class Model {
 public:
  explicit Model(std::vector<Entry> entries) : entries_(std::move(entries)) {}

  [[nodiscard]] std::uint32_t lookup(const FlowKey& key) const {
    const Entry* best = nullptr;
    for (const Entry& e : entries_) {
      if (matches(e, key) && (!best || rank(*best) < rank(e))) best = &e;  // the first of equals stays
    }
    return best ? best->service : kNoService;
  }
  [[nodiscard]] bool is_vip(const IpAddress& address) const {
    return std::ranges::any_of(entries_, [&](const Entry& e) { return covers(e.vip, address); });
  }

 private:
  // Bit by bit; a prefix of one family covers no address of the other.
  static bool covers(const Prefix& prefix, const IpAddress& address) {
    if (prefix.address.is_v4() != address.is_v4()) return false;
    const unsigned first = address.is_v4() ? 96 : 0;
    for (unsigned bit = first; bit < first + prefix.length; ++bit) {
      const unsigned mask = 0x80u >> bit % 8;
      if ((prefix.address.byte[bit / 8] & mask) != (address.byte[bit / 8] & mask)) return false;
    }
    return true;
  }
  static bool matches(const Entry& e, const FlowKey& key) {
    return covers(e.vip, key.destination) && (e.protocol == 0 || e.protocol == key.protocol) &&
           (e.port == 0 || e.port == key.destination_port.value());
  }
  static std::tuple<unsigned, bool, bool> rank(const Entry& e) {
    return {e.vip.length, e.protocol != 0, e.port != 0};
  }
  std::vector<Entry> entries_;
};

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}

  unsigned below(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(engine_); }

  // Few different ones, so that prefixes nest and services meet.
  IpAddress address() {
    if (below(2)) return IpAddress::v4(Big32(0xcb007100 ^ below(8) ^ below(4) << 8 ^ below(3) << 20));
    IpAddress a;
    a.byte = {0x20, 0x01, 0x0d, 0xb8};
    a.byte[7] = static_cast<std::uint8_t>(below(3));
    a.byte[15] = static_cast<std::uint8_t>(below(8));
    return a;
  }
  Prefix prefix() {
    const IpAddress a = address();
    const unsigned bits = a.is_v4() ? 32 : 128;
    const unsigned length = below(3) ? bits : below(bits + 1);
    return {mask(a, length), static_cast<std::uint8_t>(length)};
  }
  Entry entry(std::uint32_t service) {
    Entry e{prefix(), kProtocols[below(kProtocols.size())], 0, service};
    if (e.protocol == 6 || e.protocol == 17) e.port = kPorts[below(kPorts.size())];
    return e;
  }
  FlowKey key() {
    FlowKey k;
    k.source = address();
    k.destination = address();
    k.protocol = kProtocols[below(kProtocols.size())];
    k.source_port = Big16(static_cast<std::uint16_t>(below(65536)));
    k.destination_port =
        Big16(below(4) ? kPorts[below(kPorts.size())] : static_cast<std::uint16_t>(below(65536)));
    return k;
  }

 private:
  std::mt19937 engine_;
};

TEST(ServiceTable, FindsWhatAListFinds) {
  Random random(random_seed());
  for (unsigned round = 0; round < 300; ++round) {
    SCOPED_TRACE(round);
    std::vector<Entry> entries;
    const unsigned count = random.below(60);
    for (unsigned i = 0; i < count; ++i) entries.push_back(random.entry(i));
    const ServiceTable table{entries};
    const Model model{entries};
    for (unsigned i = 0; i < 200; ++i) {
      const FlowKey key = random.key();
      EXPECT_EQ(table.lookup(key), model.lookup(key))
          << to_string(key.destination) << ' ' << unsigned{key.protocol} << ' '
          << key.destination_port.value();
      EXPECT_EQ(table.is_vip(key.destination), model.is_vip(key.destination)) << to_string(key.destination);
    }
  }
}

TEST(ServiceTable, AnswersABurstAsItAnswersEachPacket) {
  Random random(random_seed());
  for (unsigned round = 0; round < 300; ++round) {
    std::vector<Entry> entries;
    for (unsigned i = 0; i < random.below(40); ++i) entries.push_back(random.entry(i));
    const ServiceTable table{entries};
    std::array<FlowKey, 64> keys;
    for (FlowKey& key : keys) key = random.key();
    const std::uint64_t wanted = std::uint64_t{random.below(~0u)} << 32 | random.below(~0u);
    constexpr std::uint32_t kUntouched = 0xabcdef;
    std::array<std::uint32_t, 64> found;
    found.fill(kUntouched);
    const std::uint64_t missing = table.lookup(keys.data(), wanted, found.data());
    for (unsigned i = 0; i < 64; ++i) {
      const bool asked = wanted >> i & 1;
      EXPECT_EQ(found[i], asked ? table.lookup(keys[i]) : kUntouched);
      EXPECT_EQ(missing >> i & 1, asked && found[i] == kNoService);
    }
  }
}

TEST(ServiceTable, WithoutServicesFindsNone) {
  for (const ServiceTable& table : {ServiceTable{}, ServiceTable{std::span<const Entry>{}}}) {
    FlowKey key;
    EXPECT_EQ(table.lookup(key), kNoService);
    key.destination = IpAddress::v4(Big32(0));
    EXPECT_EQ(table.lookup(key), kNoService);
    EXPECT_FALSE(table.is_vip(key.destination));
    std::uint32_t found = 0;
    EXPECT_EQ(table.lookup(&key, 1, &found), 1u);
    EXPECT_EQ(found, kNoService);
  }
}

TEST(ServiceTable, HoldsTenThousandServices) {
  std::vector<Entry> entries;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    const IpAddress vip = IpAddress::v4(Big32(0xc6120000 + i / 4));
    entries.push_back({Prefix::host(vip), 6, static_cast<std::uint16_t>(80 + i % 4), i});
  }
  const ServiceTable table{entries};
  FlowKey key;
  key.protocol = 6;
  for (const Entry& e : entries) {
    key.destination = e.vip.address;
    key.destination_port = Big16(e.port);
    EXPECT_EQ(table.lookup(key), e.service);
    key.destination_port = Big16(79);
    EXPECT_EQ(table.lookup(key), kNoService);
  }
  EXPECT_LT(table.bytes(), 8u << 20);
}

TEST(ServiceTable, KeepsTheFirstOfTwoEqualEntries) {
  const Prefix vip = *parse_prefix("203.0.113.10");
  const std::array<Entry, 2> entries = {{{vip, 6, 80, 7}, {vip, 6, 80, 8}}};
  FlowKey key;
  key.destination = vip.address;
  key.protocol = 6;
  key.destination_port = Big16(80);
  EXPECT_EQ(ServiceTable(entries).lookup(key), 7u);
}

TEST(ServiceTable, KeepsTheFamiliesApart) {
  // ::/0 covers, as a number, the IPv4-mapped addresses in which IPv4 is kept.
  const std::array<Entry, 2> entries = {
      {{*parse_prefix("::/0"), 0, 0, 6}, {*parse_prefix("10.0.0.0/8"), 0, 0, 4}}};
  const ServiceTable table{entries};
  FlowKey key;
  key.destination = *parse_address("11.0.0.1");
  EXPECT_EQ(table.lookup(key), kNoService);
  key.destination = *parse_address("10.0.0.1");
  EXPECT_EQ(table.lookup(key), 4u);
  key.destination = *parse_address("2001:db8::1");
  EXPECT_EQ(table.lookup(key), 6u);
}

}  // namespace
}  // namespace sluice::test
