// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Health probes of the MUX's own kernel take the clients' way to the DIP that their source port stands for,
// and nothing that counts clients sees them.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/packet/fixture.h"

namespace sluice::test {
namespace {

constexpr unsigned kPort = ProbePorts::kFirst + 7;

std::uint32_t id_of(std::string_view dip, unsigned nth = 0) {
  const std::vector<std::string> all = town().all_dips();
  auto at = std::find(all.begin(), all.end(), dip);
  while (nth-- > 0) at = std::find(at + 1, all.end(), dip);
  return static_cast<std::uint32_t>(at - all.begin());
}

Packet syn(std::string_view vip) {
  return packet().ipv4(kMuxV4, vip).tcp(kPort, 80).syn().dont_fragment();
}

class Probes : public testing::Test {
 protected:
  Outcome send(const Packet& probe, std::uint32_t target) {
    sluice_.probe_ports().set(kPort, target);
    return send(probe);
  }
  Outcome send(const Packet& probe) {
    sluice_.kernel_sends(probe);
    return sluice_.turn();
  }
  Sluice sluice_{town()};
};

void expect_tunnel(const Outcome& out, const Packet& probe, std::string_view dip) {
  ASSERT_EQ(out.sent.size(), 1u);
  const Tunnelled tunnel = open_tunnel(out.sent[0].frame);
  EXPECT_EQ(tunnel.outer.destination, dip);
  EXPECT_EQ(hex(tunnel.inner), hex(one_hop_further(probe.ip())));
  EXPECT_TRUE(out.service.empty()) << "a probe is no client's packet";
  EXPECT_TRUE(out.target.empty()) << "a probe is no client's packet";
  EXPECT_TRUE(out.dropped.empty());
}

TEST_F(Probes, GoToTheDipThatTheirPortStandsForWhateverTheMapSays) {
  for (const char* dip : {"10.1.0.11", "10.1.0.12", "10.2.0.13", "10.2.0.14"}) {
    const Outcome out = send(syn(kWeb), id_of(dip));
    expect_tunnel(out, syn(kWeb), dip);
    EXPECT_EQ(read_frame(out.sent[0].frame).to, kServersMac);
  }
  EXPECT_EQ(sluice_.counters().probes.packets.get(), 4u);
  EXPECT_EQ(sluice_.counters().probes.bytes.get(), 4u * 40);
}

TEST_F(Probes, ReachADipThatIsDown) {
  expect_tunnel(send(syn(kDeadVip), id_of("10.1.0.60")), syn(kDeadVip), "10.1.0.60");
}

TEST_F(Probes, OfIpv6GoThroughTheTunnelOfTheirService) {
  const Packet probe = packet().ipv6(kMuxV6, kWeb6).tcp(kPort, 80).syn();
  expect_tunnel(send(probe, id_of("2001:db8:1::12")), probe, "2001:db8:1::12");
  const Packet inner4 = syn(k4In6);
  expect_tunnel(send(inner4, id_of("2001:db8:1::11", 1)), inner4, "2001:db8:1::11");
}

TEST_F(Probes, ByUdpGoTheSameWay) {
  const Packet probe = packet().ipv4(kMuxV4, kDns).udp(kPort, 53).payload(std::size_t{30}).dont_fragment();
  expect_tunnel(send(probe, id_of("10.2.0.13", 2)), probe, "10.2.0.13");
}

TEST_F(Probes, OfAServiceByGueGoInUdpAsItsClientsDo) {
  struct Case {
    std::string_view vip, dip;
    Packet probe;
  };
  const Case cases[] = {
      {"203.0.113.60", "10.1.0.11", syn("203.0.113.60")},
      {"203.0.113.61", "2001:db8:1::11", syn("203.0.113.61")},
      {"2001:db8:cb::60", "2001:db8:1::11", packet().ipv6(kMuxV6, "2001:db8:cb::60").tcp(kPort, 80).syn()},
  };
  World world = town();
  auto target = static_cast<std::uint32_t>(world.all_dips().size());
  for (const Case& c : cases) world.service(c.vip, kTcp, 80).group({std::string(c.dip)}).gue();
  sluice_.publish(world);
  for (const Case& c : cases) {
    const Outcome out = send(c.probe, target++);
    expect_tunnel(out, c.probe, c.dip);
    EXPECT_NE(open_tunnel(out.sent[0].frame).udp_source, 0u) << "GUE spreads flows by its source port";
  }
}

TEST_F(Probes, ToAServerBehindATagLeaveWithTheTag) {
  const Outcome out = send(syn(kTaggedVip), id_of("10.7.0.1"));
  expect_tunnel(out, syn(kTaggedVip), "10.7.0.1");
  const Frame frame = read_frame(out.sent[0].frame);
  EXPECT_EQ(frame.to, "02:00:00:00:07:fe");
  EXPECT_EQ(frame.tags, std::vector<unsigned>{7});
}

TEST_F(Probes, WhoseDipIsGoneAreDroppedAndCounted) {
  const Outcome out = send(syn(kWeb), 100'000);
  EXPECT_TRUE(out.sent.empty());
  EXPECT_EQ(out.drops(DropReason::kProbeUnwanted), 1u);
}

TEST_F(Probes, WithoutANextHopAreDropped) {
  EXPECT_EQ(send(syn(kLostVip), id_of("10.66.0.1")).drops(DropReason::kNoNextHop), 1u);
}

TEST_F(Probes, ThatAreTooBigAreToldToTheKernelAndNotToTheWire) {
  const Packet probe =
      packet().ipv4(kMuxV4, kNarrowVip).udp(kPort, 53).payload(std::size_t{1400}).dont_fragment();
  const Outcome out = send(probe, id_of("10.8.0.1"));
  EXPECT_TRUE(out.sent.empty());
  EXPECT_EQ(out.drops(DropReason::kTooBig), 1u);
  ASSERT_EQ(out.punted.size(), 1u);
  const Ip told = read_ip(read_frame(out.punted[0].frame).l3);
  EXPECT_EQ(told.destination, kMuxV4);
  const Icmp icmp = read_icmp(told);
  EXPECT_EQ(icmp.type, 3u);
  EXPECT_EQ(icmp.code, 4u);
  EXPECT_EQ(icmp.rest & 0xffff, 1380u);
}

TEST_F(Probes, WithoutDontFragmentAreSplit) {
  const Packet probe = packet().ipv4(kMuxV4, kNarrowVip).udp(kPort, 53).payload(std::size_t{1400});
  const Outcome out = send(probe, id_of("10.8.0.1"));
  EXPECT_EQ(out.sent.size(), 2u);
  EXPECT_EQ(out.created, 1u);
  EXPECT_TRUE(out.target.empty());
}

TEST_F(Probes, AreOnlyWhatGoesFromOneOfOurAddressesToAVip) {
  sluice_.probe_ports().set(kPort, id_of("10.1.0.11"));
  const Packet others[] = {
      packet().ipv4(kMuxV4, "192.0.2.1").tcp(kPort, 80).syn(),
      packet().ipv4("10.0.0.99", kWeb).tcp(kPort, 80).syn(),
      packet().ipv4(kMuxV4, kWeb).tcp(kPort + 1, 80).syn(),
      packet().ipv4(kMuxV4, "224.0.0.5").udp(kPort, 80),
      packet().ipv4(kMuxV4, kWeb).protocol(17).piece(800, false).payload(100),
  };
  for (const Packet& other : others) {
    const Outcome out = send(other);
    ASSERT_EQ(out.sent.size(), 1u);
    EXPECT_EQ(hex(out.sent[0].frame), hex(other.frame())) << "it leaves as the kernel made it";
    EXPECT_TRUE(out.dropped.empty());
  }
  EXPECT_EQ(sluice_.counters().probes.packets.get(), 0u);
}

TEST_F(Probes, ComeByTheirAnswerThroughTheKernel) {
  sluice_.receive(packet().ipv4(kWeb, kMuxV4).tcp(80, kPort).syn().ack());
  EXPECT_EQ(sluice_.turn().punted.size(), 1u);
}

}  // namespace
}  // namespace sluice::test
