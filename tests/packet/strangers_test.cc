// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Packets of flows that no table knows, where the service says what becomes of them (unknown_flow), and flows
// for which there is no entry left.
#include <gtest/gtest.h>

#include <set>

#include "dataplane/table/group_state.h"
#include "tests/packet/fixture.h"

namespace sluice::test {
namespace {

constexpr unsigned kFlagsAt = 13;  // in a TCP header
constexpr unsigned kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPush = 0x08, kAck = 0x10;
constexpr std::uint32_t kTheirSequence = 0x01020304;  // of every segment that Packet makes
constexpr unsigned kServers = 4;

const std::vector<std::string> kDips = {"10.1.0.11", "10.1.0.12", "10.1.0.13", "10.1.0.14"};

World strict(UnknownFlow unknown) {
  World w;
  w.service(kWeb, kTcp, 80).group(kDips).remembers_flows().only_type1(unknown);
  w.service(kWeb6, kTcp, 80).group({"2001:db8:1::11"}).remembers_flows().only_type1(unknown);
  w.service(kDns, kUdp, 53).group(kDips).remembers_flows().only_type1(unknown);
  return w;
}

struct Reset {
  std::string from, to;
  unsigned source_port = 0, destination_port = 0, flags = 0;
  std::uint32_t sequence = 0, acknowledgement = 0;
};

// The one frame that went back, read as a TCP segment without payload whose checksum is right.
Reset read_reset(const Outcome& out) {
  EXPECT_EQ(out.drops(DropReason::kFlowReset), 1u);
  EXPECT_EQ(out.created, 1u);
  if (out.sent.size() != 1) {
    ADD_FAILURE() << out.sent.size() << " frames went out";
    return {};
  }
  const Frame frame = read_frame(out.sent[0].frame);
  EXPECT_EQ(frame.to, kRouterMac);
  const Ip ip = read_ip(frame.l3);
  const Bytes& tcp = ip.payload;
  EXPECT_EQ(ip.protocol, kTcp);
  EXPECT_EQ(tcp.size(), 20u);
  Bytes summed = address_bytes(ip.source);
  append(summed, address_bytes(ip.destination));
  append(summed, {0, kTcp, 0, static_cast<std::uint8_t>(tcp.size())});  // the order does not matter to a sum
  append(summed, tcp);
  EXPECT_EQ(naive_checksum(summed), 0u);
  return {ip.source,        ip.destination, get16(tcp, 0), get16(tcp, 2),
          tcp.at(kFlagsAt), get32(tcp, 4),  get32(tcp, 8)};
}

Reset answer_to(const Packet& segment) {
  Sluice sluice(strict(UnknownFlow::kReset));
  sluice.receive(segment);
  return read_reset(sluice.turn());
}

Packet segment(unsigned flags) {
  return packet().ipv4(kClient, kWeb).tcp(1234, 80).l4_byte(kFlagsAt, flags);
}

// RFC 9293 section 3.5.2: the reset takes its sequence number from the ACK field of the segment.
TEST(UnknownFlow, ASegmentOfNoKnownConnectionIsAnsweredByAResetInItsPlace) {
  const Reset reset = answer_to(segment(kAck | kPush).l4_byte(8, 0xaa).l4_byte(11, 0xbb).payload(100));
  EXPECT_EQ(reset.from, kWeb);
  EXPECT_EQ(reset.to, kClient);
  EXPECT_EQ(reset.source_port, 80u);
  EXPECT_EQ(reset.destination_port, 1234u);
  EXPECT_EQ(reset.flags, kRst);
  EXPECT_EQ(reset.sequence, 0xaa0000bbu);
}

// The same: without an ACK field the reset has number zero and acknowledges what came.
TEST(UnknownFlow, ASegmentWithoutAnAcknowledgementIsAcknowledgedByItsReset) {
  for (const auto& [flags, payload, length] :
       {std::tuple{kPush, 100u, 100u}, {kFin, 0u, 1u}, {kFin | kPush, 7u, 8u}}) {
    const Reset reset = answer_to(segment(flags).payload(payload));
    EXPECT_EQ(reset.flags, kRst | kAck);
    EXPECT_EQ(reset.sequence, 0u);
    EXPECT_EQ(reset.acknowledgement, kTheirSequence + length) << payload << " bytes, flags " << flags;
  }
}

TEST(UnknownFlow, AResetOverIpv6ComesFromTheVipToo) {
  const Reset reset = answer_to(packet().ipv6(kClient6, kWeb6).tcp(1234, 80).payload(10));
  EXPECT_EQ(reset.from, kWeb6);
  EXPECT_EQ(reset.to, kClient6);
  EXPECT_EQ(reset.flags, kRst);
}

TEST(UnknownFlow, AResetIsNeverAnsweredByAnother) {
  Sluice sluice(strict(UnknownFlow::kReset));
  sluice.receive(segment(kRst | kAck));
  const Outcome out = sluice.turn();
  EXPECT_EQ(out.drops(DropReason::kFlowReset), 1u);
  EXPECT_TRUE(out.sent.empty());
  EXPECT_EQ(out.created, 0u);
}

TEST(UnknownFlow, WhatIsNoTcpCannotBeResetAndIsDropped) {
  Sluice sluice(strict(UnknownFlow::kReset));
  sluice.receive(packet().ipv4(kClient, kDns).udp(1234, 53));
  const Outcome out = sluice.turn();
  EXPECT_EQ(out.drops(DropReason::kUnknownFlow), 1u);
  EXPECT_TRUE(out.sent.empty());
  EXPECT_EQ(out.created, 0u);
}

TEST(UnknownFlow, IsDroppedWithoutAWordWhereTheServiceSaysSo) {
  Sluice sluice(strict(UnknownFlow::kDrop));
  sluice.receive(segment(kAck));
  const Outcome out = sluice.turn();
  EXPECT_EQ(out.drops(DropReason::kUnknownFlow), 1u);
  EXPECT_TRUE(out.sent.empty());
  EXPECT_EQ(sluice.counters().events[0].unknown.get(), 1u);
}

TEST(UnknownFlow, FollowsTheMapWhereTheServiceSaysSoAlwaysToTheSameDip) {
  Sluice sluice(strict(UnknownFlow::kMap));
  std::set<std::string> dips;
  for (unsigned i = 0; i < 3; ++i) {
    sluice.receive(segment(kAck));
    const Outcome out = sluice.turn();
    ASSERT_EQ(out.sent.size(), 1u);
    dips.insert(dip_of(out.sent[0]));
  }
  EXPECT_EQ(dips.size(), 1u);
  EXPECT_EQ(sluice.snapshot().groups[0].state->flows.size(), 0u);
}

TEST(UnknownFlow, IsResetWhateverBecameKnownBesideIt) {
  Sluice sluice(strict(UnknownFlow::kReset));
  sluice.receive(packet().ipv4(kClient, kWeb).tcp(1234, 80).syn());
  sluice.receive(packet().ipv4(kClient, kWeb).tcp(1234, 80));
  sluice.receive(packet().ipv4(kClient, kWeb).tcp(1235, 80));
  const Outcome out = sluice.turn();
  EXPECT_EQ(out.sent.size(), 3u) << "two to the server, one back";
  EXPECT_EQ(out.drops(DropReason::kFlowReset), 1u);
}

// Two flows of one client, which the map cannot tell apart: each has an entry, and the DIPs take turns.
TEST(FlowsOfASourceHash, AreFlowsOfTheirOwn) {
  World w;
  w.service(kWeb, kTcp, 80).group(kDips).remembers_flows().hash(HashFields::kSource);
  Sluice sluice(w);
  std::set<std::string> dips;
  for (unsigned i = 0; i < kServers; ++i) {
    std::string first;
    for (const unsigned flags : {kSyn, kAck}) {
      sluice.receive(packet().ipv4(kClient, kWeb).tcp(2000 + i, 80).l4_byte(kFlagsAt, flags));
      const Outcome out = sluice.turn();
      ASSERT_EQ(out.sent.size(), 1u);
      if (first.empty()) first = dip_of(out.sent[0]);
      EXPECT_EQ(dip_of(out.sent[0]), first);
    }
    dips.insert(first);
  }
  EXPECT_EQ(dips.size(), kServers);
  EXPECT_EQ(sluice.snapshot().groups[0].state->flows.size(), kServers);
}

// No entry is left: the map decides for the first packet as it will for those that follow, which are unknown.
TEST(FullTable, ConnectionsWithoutAnEntryAreServedByTheMapAndStayWhereTheyAre) {
  World w;
  w.service(kWeb, kTcp, 80).group(kDips).remembers_flows();
  Sluice sluice(w);
  constexpr unsigned kFlows = 6000;  // more than the rig's table takes
  std::vector<std::string> first(kFlows);
  for (const unsigned flags : {kSyn, kAck}) {
    for (unsigned i = 0; i < kFlows; ++i) {
      sluice.receive(packet().ipv4(kClient, kWeb).tcp(1024 + i, 80).l4_byte(kFlagsAt, flags));
      if (i % 500 != 499) continue;
      const Outcome out = sluice.turn();
      ASSERT_EQ(out.sent.size(), 500u);
      for (unsigned k = 0; k < 500; ++k) {
        std::string& dip = first[i - 499 + k];
        if (flags == kSyn) dip = dip_of(out.sent[k]);
        ASSERT_EQ(dip_of(out.sent[k]), dip);
      }
    }
  }
  const std::uint64_t untracked = sluice.counters().events[0].untracked.get();
  EXPECT_GT(untracked, 0u);
  EXPECT_LT(sluice.snapshot().groups[0].state->flows.size(), std::uint64_t{kFlows});
}

}  // namespace
}  // namespace sluice::test
