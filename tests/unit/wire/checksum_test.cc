// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/wire/checksum.h"

#include <gtest/gtest.h>
#include <rte_ip.h>

#include <vector>

#include "tests/unit/wire/random_flows.h"

namespace sluice {
namespace {

using test::RandomFlows;

std::uint16_t dpdk_sum(const std::uint8_t* at, std::size_t bytes) {
  return rte_raw_cksum(at, bytes);
}

TEST(Checksum, of_the_example_in_rfc_1071_is_ddf2_before_the_complement) {
  const std::uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(checksum(bytes), Big16(static_cast<std::uint16_t>(~0xddf2)));
}

TEST(Checksum, of_nothing_is_all_ones) {
  EXPECT_EQ(checksum({}), Big16(0xffff));
}

TEST(Checksum, equals_dpdk_on_a_million_random_buffers_of_any_length_and_alignment) {
  RandomFlows random(2);
  std::vector<std::uint8_t> buffer(4096);
  random.fill(buffer);
  for (int i = 0; i < 1'000'000; ++i) {
    buffer[random.number() % buffer.size()] = static_cast<std::uint8_t>(random.number());
    const std::size_t bytes = random.number() % (i % 16 ? 96 : 1600), from = random.number() % 64;
    ASSERT_EQ(fold(partial_sum({&buffer[from], bytes})), dpdk_sum(&buffer[from], bytes))
        << bytes << " at " << from;
  }
}

TEST(Checksum, does_not_overflow_on_the_longest_datagram_of_all_ones) {
  const std::vector<std::uint8_t> ones(65535, 0xff);
  EXPECT_EQ(fold(partial_sum(ones)), dpdk_sum(ones.data(), ones.size()));
}

TEST(Checksum, of_pieces_adds_up_to_the_checksum_of_the_whole) {
  RandomFlows random(3);
  std::vector<std::uint8_t> buffer(301);
  for (int i = 0; i < 10'000; ++i) {
    random.fill(buffer);
    const std::span<const std::uint8_t> all(buffer);
    const std::size_t cut = random.number() % 150 * 2;
    ASSERT_EQ(finish(partial_sum(all.first(cut)) + partial_sum(all.subspan(cut))), checksum(all));
  }
}

Ipv4Header random_ipv4(RandomFlows& random, unsigned words = 5) {
  Ipv4Header header;
  random.fill({reinterpret_cast<std::uint8_t*>(&header), sizeof header});
  header.version_ihl = static_cast<std::uint8_t>(0x40 | words);
  header.checksum = Big16{};
  return header;
}

TEST(Checksum, of_an_ipv4_header_equals_dpdk_and_makes_the_header_hold) {
  RandomFlows random(4);
  for (int i = 0; i < 100'000; ++i) {
    Ipv4Header header = random_ipv4(random);
    rte_ipv4_hdr twin;
    std::memcpy(&twin, &header, sizeof twin);
    header.checksum = ipv4_checksum(header);
    ASSERT_EQ(header.checksum.raw(), rte_ipv4_cksum(&twin));
    ASSERT_TRUE(ipv4_checksum_holds(header));
    ASSERT_TRUE(checksum_holds({reinterpret_cast<const std::uint8_t*>(&header), sizeof header}));
    header.ttl ^= 1;
    ASSERT_FALSE(ipv4_checksum_holds(header));
  }
}

TEST(Checksum, of_an_ipv4_header_covers_its_options) {
  RandomFlows random(5);
  std::uint8_t bytes[60];
  random.fill(bytes);
  const Ipv4Header header = random_ipv4(random, 15);
  std::memcpy(bytes, &header, sizeof header);
  Ipv4Header* in_frame = reinterpret_cast<Ipv4Header*>(bytes);
  in_frame->checksum = ipv4_checksum(*in_frame);
  EXPECT_TRUE(ipv4_checksum_holds(*in_frame));
  EXPECT_TRUE(checksum_holds(bytes));
  bytes[59] ^= 1;
  EXPECT_FALSE(ipv4_checksum_holds(*in_frame));
}

TEST(PseudoHeader, over_ipv4_equals_dpdk) {
  RandomFlows random(6);
  for (int i = 0; i < 10'000; ++i) {
    const FlowKey flow = random.v4();
    const auto l4_bytes = static_cast<std::uint16_t>(random.number() % 65000);
    rte_ipv4_hdr header{};
    header.version_ihl = 0x45;
    header.src_addr = flow.source.v4().raw();
    header.dst_addr = flow.destination.v4().raw();
    header.next_proto_id = flow.protocol;
    header.total_length = rte_cpu_to_be_16(static_cast<std::uint16_t>(l4_bytes + 20));
    ASSERT_EQ(fold(pseudo_sum(flow.source, flow.destination, flow.protocol, l4_bytes)),
              rte_ipv4_phdr_cksum(&header, 0));
  }
}

TEST(PseudoHeader, over_ipv6_equals_dpdk) {
  RandomFlows random(7);
  for (int i = 0; i < 10'000; ++i) {
    const FlowKey flow = random.v6();
    const auto l4_bytes = static_cast<std::uint16_t>(random.number());
    rte_ipv6_hdr header{};
    std::memcpy(header.src_addr, flow.source.byte.data(), 16);
    std::memcpy(header.dst_addr, flow.destination.byte.data(), 16);
    header.proto = flow.protocol;
    header.payload_len = rte_cpu_to_be_16(l4_bytes);
    ASSERT_EQ(fold(pseudo_sum(flow.source, flow.destination, flow.protocol, l4_bytes)),
              rte_ipv6_phdr_cksum(&header, 0));
  }
}

TEST(PseudoHeader, and_udp_datagram_equal_dpdk_and_never_say_no_checksum) {
  RandomFlows random(8);
  for (int i = 0; i < 200'000; ++i) {
    std::uint8_t frame[20 + 8 + 4];
    random.fill(frame);
    rte_ipv4_hdr header{};
    header.version_ihl = 0x45;
    random.fill({reinterpret_cast<std::uint8_t*>(&header.src_addr), 8});
    header.next_proto_id = kProtoUdp;
    header.total_length = rte_cpu_to_be_16(sizeof frame);
    std::memcpy(frame, &header, 20);
    std::memset(frame + 26, 0, 2);
    const PartialSum sum =
        pseudo_sum(Big32::from_raw(header.src_addr), Big32::from_raw(header.dst_addr), kProtoUdp, 12) +
        partial_sum(std::span(frame).subspan(20));
    ASSERT_EQ(finish_udp(sum).raw(), rte_ipv4_udptcp_cksum(&header, frame + 20));
  }
  EXPECT_EQ(finish_udp(0xffff), Big16(0xffff));
}

TEST(ChecksumUpdate, of_one_field_equals_the_full_sum) {
  RandomFlows random(9);
  for (int i = 0; i < 200'000; ++i) {
    std::uint8_t bytes[40];
    random.fill(bytes);
    if (i % 4 == 0) std::memset(bytes + 2, i % 8 ? 0 : 0xff, 36);  // the corners of one's complement
    bytes[0] |= 1;
    const std::size_t at = 2 + random.number() % 17 * 2;
    const Big16 before_sum = checksum(bytes);
    Big16 before16, after16(static_cast<std::uint16_t>(random.number() % 3 ? random.number() : 0));
    std::memcpy(&before16, bytes + at, 2);
    std::memcpy(bytes + at, &after16, 2);
    ASSERT_EQ(update_checksum(before_sum, before16, after16), checksum(bytes));

    const Big16 middle_sum = checksum(bytes);
    Big32 before32, after32(random.number() % 3 ? random.number() : 0xffffffff);
    std::memcpy(&before32, bytes + at, 4);
    std::memcpy(bytes + at, &after32, 4);
    ASSERT_EQ(update_checksum(middle_sum, before32, after32), checksum(bytes));
  }
}

TEST(ChecksumUpdate, gives_0000_in_the_example_of_rfc_1624_where_older_formulas_give_ffff) {
  EXPECT_EQ(update_checksum(Big16(0xdd2f), Big16(0x5555), Big16(0x3285)), Big16(0x0000));
}

TEST(DecrementTtl, keeps_the_header_checksum_right_for_every_ttl) {
  RandomFlows random(10);
  for (unsigned round = 0; round < 200; ++round) {
    for (unsigned ttl = 1; ttl < 256; ++ttl) {
      Ipv4Header header = random_ipv4(random);
      header.ttl = static_cast<std::uint8_t>(ttl);
      header.checksum = ipv4_checksum(header);
      Ipv4Header expected = header;
      decrement_ttl(header);
      expected.ttl = static_cast<std::uint8_t>(ttl - 1);
      expected.checksum = Big16{};
      expected.checksum = ipv4_checksum(expected);
      ASSERT_EQ(std::memcmp(&header, &expected, sizeof header), 0) << ttl;
    }
  }
}

}  // namespace
}  // namespace sluice
