// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What `explain` says of a packet is what becomes of such a packet, and saying it changes nothing.
#include <gtest/gtest.h>

#include "tests/packet/fixture.h"

namespace sluice::test {
namespace {

struct Case {
  std::string sentence;
  FlowKey key;
  bool opens_flow;
  Bytes frame;  // such a packet
};

FlowKey key_of(std::string_view from, std::string_view to, std::uint8_t protocol, unsigned source_port = 0,
               unsigned destination_port = 0) {
  FlowKey key;
  key.source = *parse_address(from);
  key.destination = *parse_address(to);
  key.protocol = protocol;
  key.source_port.set(static_cast<std::uint16_t>(source_port));
  key.destination_port.set(static_cast<std::uint16_t>(destination_port));
  return key;
}

std::vector<Case> cases() {
  const auto v4 = [](std::string_view vip) { return packet().ipv4(kClient, vip); };
  const auto v6 = [](std::string_view vip) { return packet().ipv6(kClient6, vip); };
  return {
      {"a SYN", key_of(kClient, kWeb, kTcp, 1234, 80), true, v4(kWeb).tcp(1234, 80).syn()},
      {"a TCP segment", key_of(kClient, kWeb, kTcp, 1234, 80), false, v4(kWeb).tcp(1234, 80)},
      {"a SYN over IPv6", key_of(kClient6, kWeb6, kTcp, 1234, 80), true, v6(kWeb6).tcp(1234, 80).syn()},
      {"an IPv6 flow to IPv4 servers", key_of(kClient6, k6In4, kTcp, 7, 80), false, v6(k6In4).tcp(7, 80)},
      {"a datagram", key_of(kClient, kDns, kUdp, 1234, 53), false, v4(kDns).udp(1234, 53)},
      {"a datagram over IPv6", key_of(kClient6, kDns6, kUdp, 1234, 53), false, v6(kDns6).udp(1234, 53)},
      {"SCTP", key_of(kClient, kSctpVip, kSctp, 1234, 5060), false, v4(kSctpVip).sctp(1234, 5060)},
      {"an SCTP INIT", key_of(kClient, kSctpVip, kSctp, 9, 5060), true, v4(kSctpVip).sctp(9, 5060)},
      {"ESP", key_of(kClient, kEspVip, kEsp), false, v4(kEspVip).esp(7).payload(24)},
      {"a ping to a service of pings", key_of(kClient, kPingVip, kIcmp), false, v4(kPingVip).echo(0, 0)},
      {"a service of several groups", key_of(kClient, kGroupsVip, kTcp, 77, 80), false,
       v4(kGroupsVip).tcp(77, 80)},
      {"a ping to a VIP", key_of(kClient, kWeb, kIcmp), false, v4(kWeb).echo(0, 0)},
      {"a ping to an IPv6 VIP", key_of(kClient6, kWeb6, kIcmp6), false, v6(kWeb6).echo(0, 0)},
      {"a packet to the MUX itself", key_of(kClient, kMuxV4, kTcp, 5, 179), true, v4(kMuxV4).tcp(5, 179)},
      {"no service", key_of(kClient, kWeb, kTcp, 1234, 81), true, v4(kWeb).tcp(1234, 81).syn()},
      {"a service without a live DIP", key_of(kClient, kDeadVip, kTcp, 5, 80), true, v4(kDeadVip).tcp(5, 80)},
      {"a DIP without a way", key_of(kClient, kLostVip, kTcp, 5, 80), true, v4(kLostVip).tcp(5, 80)},
      {"a source that cannot be", key_of("127.0.0.1", kWeb, kTcp, 5, 80), true,
       packet().ipv4("127.0.0.1", kWeb).tcp(5, 80)},
  };
}

void expect_that(const Explanation& said, const Outcome& came, const World& world) {
  switch (said.end) {
    case Explanation::End::kForwarded: {
      ASSERT_EQ(came.sent.size(), 1u);
      EXPECT_EQ(came.created, 0u);
      ASSERT_TRUE(said.chosen);
      EXPECT_EQ(dip_of(came.sent[0]), world.all_dips().at(said.target));
      EXPECT_EQ(came.sent[0].port, said.egress);
      EXPECT_EQ(came.service.count(said.service), 1u);
      break;
    }
    case Explanation::End::kDropped:
      EXPECT_EQ(came.drops(static_cast<DropReason>(said.drop_reason)), 1u)
          << kDropReasonTexts.at(said.drop_reason).word;
      break;
    case Explanation::End::kPunted:
      EXPECT_EQ(came.punted.size(), 1u);
      break;
    case Explanation::End::kAnswered:
      ASSERT_EQ(came.sent.size(), 1u);
      EXPECT_EQ(read_ip(read_frame(came.sent[0].frame).l3).destination,
                read_frame(came.sent[0].frame).type == 0x0800 ? kClient : kClient6);
      break;
  }
}

TEST(Explain, SaysWhatBecomesOfSuchAPacket) {
  const World world = town();
  std::map<Explanation::End, unsigned> ends;
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.sentence);
    Sluice sluice(world);
    const Explanation said = sluice.explain(c.key, c.opens_flow);
    const Outcome nothing = sluice.turn();
    EXPECT_EQ(nothing.rx + nothing.created + nothing.tx + nothing.dropped.size(), 0u) << "it leaves no trace";
    sluice.receive(c.frame);
    expect_that(said, sluice.turn(), world);
    ++ends[said.end];
  }
  EXPECT_EQ(ends.size(), 4u) << "every kind of end is among them";
}

TEST(Explain, WithoutABufferSaysThatItHadNone) {
  Sluice sluice(town());
  sluice.let_buffers_run_out(0);
  const Explanation said = sluice.explain(key_of(kClient, kWeb, kTcp, 1234, 80), true);
  EXPECT_EQ(said.end, Explanation::End::kDropped);
  EXPECT_EQ(static_cast<DropReason>(said.drop_reason), DropReason::kNoBuffer);
  EXPECT_FALSE(said.matched);
  sluice.turn();
}

}  // namespace
}  // namespace sluice::test
