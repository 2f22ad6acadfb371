// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/wire/keyed_hash.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "dataplane/wire/siphash.h"
#include "dataplane/wire/toeplitz.h"
#include "tests/unit/wire/random_flows.h"

namespace sluice {
namespace {

using test::RandomFlows;

std::vector<std::uint8_t> counting(std::size_t bytes) {
  std::vector<std::uint8_t> out(bytes);
  std::iota(out.begin(), out.end(), std::uint8_t{0});
  return out;
}

HashSecret secret(std::uint64_t seed) {
  HashSecret out;
  RandomFlows(seed).fill(out);
  return out;
}

std::uint64_t software(const KeyedHash& hash, const FlowKey& flow, HashFields fields) {
  std::uint64_t out = 0;
  keyed_hash::burst_software(hash, {&flow, &fields, 0, 1}, &out);
  return out;
}

TEST(SipHash, gives_the_vectors_of_its_authors) {
  const auto key = counting(16);
  const auto hash = [&](std::size_t bytes) {
    return siphash24(std::span<const std::uint8_t, 16>(key), counting(bytes));
  };
  EXPECT_EQ(hash(0), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(hash(1), 0x74f839c593dc67fdu);
  EXPECT_EQ(hash(8), 0x93f5f5799a932462u);
  EXPECT_EQ(hash(15), 0xa129ca6149be45e5u);
}

TEST(AesRound, gives_the_first_round_of_the_example_in_fips_197) {
  const KeyedHash::Block state = {0x19, 0x3d, 0xe3, 0xbe, 0xa0, 0xf4, 0xe2, 0x2b,
                                  0x9a, 0xc6, 0x8d, 0x2a, 0xe9, 0xf8, 0x48, 0x08};
  const KeyedHash::Block key = {0xa0, 0xfa, 0xfe, 0x17, 0x88, 0x54, 0x2c, 0xb1,
                                0x23, 0xa3, 0x39, 0x39, 0x2a, 0x6c, 0x76, 0x05};
  const KeyedHash::Block after = {0xa4, 0x9c, 0x7f, 0xf2, 0x68, 0x9f, 0x35, 0x2b,
                                  0x6b, 0x5b, 0xea, 0x43, 0x02, 0x6a, 0x50, 0x49};
  EXPECT_EQ(keyed_hash::aes_round_software(state, key), after);
  if (keyed_hash::aesni_supported()) {
    EXPECT_EQ(keyed_hash::aes_round_aesni(state, key), after);
  }
}

TEST(KeyedHash, twins_are_equal_on_a_million_random_flows_under_changing_secrets) {
  RandomFlows random(21);
  for (int round = 0; round < 1'000'000 / 64; ++round) {
    const KeyedHash hash(secret(random.number()));
    FlowKey flows[64];
    HashFields fields[64];
    for (unsigned i = 0; i < 64; ++i) flows[i] = random.any(), fields[i] = random.fields();
    std::uint64_t mask = std::uint64_t{random.number()} << 32 | random.number();
    if (round % 2) mask = ~0ull;
    std::uint64_t portable[64], fast[64];
    std::fill_n(portable, 64, 0x5eed);
    std::fill_n(fast, 64, 0x5eed);
    keyed_hash::burst_software(hash, {flows, fields, 1, mask}, portable);
    hash_burst(hash, flows, fields, mask, fast);
    for (unsigned i = 0; i < 64; ++i) {
      ASSERT_EQ(portable[i], fast[i]) << i;
      if ((mask >> i & 1) == 0) {
        ASSERT_EQ(fast[i], 0x5eedu) << "not in the mask";
      }
    }
  }
}

TEST(KeyedHash, of_one_flow_equals_its_hash_in_a_burst) {
  RandomFlows random(22);
  const KeyedHash hash(secret(1));
  FlowKey flows[64];
  for (auto& flow : flows) flow = random.any();
  for (HashFields fields : {HashFields::kFiveTuple, HashFields::kThreeTuple, HashFields::kSource}) {
    std::uint64_t out[64];
    hash_burst(hash, flows, fields, ~0ull, out);
    for (unsigned i = 0; i < 64; ++i) {
      EXPECT_EQ(out[i], hash(flows[i], fields));
      EXPECT_EQ(out[i], software(hash, flows[i], fields));
    }
  }
}

TEST(KeyedHash, of_bytes_is_equal_in_both_twins_and_tells_lengths_apart) {
  const KeyedHash hash(secret(2));
  const std::vector<std::uint8_t> zeros(100);
  std::vector<std::uint64_t> seen;
  for (std::size_t bytes = 0; bytes <= zeros.size(); ++bytes) {
    const std::span<const std::uint8_t> part(zeros.data(), bytes);
    EXPECT_EQ(hash.bytes(part), keyed_hash::bytes_software(hash, part));
    seen.push_back(hash.bytes(part));
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(std::adjacent_find(seen.begin(), seen.end()), seen.end());
}

TEST(KeyedHash, is_pinned_so_that_nodes_of_different_releases_agree) {
  HashSecret key;
  std::iota(key.begin(), key.end(), std::uint8_t{0});
  const KeyedHash hash(key);
  FlowKey v4;
  v4.source = parse_address("192.0.2.1").value();
  v4.destination = parse_address("203.0.113.10").value();
  v4.source_port = Big16(40000);
  v4.destination_port = Big16(80);
  v4.protocol = kProtoTcp;
  FlowKey v6 = v4;
  v6.source = parse_address("2001:db8::1").value();
  v6.destination = parse_address("2001:db8:1::10").value();
  EXPECT_EQ(hash(v4, HashFields::kFiveTuple), 0xdee32ad2d1b2cf04u)
      << std::hex << hash(v4, HashFields::kFiveTuple);
  EXPECT_EQ(hash(v6, HashFields::kFiveTuple), 0xf463edb305fa936au)
      << std::hex << hash(v6, HashFields::kFiveTuple);
  EXPECT_EQ(hash.bytes(key), 0xbb64a72f285c350du) << std::hex << hash.bytes(key);
}

TEST(KeyedHash, changes_with_every_field_that_is_asked_for_and_with_no_other) {
  RandomFlows random(23);
  const KeyedHash hash(secret(3));
  for (int i = 0; i < 2000; ++i) {
    const FlowKey flow = random.any();
    const unsigned first = flow.is_v4() ? 12 : 0;
    for (HashFields fields : {HashFields::kFiveTuple, HashFields::kThreeTuple, HashFields::kSource}) {
      for (unsigned byte = 0; byte < 37; ++byte) {
        if (byte % 16 < first && byte < 32) continue;
        FlowKey other = flow;
        reinterpret_cast<std::uint8_t*>(&other)[byte] ^= static_cast<std::uint8_t>(1u << random.number() % 8);
        if (other.is_v4() != flow.is_v4()) continue;
        const bool hashed = byte < 16 || (fields != HashFields::kSource && (byte < 32 || byte == 36)) ||
                            fields == HashFields::kFiveTuple;
        ASSERT_EQ(hash(other, fields) != hash(flow, fields), hashed)
            << byte << ' ' << static_cast<int>(fields);
      }
    }
  }
}

// Each input bit alone, over many flows and secrets: every output bit must flip in half of the cases.
void expect_avalanche(bool v4) {
  RandomFlows random(24);
  constexpr int kTrials = 20'000;  // three sigma of one in half is 1.06 %; five sigma 1.8 %
  for (unsigned bit = 0; bit < 37 * 8; ++bit) {
    if (v4 && bit < 32 * 8 && bit % 128 < 96) continue;
    std::array<int, 64> flips{};
    KeyedHash hash(secret(bit));
    for (int trial = 0; trial < kTrials; ++trial) {
      if (trial % 1000 == 0) hash = KeyedHash(secret(random.number()));
      const FlowKey flow = v4 ? random.v4() : random.v6();
      FlowKey other = flow;
      reinterpret_cast<std::uint8_t*>(&other)[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
      const std::uint64_t changed = hash(flow, HashFields::kFiveTuple) ^ hash(other, HashFields::kFiveTuple);
      for (unsigned out = 0; out < 64; ++out) flips[out] += static_cast<int>(changed >> out & 1);
    }
    for (unsigned out = 0; out < 64; ++out) {
      const double share = static_cast<double>(flips[out]) / kTrials;
      ASSERT_NEAR(share, 0.5, 0.02) << "input bit " << bit << ", output bit " << out;
    }
  }
}

TEST(KeyedHash, flips_half_of_the_output_bits_for_each_input_bit_of_an_ipv4_flow) {
  expect_avalanche(true);
}
TEST(KeyedHash, flips_half_of_the_output_bits_for_each_input_bit_of_an_ipv6_flow) {
  expect_avalanche(false);
}

TEST(KeyedHash, is_not_linear) {
  RandomFlows random(25);
  const KeyedHash hash(secret(4));
  const auto h = [&](std::uint32_t source) {
    FlowKey flow;
    flow.source = IpAddress::v4(Big32(source));
    flow.destination = IpAddress::v4(Big32(0));
    return hash(flow, HashFields::kFiveTuple);
  };
  for (int i = 0; i < 10'000; ++i) {
    const std::uint32_t a = random.number() | 1, b = (random.number() & ~1u) | 2;
    EXPECT_NE(h(a ^ b) ^ h(0), h(a) ^ h(b)) << "affine for " << a << ' ' << b;
  }
}

// Flows of one tier-1 slot must reach all tier-2 slots alike: chi-square over the second hash's slots.
TEST(KeyedHash, reaches_all_slots_alike_with_the_flows_of_one_toeplitz_slot) {
  RandomFlows random(26);
  std::array<std::uint8_t, 40> bytes;
  random.fill(bytes);
  const ToeplitzKey first(bytes);
  const KeyedHash second(derive_secret(bytes, "tier 2"));
  constexpr unsigned kSlots = 251, kFlows = 251 * 200;
  for (unsigned tier1_slot : {0u, 17u, 250u}) {
    std::vector<double> seen(kSlots);
    for (unsigned found = 0; found < kFlows;) {
      const FlowKey flow = random.v4();
      if (first.hash_with_ports(flow) % kSlots != tier1_slot) continue;
      seen[second(flow, HashFields::kFiveTuple) % kSlots] += 1;
      ++found;
    }
    double chi_square = 0;
    for (double n : seen) chi_square += (n - 200) * (n - 200) / 200;
    // Mean 250, standard deviation sqrt(500) = 22.4: five deviations.
    EXPECT_LT(chi_square, 250 + 5 * std::sqrt(500.0)) << "slot " << tier1_slot;
    EXPECT_GT(chi_square, 250 - 5 * std::sqrt(500.0)) << "slot " << tier1_slot;
  }
}

TEST(KeyedHash, spreads_clients_that_differ_only_in_the_port_or_the_last_byte) {
  const KeyedHash hash(secret(5));
  std::vector<double> seen(256);
  for (std::uint32_t client = 0; client < 256; ++client) {
    for (std::uint16_t port = 1024; port < 1024 + 256; ++port) {
      FlowKey flow;
      flow.source = IpAddress::v4(Big32(0x0a000000 | client));
      flow.destination = IpAddress::v4(Big32(0xcb00710a));
      flow.source_port = Big16(port);
      flow.destination_port = Big16(80);
      flow.protocol = kProtoTcp;
      seen[hash(flow, HashFields::kFiveTuple) & 255] += 1;
    }
  }
  double chi_square = 0;
  for (double n : seen) chi_square += (n - 256) * (n - 256) / 256;
  EXPECT_LT(chi_square, 255 + 5 * std::sqrt(510.0));
}

TEST(DeriveSecret, gives_each_purpose_its_own_secret_and_every_node_the_same) {
  const auto key = counting(40);
  const HashSecret slots = derive_secret(key, "slots"), again = derive_secret(key, "slots");
  EXPECT_EQ(slots, again);
  EXPECT_NE(slots, derive_secret(key, "fragments"));
  EXPECT_NE(slots, derive_secret(key, ""));
  EXPECT_NE(std::memcmp(slots.data(), slots.data() + 8, 8), 0) << "two lanes, not one twice";
}

TEST(DeriveSecret, changes_in_about_half_of_its_bits_with_every_bit_of_the_key) {
  const auto key = counting(40);
  const HashSecret before = derive_secret(key, "slots");
  unsigned all = 0;
  for (unsigned bit = 0; bit < 320; ++bit) {
    auto other = key;
    other[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    const HashSecret after = derive_secret(other, "slots");
    unsigned flips = 0;
    for (unsigned i = 0; i < 16; ++i)
      flips += static_cast<unsigned>(std::popcount<std::uint8_t>(before[i] ^ after[i]));
    ASSERT_GT(flips, 30u) << bit;  // 64 expected, six deviations below
    all += flips;
  }
  EXPECT_NEAR(all / 320.0, 64.0, 2.0);
}

}  // namespace
}  // namespace sluice
