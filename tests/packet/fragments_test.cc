// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// All fragments of a datagram reach the DIP of its flow, in whatever order they come (F1); what never becomes
// whole is given up in time, and a flood of it harms nobody else (F6).
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/packet/fixture.h"

namespace sluice::test {
namespace {

constexpr unsigned kPort = 4242;

Packet datagram4(unsigned port = kPort, unsigned id = 0x1234) {
  return packet().ipv4(kClient, kDns).id(id).udp(port, 53).payload(std::size_t{3000});
}
Packet datagram6(unsigned port = kPort) {
  return packet().ipv6(kClient6, kDns6).udp(port, 53).payload(std::size_t{3000});
}

std::string dip_of_flow(Sluice& sluice, const Packet& of_flow) {
  sluice.receive(of_flow);
  const Outcome out = sluice.turn();
  return out.sent.empty() ? "none" : dip_of(out.sent[0]);
}
std::string dip4(Sluice& sluice, unsigned port = kPort) {
  return dip_of_flow(sluice, packet().ipv4(kClient, kDns).udp(port, 53));
}
std::string dip6(Sluice& sluice, unsigned port = kPort) {
  return dip_of_flow(sluice, packet().ipv6(kClient6, kDns6).udp(port, 53));
}

// All frames came out, each once, unchanged but for the hop, and to one DIP.
void expect_all_to(const std::vector<Bytes>& frames, const std::string& dip, const std::vector<Sent>& sent) {
  std::multiset<Bytes> wanted, got;
  for (const Bytes& frame : frames) wanted.insert(one_hop_further(read_frame(frame).l3));
  for (const Sent& s : sent) {
    got.insert(open_tunnel(s.frame).inner);
    EXPECT_EQ(dip_of(s), dip);
  }
  EXPECT_EQ(wanted, got);
}

void expect_every_order_to_reach(const Packet& datagram, const std::string& dip, Sluice& sluice) {
  std::vector<Bytes> pieces = in_pieces(datagram, 1000);
  ASSERT_EQ(pieces.size(), 4u);
  std::vector<unsigned> order = {0, 1, 2, 3};
  do {
    SCOPED_TRACE(testing::PrintToString(order));
    for (const unsigned i : order) sluice.receive(pieces[i]);
    const Outcome out = sluice.turn();
    expect_all_to(pieces, dip, out.sent);
    EXPECT_EQ(out.held, 0u);
    sluice.pass_ms(3000);  // forgotten, so that the next order begins from nothing
    sluice.turn();
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(Fragments, OfIpv4ReachTheDipOfTheirFlowInEveryOrder) {
  Sluice sluice(town());
  expect_every_order_to_reach(datagram4(), dip4(sluice), sluice);
}

TEST(Fragments, OfIpv6ReachTheDipOfTheirFlowInEveryOrder) {
  Sluice sluice(town());
  expect_every_order_to_reach(datagram6(), dip6(sluice), sluice);
}

TEST(Fragments, ThatComeOneByOneReachTheDipOfTheirFlowInEveryOrder) {
  Sluice sluice(town());
  const std::string dip = dip4(sluice);
  std::vector<Bytes> pieces = in_pieces(datagram4(), 1000);
  std::sort(pieces.begin(), pieces.end());
  do {
    std::vector<Sent> sent;
    for (const Bytes& piece : pieces) {
      sluice.receive(piece);
      for (Sent& s : sluice.turn().sent) sent.push_back(std::move(s));
      sluice.pass_ms(10);
    }
    expect_all_to(pieces, dip, sent);
    sluice.pass_ms(3000);
    sluice.turn();
  } while (std::next_permutation(pieces.begin(), pieces.end()));
}

TEST(Fragments, BehindOptionsOfTheFragmentablePartAreFound) {
  // The later pieces say "destination options" where the first one's chain ends in UDP (RFC 8200
  // section 4.5).
  Sluice sluice(town());
  const Packet datagram =
      packet().ipv6(kClient6, kDns6).destination_options(16).udp(kPort, 53).payload(std::size_t{3000});
  expect_every_order_to_reach(datagram, dip6(sluice), sluice);
}

TEST(Fragments, OfManyFlowsMixedReachTheirOwnDips) {
  Sluice sluice(town());
  std::vector<std::vector<Bytes>> flows;
  std::vector<std::string> dips;
  for (unsigned i = 0; i < 8; ++i) {
    flows.push_back(in_pieces(datagram4(kPort + i, 100 + i), 1000));
    dips.push_back(dip4(sluice, kPort + i));
  }
  EXPECT_GT(std::set<std::string>(dips.begin(), dips.end()).size(), 1u);
  for (const unsigned piece : {2, 0, 3, 1}) {
    for (const auto& flow : flows) sluice.receive(flow[piece]);
  }
  const Outcome out = sluice.turn();
  ASSERT_EQ(out.sent.size(), 32u);
  for (const Sent& s : out.sent) {
    const unsigned flow = read_ip(open_tunnel(s.frame).inner).id - 100;
    EXPECT_EQ(dip_of(s), dips.at(flow));
  }
}

TEST(Fragments, OfTwoProtocolsWithOneIdAreTwoDatagrams) {
  Sluice sluice(town());
  const auto udp =
      in_pieces(packet().ipv4(kClient, kAnyProtocolVip).udp(1, 2).payload(std::size_t{1500}), 800);
  const auto tcp =
      in_pieces(packet().ipv4(kClient, kAnyProtocolVip).tcp(77, 78).payload(std::size_t{1500}), 800);
  const std::string udp_dip = dip_of_flow(sluice, packet().ipv4(kClient, kAnyProtocolVip).udp(1, 2));
  const std::string tcp_dip = dip_of_flow(sluice, packet().ipv4(kClient, kAnyProtocolVip).tcp(77, 78));
  sluice.receive({udp[1], tcp[1], tcp[0], udp[0]});
  const Outcome out = sluice.turn();
  ASSERT_EQ(out.sent.size(), 4u);
  for (const Sent& s : out.sent) {
    EXPECT_EQ(dip_of(s), read_ip(open_tunnel(s.frame).inner).protocol == kUdp ? udp_dip : tcp_dip);
  }
}

TEST(Fragments, OfTwoClientsWithOneIdAreTwoDatagrams) {
  Sluice sluice(town());
  const Packet other = packet().ipv4("198.51.100.2", kDns).udp(kPort, 53).payload(std::size_t{3000});
  const std::string mine = dip4(sluice);
  const std::string theirs = dip_of_flow(sluice, packet().ipv4("198.51.100.2", kDns).udp(kPort, 53));
  const auto a = in_pieces(datagram4(), 1400), b = in_pieces(other, 1400);
  sluice.receive({a[1], b[1], b[0], a[2], a[0], b[2]});
  const Outcome out = sluice.turn();
  ASSERT_EQ(out.sent.size(), 6u);
  for (const Sent& s : out.sent) {
    EXPECT_EQ(dip_of(s), read_ip(open_tunnel(s.frame).inner).source == kClient ? mine : theirs);
  }
}

TEST(Fragments, OfFlowsWithoutPortsStayTogether) {
  Sluice sluice(town());
  const std::string dip = dip_of_flow(sluice, packet().ipv4(kClient, kEspVip).esp(5));
  const auto pieces = in_pieces(packet().ipv4(kClient, kEspVip).esp(5).payload(std::size_t{3000}), 1000);
  sluice.receive({pieces[3], pieces[0], pieces[1], pieces[2], pieces[2]});
  expect_all_to({pieces[0], pieces[1], pieces[2], pieces[2], pieces[3]}, dip, sluice.turn().sent);
}

TEST(Fragments, TaggedAndPaddedStayTogether) {
  Sluice sluice(town());
  const std::string dip = dip4(sluice);
  const auto pieces =
      in_pieces(packet().vlan(9).ipv4(kClient, kDns).udp(kPort, 53).payload(std::size_t{90}), 64);
  Bytes padded = pieces[1];
  padded.resize(200, 0xee);
  sluice.receive({padded, pieces[0]});
  expect_all_to(pieces, dip, sluice.turn().sent);
}

TEST(Fragments, WhoseFirstOneNeverComesAreHeldAndGivenUp) {
  Sluice sluice(town());
  const auto pieces = in_pieces(datagram4(), 1000);
  sluice.receive({pieces[1], pieces[2], pieces[3]});
  Outcome out = sluice.turn();
  EXPECT_TRUE(out.sent.empty());
  EXPECT_EQ(out.held, 3u);
  sluice.pass_ms(50);
  EXPECT_EQ(sluice.turn().held, 3u);
  sluice.pass_ms(60);
  out = sluice.turn();
  EXPECT_EQ(out.held, 0u);
  EXPECT_EQ(out.drops(DropReason::kFragmentTimeout), 3u);
  // The first one, come too late, goes its way; nothing is left to follow it.
  sluice.receive(pieces[0]);
  EXPECT_EQ(sluice.turn().sent.size(), 1u);
}

TEST(Fragments, ThatStragglerAfterTheirDatagramIsForgottenAreGivenUp) {
  Sluice sluice(town());
  const auto pieces = in_pieces(datagram4(), 1000);
  sluice.receive({pieces[0], pieces[1]});
  EXPECT_EQ(sluice.turn().sent.size(), 2u);
  sluice.pass_ms(1900);
  sluice.receive(pieces[2]);
  EXPECT_EQ(sluice.turn().sent.size(), 1u) << "two seconds are not over";
  sluice.pass_ms(200);
  sluice.receive(pieces[3]);
  EXPECT_EQ(sluice.turn().held, 1u);
  sluice.pass_ms(200);
  EXPECT_EQ(sluice.turn().drops(DropReason::kFragmentTimeout), 1u);
}

TEST(Fragments, HeldWhenTheWorkerEndsAreGivenBack) {
  Sluice sluice(town());
  sluice.receive(in_pieces(datagram4(), 1000)[2]);
  EXPECT_EQ(sluice.turn().held, 1u);  // the rig asserts the rest when it ends
}

TEST(Fragments, ForNobodyAreNotHeld) {
  Sluice sluice(town());
  sluice.receive(
      packet().ipv4(kClient, "203.0.113.99").protocol(kUdp).piece(800, false).payload(std::size_t{64}));
  const Outcome out = sluice.turn();
  EXPECT_EQ(out.held, 0u);
  EXPECT_EQ(out.drops(DropReason::kNoService), 1u);
}

TEST(Fragments, OfAFloodAreBoundedAndTheOthersAreNotHarmed) {
  Sluice sluice(town(), {.fragment_sets = 64, .held_packets = 100});
  const std::string dip = dip4(sluice);
  const auto pieces = in_pieces(datagram4(), 1000);
  std::uint64_t refused = 0;
  for (unsigned round = 0; round < 50; ++round) {
    for (unsigned i = 0; i < 40; ++i) {
      const unsigned n = round * 40 + i;
      sluice.receive(packet()
                         .ipv4("198.18." + std::to_string(n / 250) + "." + std::to_string(1 + n % 250), kDns)
                         .id(n)
                         .protocol(kUdp)
                         .piece(800, true)
                         .payload(std::size_t{64}));
    }
    // In order, and among whole packets of its flow.
    sluice.receive({pieces[0], packet().ipv4(kClient, kDns).udp(kPort, 53), pieces[1], pieces[2], pieces[3]});
    const Outcome out = sluice.turn();
    EXPECT_EQ(out.sent.size(), 5u);
    for (const Sent& s : out.sent) EXPECT_EQ(dip_of(s), dip);
    EXPECT_LE(out.held, 100u);
    refused += out.drops(DropReason::kFragmentTableFull);
  }
  EXPECT_GT(refused, 0u);
}

TEST(Fragments, OfOneDatagramTakeOnlyTheirShare) {
  Sluice sluice(town(), {.held_packets = 100, .held_per_datagram = 10});
  const Bytes later = in_pieces(datagram4(), 1000)[2];
  sluice.receive(std::vector<Bytes>(30, later));
  Outcome out = sluice.turn();
  EXPECT_EQ(out.held, 10u);
  EXPECT_EQ(out.drops(DropReason::kFragmentTableFull), 20u);
  // There is room for another one's.
  const auto other =
      in_pieces(packet().ipv4("198.51.100.9", kDns).udp(9, 53).payload(std::size_t{1500}), 800);
  sluice.receive({other[1], other[0]});
  EXPECT_EQ(sluice.turn().sent.size(), 2u);
}

TEST(Fragments, AfterASecondFirstOneFollowTheNewest) {
  // Overlapping firsts are an attack on filters. Each packet still goes to one DIP, and none is lost.
  Sluice sluice(town());
  unsigned other = kPort;
  const std::string dip = dip4(sluice);
  while (dip4(sluice, ++other) == dip) {
  }
  const auto a = in_pieces(datagram4(kPort), 1000), b = in_pieces(datagram4(other), 1000);
  sluice.receive({a[0], a[1], b[0], a[2], a[3]});
  const Outcome out = sluice.turn();
  ASSERT_EQ(out.sent.size(), 5u);
  EXPECT_EQ(dip_of(out.sent[0]), dip);
  EXPECT_EQ(dip_of(out.sent[1]), dip);
  for (unsigned i = 2; i < 5; ++i) EXPECT_NE(dip_of(out.sent[i]), dip);
}

TEST(Fragments, ThatDoNotFitAreSplitOnceMore) {
  Sluice sluice(town());
  const Packet datagram = packet().ipv4(kClient, kNarrowVip).udp(kPort, 53).payload(std::size_t{4000});
  const auto pieces = in_pieces(datagram, 1480);  // of 1500 bytes, on a path of 1400
  sluice.receive({pieces[2], pieces[1], pieces[0]});
  const Outcome out = sluice.turn();
  std::vector<Bytes> inner;
  for (const Sent& s : out.sent) {
    EXPECT_LE(read_frame(s.frame).l3.size(), 1400u);
    inner.push_back(open_tunnel(s.frame).inner);
  }
  EXPECT_EQ(hex(reassemble4(inner)), hex(one_hop_further(datagram.ip())));
}

}  // namespace
}  // namespace sluice::test
