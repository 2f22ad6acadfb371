// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What does not fit the path and may be split is split: the pieces, put together again, are the packet.
#include <gtest/gtest.h>

#include <set>

#include "tests/packet/fixture.h"

namespace sluice::test {
namespace {

struct Split {
  const char* sentence;
  Packet whole;
  unsigned pieces;
  bool v6_outer = false;
};

constexpr std::string_view kGueVip = "203.0.113.40", kBottleneckVip = "203.0.113.41";

World narrow_town() {
  World w = town();
  w.service(kGueVip, kUdp, 53).group({"10.8.0.2"}).gue();
  w.service(kBottleneckVip, kUdp, 53).group({"10.68.0.1"});
  w.way("10.68.0.0/16", {.mtu = 96});
  return w;
}

Packet udp(std::string_view vip, std::size_t ip_bytes) {
  return packet().ipv4(kClient, vip).udp(99, 53).payload(ip_bytes - 28);
}

// Loose source route is copied into every piece, record route and timestamp are not (RFC 791 section 3.1).
const Bytes kMixedOptions = {131, 7, 4, 192, 0, 2, 1, 7, 7, 4, 0, 0, 0, 0, 1, 130, 4, 0xab, 0xcd, 0};

std::vector<Split> splits() {
  return {
      {"one byte too much makes two pieces", udp(kNarrowVip, 1381), 2},
      {"a full frame makes two pieces", udp(kNarrowVip, 1500), 2},
      {"a jumbo frame makes seven pieces", udp(kNarrowVip, 9000), 7},
      {"an odd length is kept", udp(kNarrowVip, 1499), 2},
      {"the default path splits at its own MTU", udp(kDns, 1481), 2},
      {"IPv4 in IPv6 splits the inner packet",
       packet().ipv4(kClient, k4In6).tcp(1, 80).payload(std::size_t{1460}), 2, true},
      {"GUE leaves room for its UDP header", udp(kGueVip, 1373), 2},
      {"options are copied as they say", udp(kNarrowVip, 2800).options(kMixedOptions), 3},
      {"forty bytes of options leave room", udp(kNarrowVip, 2800).options(Bytes(40, 1)), 3},
      {"an option that lies about its length stays in the first piece",
       udp(kNarrowVip, 2800).options({131, 40, 4, 1, 130, 0, 0, 0}), 3},
      {"a path of 96 bytes makes many pieces", udp(kBottleneckVip, 700), 13},
      {"a tagged and padded frame", udp(kNarrowVip, 1400).vlan(7).padded_to(1500), 2},
  };
}

TEST(Splitting, MakesPiecesThatFitAndThatAreThePacket) {
  for (const Split& split : splits()) {
    SCOPED_TRACE(split.sentence);
    Sluice sluice(narrow_town());
    sluice.receive(split.whole);
    const Outcome out = sluice.turn();
    EXPECT_EQ(out.sent.size(), split.pieces);
    EXPECT_EQ(out.created, out.sent.size() - 1);
    std::vector<Bytes> inner;
    std::set<std::string> dips;
    std::set<unsigned> outer_ids;
    for (const Sent& sent : out.sent) {
      const Tunnelled tunnel = open_tunnel(sent.frame);
      EXPECT_EQ(tunnel.outer.v6, split.v6_outer);
      EXPECT_FALSE(tunnel.outer.dont_fragment);
      inner.push_back(tunnel.inner);
      dips.insert(tunnel.outer.destination);
      outer_ids.insert(tunnel.outer.id);
    }
    EXPECT_EQ(dips.size(), 1u);
    if (!split.v6_outer) {
      EXPECT_EQ(outer_ids.size(), out.sent.size()) << "each outer packet is a datagram of its own (RFC 6864)";
    }
    EXPECT_EQ(hex(reassemble4(inner)), hex(one_hop_further(split.whole.ip())));
  }
}

TEST(Splitting, NeverMakesAPieceThatDoesNotFit) {
  Sluice sluice(narrow_town());
  for (unsigned bytes = 1350; bytes <= 1500; ++bytes) {
    sluice.receive(udp(kNarrowVip, bytes));
    for (const Sent& sent : sluice.turn().sent) EXPECT_LE(read_frame(sent.frame).l3.size(), 1400u);
  }
}

TEST(Splitting, CopiesTheOptionsThatSaySo) {
  Sluice sluice(narrow_town());
  sluice.receive(udp(kNarrowVip, 2800).options(kMixedOptions));
  const Outcome out = sluice.turn();
  ASSERT_EQ(out.sent.size(), 3u);
  EXPECT_EQ(hex(read_ip(open_tunnel(out.sent[0].frame).inner).options), hex(kMixedOptions));
  const Bytes copied = {131, 7, 4, 192, 0, 2, 1, 130, 4, 0xab, 0xcd, 0};
  for (const unsigned i : {1, 2}) {
    EXPECT_EQ(hex(read_ip(open_tunnel(out.sent[i].frame).inner).options), hex(copied));
  }
}

TEST(Splitting, WorksForAWholeBurst) {
  Sluice sluice(narrow_town());
  sluice.receive(std::vector<Bytes>(64, udp(kNarrowVip, 1500)));
  const Outcome out = sluice.turn();
  EXPECT_EQ(out.sent.size(), 128u);
  EXPECT_EQ(out.created, 64u);
}

TEST(Splitting, WithoutBuffersDropsTheWholeDatagram) {
  Sluice sluice(narrow_town());
  sluice.receive(udp(kNarrowVip, 9000));
  sluice.let_buffers_run_out(3);
  Outcome out = sluice.turn();
  EXPECT_TRUE(out.sent.empty()) << "half a datagram helps nobody";
  EXPECT_EQ(out.created, 3u);
  EXPECT_EQ(out.drops(DropReason::kNoBuffer), 4u);
  sluice.receive(udp(kNarrowVip, 9000));
  EXPECT_EQ(sluice.turn().sent.size(), 7u) << "the buffers are back";
}

TEST(Splitting, OfMoreThanABurstHoldsLosesWholeDatagramsOnly) {
  Sluice sluice(narrow_town());
  for (unsigned id = 0; id < 64; ++id) sluice.receive(udp(kNarrowVip, 9000).id(id));
  const Outcome out = sluice.turn();
  std::map<unsigned, std::vector<Bytes>> by_id;
  for (const Sent& sent : out.sent) {
    const Bytes inner = open_tunnel(sent.frame).inner;
    by_id[read_ip(inner).id].push_back(inner);
  }
  EXPECT_FALSE(by_id.empty());
  for (const auto& [id, pieces] : by_id) {
    EXPECT_EQ(hex(reassemble4(pieces)), hex(one_hop_further(udp(kNarrowVip, 9000).id(id).ip())));
  }
}

TEST(Splitting, OntoAPathThatHoldsNoPieceDrops) {
  World w;
  w.service(kDns, kUdp, 53).group({"10.1.0.1"});
  for (const unsigned mtu : {19u, 20u, 40u, 47u}) {
    SCOPED_TRACE(mtu);
    World narrow = w;
    narrow.way("10.0.0.0/8", {.mtu = mtu});
    Sluice sluice(narrow);
    sluice.receive(udp(kDns, 600));
    const Outcome out = sluice.turn();
    EXPECT_EQ(out.drops(DropReason::kTooBig), 1u);
    EXPECT_TRUE(out.sent.empty()) << "nothing is said to whom did not forbid to split";
  }
}

}  // namespace
}  // namespace sluice::test
