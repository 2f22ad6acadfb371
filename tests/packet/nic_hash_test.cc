// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The NIC truth test: a port's hash is used once it has been right often enough, never again after it was
// wrong, and only for packets that NICs hash as we do. A hash in use shows in the group that is chosen.
#include <gtest/gtest.h>

#include <functional>

#include "tests/packet/fixture.h"

namespace sluice::test {
namespace {

constexpr RigOptions kHashing{.nic_hashes = true};
constexpr unsigned kEnough = 64;

// What an honest NIC says of the flow client:port -> vip:80.
std::uint32_t honest(const Sluice& sluice, unsigned port, std::string_view vip = kGroupsVip) {
  FlowKey key;
  key.source = *parse_address(kClient);
  key.destination = *parse_address(vip);
  key.source_port = Big16(static_cast<std::uint16_t>(port));
  key.destination_port = Big16(80);
  key.protocol = kTcp;
  return sluice.snapshot().toeplitz.hash_with_ports(key);
}

Packet flow(unsigned port) {
  return packet().ipv4(kClient, kGroupsVip).tcp(port, 80);
}

void win_trust(Sluice& sluice, unsigned packets = kEnough) {
  for (unsigned i = 0; i < packets; ++i)
    sluice.receive(flow(5000 + i), {.nic_hash = honest(sluice, 5000 + i)});
  EXPECT_EQ(sluice.turn().sent.size(), packets);
}

std::string group_of(const std::string& dip) {
  return dip == "10.1.0.81" ? "10.1.0.80" : dip;
}
std::string group(Sluice& sluice, const Bytes& frame, std::optional<std::uint32_t> hash) {
  sluice.receive(frame, {.nic_hash = hash});
  const Outcome out = sluice.turn();
  return out.sent.empty() ? "none" : group_of(dip_of(out.sent[0]));
}

// Is the NIC's hash what decides about `frame`? Every hash value then chooses a group of its own.
bool hash_decides(Sluice& sluice, const Bytes& frame) {
  const std::string without = group(sluice, frame, std::nullopt);
  for (std::uint32_t lie = 0; lie < 6; ++lie) {
    if (group(sluice, frame, lie) != without) return true;
  }
  return false;
}

TEST(NicHash, IsUsedOnceItWasRightOftenEnough) {
  Sluice sluice(town(), kHashing);
  win_trust(sluice);
  EXPECT_TRUE(hash_decides(sluice, flow(1)));
  EXPECT_EQ(sluice.counters().port[0].rss_checked.get(), kEnough);
  EXPECT_EQ(sluice.counters().port[0].rss_wrong.get(), 0u);
}

TEST(NicHash, ChoosesTheGroupThatSoftwareChooses) {
  Sluice trusting(town(), kHashing);
  win_trust(trusting);
  for (unsigned port = 100; port < 200; ++port) {
    EXPECT_EQ(group(trusting, flow(port), honest(trusting, port)), group(trusting, flow(port), std::nullopt));
  }
}

TEST(NicHash, IsNotUsedBefore) {
  Sluice sluice(town(), kHashing);
  win_trust(sluice, kEnough - 1);
  EXPECT_EQ(group(sluice, flow(1), honest(sluice, 1) + 1), group(sluice, flow(1), std::nullopt));
}

TEST(NicHash, IsNeverUsedAfterALie) {
  Sluice sluice(town(), kHashing);
  win_trust(sluice, 10);
  sluice.receive(flow(77), {.nic_hash = honest(sluice, 77) ^ 1});
  sluice.turn();
  EXPECT_EQ(sluice.counters().port[0].rss_wrong.get(), 1u);
  win_trust(sluice, 200);
  EXPECT_FALSE(hash_decides(sluice, flow(1)));
}

TEST(NicHash, OfAPortThatOffersNoneIsNotUsed) {
  Sluice sluice(town());
  win_trust(sluice, 200);
  EXPECT_FALSE(hash_decides(sluice, flow(1)));
}

TEST(NicHash, OfAPacketThatHasNoneIsMadeInSoftware) {
  Sluice sluice(town(), kHashing);
  win_trust(sluice);
  Sluice* same = &sluice;
  for (unsigned port = 1; port < 50; ++port) {
    EXPECT_EQ(group(*same, flow(port), std::nullopt), group(*same, flow(port), honest(sluice, port)));
  }
}

// Packets that NICs hash by other fields than we do, or each in their own way. Neither may their hash be
// used, nor may it make a liar of the port.
std::vector<Bytes> odd_packets() {
  World unused;
  const Packet quoted = packet().ipv4(kGroupsVip, kClient).tcp(80, 9);
  return {
      packet().ipv4("192.0.2.1", kGroupsVip).icmp(3, 1).quoting(quoted),
      packet().ipv4(kClient, kGroupsVip).echo(1, 1),
      packet().ipv4(kClient, kSctpVip).sctp(9, 5060),
      packet().ipv4(kClient, kEspVip).esp(9),
      in_pieces(packet().ipv4(kClient, kDns).udp(9, 53).payload(std::size_t{64}), 32)[0],
      packet().ipv6(kClient6, kWeb6).destination_options().tcp(9, 80),
      packet().ipv6(kClient6, kWeb6).hop_by_hop().tcp(9, 80),
  };
}

TEST(NicHash, OfOddPacketsMakesNoLiarOfThePort) {
  Sluice sluice(town(), kHashing);
  for (const Bytes& odd : odd_packets()) sluice.receive(odd, {.nic_hash = 0xdeadbeef});
  sluice.turn();
  EXPECT_EQ(sluice.counters().port[0].rss_wrong.get(), 0u);
  EXPECT_EQ(sluice.counters().port[0].rss_checked.get(), 0u);
  win_trust(sluice);
  EXPECT_TRUE(hash_decides(sluice, flow(1)));
}

World odd_town() {
  World w;
  const auto three = [](ServicePlan& plan, const char* net) {
    for (const char* host : {"1", "2", "3"}) plan.group({std::string(net) + host});
  };
  three(w.service(kGroupsVip, kTcp, 80), "10.1.0.");
  three(w.service(kSctpVip, kSctp, 5060), "10.1.0.");
  three(w.service(kEspVip, kEsp, kAnyPort), "10.1.0.");
  three(w.service(kDns, kUdp, 53), "10.1.0.");
  three(w.service(kSourceHashVip, kTcp, 80).hash(HashFields::kSource), "10.1.0.");
  three(w.service(kWeb, kTcp, 80).hash(HashFields::kThreeTuple), "10.1.0.");
  three(w.service(kWeb6, kTcp, 80), "2001:db8:1::");
  return w;
}

TEST(NicHash, OfOddPacketsIsNotUsedOnATrustedPort) {
  Sluice sluice(odd_town(), kHashing);
  win_trust(sluice);
  ASSERT_TRUE(hash_decides(sluice, flow(1)));
  std::vector<Bytes> odd = odd_packets();
  odd.erase(odd.begin() + 1);  // the echo is answered
  odd.push_back(packet().ipv4(kClient, kSourceHashVip).tcp(9, 80));
  odd.push_back(packet().ipv4(kClient, kWeb).tcp(9, 80));
  for (const Bytes& frame : odd) {
    SCOPED_TRACE(hex(frame));
    EXPECT_NE(group(sluice, frame, std::nullopt), "none");
    EXPECT_FALSE(hash_decides(sluice, frame));
  }
  EXPECT_TRUE(hash_decides(sluice, packet().ipv6(kClient6, kWeb6).tcp(9, 80)));
  EXPECT_TRUE(hash_decides(sluice, packet().ipv4(kClient, kDns).udp(9, 53)));
}

}  // namespace
}  // namespace sluice::test
