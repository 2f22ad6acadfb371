// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/wire/toeplitz.h"

#include <gtest/gtest.h>
#include <rte_thash.h>

#include <string>
#include <vector>

#include "tests/unit/wire/random_flows.h"

namespace sluice {
namespace {

using test::RandomFlows;
using KeyBytes = std::array<std::uint8_t, ToeplitzKey::kBytes>;

constexpr KeyBytes kPublished = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

struct Vector {
  const char* source;
  std::uint16_t source_port;
  const char* destination;
  std::uint16_t destination_port;
  std::uint32_t addresses, ports;
};
constexpr Vector kVectors[] = {
    {"66.9.149.187", 2794, "161.142.100.80", 1766, 0x323e8fc2, 0x51ccc178},
    {"199.92.111.2", 14230, "65.69.140.83", 4739, 0xd718262a, 0xc626b0ea},
    {"24.19.198.95", 12898, "12.22.207.184", 38024, 0xd2d0a5de, 0x5c2b394a},
    {"38.27.205.30", 48228, "209.142.163.6", 2217, 0x82989176, 0xafc7327f},
    {"153.39.163.191", 44251, "202.188.127.2", 1303, 0x5d1809c5, 0x10e828a2},
    {"3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x2cc18cd5, 0x40207d3d},
    {"3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739, 0x0f0c461c, 0xdde51bbf},
    {"3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, "fe80::200:f8ff:fe21:67cf", 38024, 0x4b61e985, 0x02d1feef},
};

FlowKey flow_of(const Vector& v) {
  FlowKey flow;
  flow.source = parse_address(v.source).value();
  flow.destination = parse_address(v.destination).value();
  flow.source_port = Big16(v.source_port);
  flow.destination_port = Big16(v.destination_port);
  flow.protocol = kProtoTcp;
  return flow;
}

// The bytes that RSS hashes, put together independently of the code under test.
std::vector<std::uint8_t> input_of(const FlowKey& flow, toeplitz::Take take) {
  std::vector<std::uint8_t> input;
  const std::size_t skip = flow.is_v4() ? 12 : 0;
  input.insert(input.end(), flow.source.byte.begin() + skip, flow.source.byte.end());
  if (take == toeplitz::kTakeSource) return input;
  input.insert(input.end(), flow.destination.byte.begin() + skip, flow.destination.byte.end());
  if (take == toeplitz::kTakeAddresses) return input;
  for (Big16 port : {flow.source_port, flow.destination_port}) {
    input.push_back(static_cast<std::uint8_t>(port.value() >> 8));
    input.push_back(static_cast<std::uint8_t>(port.value()));
  }
  return input;
}

std::uint32_t gfni(const ToeplitzKey& key, const FlowKey& flow, toeplitz::Take take) {
  std::uint32_t out = 0;
  toeplitz::gfni(key, {&flow, &take, flow.is_v4() ? 1u : 0u, flow.is_v4() ? 0u : 1u}, &out);
  return out;
}

// Every twin that this cpu can run.
void expect_all_twins(const ToeplitzKey& key, const FlowKey& flow, toeplitz::Take take,
                      std::uint32_t expected) {
  ASSERT_EQ(toeplitz::scalar(key, flow, take), expected);
  if (toeplitz::gfni_supported()) {
    ASSERT_EQ(gfni(key, flow, take), expected);
  }
}

TEST(Toeplitz, gives_the_published_rss_verification_values_in_every_twin) {
  const ToeplitzKey key(kPublished);
  for (const Vector& v : kVectors) {
    SCOPED_TRACE(v.source);
    const FlowKey flow = flow_of(v);
    EXPECT_EQ(key.hash_addresses(flow), v.addresses);
    EXPECT_EQ(key.hash_with_ports(flow), v.ports);
    EXPECT_EQ(toeplitz::reference(kPublished, input_of(flow, toeplitz::kTakeAddresses)), v.addresses);
    EXPECT_EQ(toeplitz::reference(kPublished, input_of(flow, toeplitz::kTakePorts)), v.ports);
    expect_all_twins(key, flow, toeplitz::kTakeAddresses, v.addresses);
    expect_all_twins(key, flow, toeplitz::kTakePorts, v.ports);
  }
}

TEST(Toeplitz, hashes_the_fields_that_a_service_asks_for) {
  const ToeplitzKey key(kPublished);
  for (const Vector& v : kVectors) {
    FlowKey flow = flow_of(v);
    EXPECT_EQ(key.hash(flow, HashFields::kFiveTuple), v.ports);
    EXPECT_EQ(key.hash(flow, HashFields::kThreeTuple), v.addresses);
    EXPECT_EQ(key.hash(flow, HashFields::kSource), key.hash_source(flow));
    EXPECT_EQ(key.hash_source(flow), toeplitz::reference(kPublished, input_of(flow, toeplitz::kTakeSource)));
    flow.protocol = kProtoUdp;
    EXPECT_EQ(key.hash(flow, HashFields::kFiveTuple), v.ports);
    flow.protocol = kProtoSctp;
    EXPECT_EQ(key.hash(flow, HashFields::kFiveTuple), v.ports);
    flow.protocol = kProtoEsp;
    EXPECT_EQ(key.hash(flow, HashFields::kFiveTuple), v.addresses)
        << "a protocol without ports is hashed by addresses";
  }
}

TEST(Toeplitz, twins_are_equal_on_a_million_random_flows_under_changing_keys) {
  RandomFlows random(11);
  for (int round = 0; round < 1000; ++round) {
    KeyBytes bytes;
    random.fill(bytes);
    const ToeplitzKey key(bytes);
    for (int i = 0; i < 1000; ++i) {
      const FlowKey flow = random.any();
      const toeplitz::Take take = toeplitz::take(flow, random.fields());
      const std::uint32_t expected = toeplitz::scalar(key, flow, take);
      if (i % 20 == 0) {
        ASSERT_EQ(toeplitz::reference(bytes, input_of(flow, take)), expected);
      }
      expect_all_twins(key, flow, take, expected);
    }
  }
}

TEST(Toeplitz, equals_dpdk_softrss_over_the_same_input) {
  RandomFlows random(12);
  const ToeplitzKey key(kPublished);
  for (int i = 0; i < 20'000; ++i) {
    const FlowKey flow = random.any();
    const auto input = input_of(flow, toeplitz::kTakePorts);
    std::uint32_t words[9];
    std::memcpy(words, input.data(), input.size());
    for (auto& word : words) word = rte_be_to_cpu_32(word);
    ASSERT_EQ(key.hash_with_ports(flow),
              rte_softrss(words, static_cast<std::uint32_t>(input.size() / 4), kPublished.data()));
  }
}

TEST(Toeplitz, burst_writes_the_hashes_of_the_mask_and_nothing_else) {
  RandomFlows random(13);
  for (int round = 0; round < 16'000; ++round) {
    KeyBytes bytes;
    random.fill(bytes);
    const ToeplitzKey key(bytes);
    FlowKey flows[64];
    HashFields fields[64];
    std::uint64_t mask = std::uint64_t{random.number()} << 32 | random.number();
    if (round % 8 == 0) mask = round % 16 ? 0 : ~0ull;
    for (unsigned i = 0; i < 64; ++i) {
      flows[i] = round % 3 == 0 ? random.v4() : round % 3 == 1 ? random.v6() : random.any();
      fields[i] = random.fields();
    }
    std::uint32_t each[64], one[64];
    std::fill_n(each, 64, 0x5eed);
    std::fill_n(one, 64, 0x5eed);
    hash_burst(key, flows, fields, mask, each);
    hash_burst(key, flows, fields[0], mask, one);
    for (unsigned i = 0; i < 64; ++i) {
      const bool chosen = mask >> i & 1;
      const auto expected = [&](HashFields f) {
        return toeplitz::scalar(key, flows[i], toeplitz::take(flows[i], f));
      };
      ASSERT_EQ(each[i], chosen ? expected(fields[i]) : 0x5eedu) << i;
      ASSERT_EQ(one[i], chosen ? expected(fields[0]) : 0x5eedu) << i;
    }
  }
}

TEST(Toeplitz, is_linear_so_its_key_must_be_secret) {
  RandomFlows random(14);
  for (int i = 0; i < 100'000; ++i) {
    KeyBytes bytes;
    random.fill(bytes);
    const ToeplitzKey key(bytes);
    const FlowKey a = random.v4(), b = random.v4();
    FlowKey both = a;
    both.source = IpAddress::v4(Big32(a.source.v4().value() ^ b.source.v4().value()));
    both.destination = IpAddress::v4(Big32(a.destination.v4().value() ^ b.destination.v4().value()));
    both.source_port = Big16::from_raw(a.source_port.raw() ^ b.source_port.raw());
    both.destination_port = Big16::from_raw(a.destination_port.raw() ^ b.destination_port.raw());
    ASSERT_EQ(key.hash_with_ports(both), key.hash_with_ports(a) ^ key.hash_with_ports(b));
  }
}

TEST(Toeplitz, uses_gfni_where_the_cpu_has_it) {
  EXPECT_EQ(ToeplitzKey(kPublished).uses_gfni(), toeplitz::gfni_supported());
}

}  // namespace
}  // namespace sluice
