// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/neighbor/mirror.h"

#include <gtest/gtest.h>

#include "tests/unit/neighbor/facts.h"

namespace sluice::neighbor::test {
namespace {

constexpr int kPort = 2, kSecondPort = 3, kManagement = 9;

// A MUX with two ports and a management interface, as after a start.
class MirrorTest : public testing::Test {
 protected:
  MirrorTest() {
    mirror.set_interfaces({"sluice0", "", "sluice1"});
    mirror.apply(is(link(kPort, "sluice0")));
    mirror.apply(is(link(kSecondPort, "sluice1")));
    mirror.apply(is(link(kManagement, "eth0")));
    mirror.apply(is(route("10.0.0.0/24", {on(kPort)})));
    mirror.apply(is(route("0.0.0.0/0", {via(kPort, "10.0.0.1")}, 4096)));
    mirror.apply(is(neighbor(kPort, "10.0.0.1", 1)));
  }
  // "gateway 10.0.0.1 at 1 on 2", or what else the answer is.
  std::string way(const std::string& destination) const {
    const Answer answer = mirror.lookup(ip(destination));
    if (const auto* to = std::get_if<Resolved>(&answer))
      return to_string(to->next_hop_ip) + " at " + std::to_string(to->mac.byte[5]) + " on " +
             std::to_string(to->ifindex);
    if (const auto* to = std::get_if<Unresolved>(&answer))
      return to_string(to->next_hop_ip) + " unresolved on " + std::to_string(to->ifindex);
    if (const auto* none = std::get_if<NoRoute>(&answer))
      return none->why == NoRoute::Why::kProhibited   ? "prohibited"
             : none->why == NoRoute::Why::kNotUnicast ? "not unicast"
                                                      : "no route";
    return "local";
  }
  Mirror mirror;
};

TEST_F(MirrorTest, AServerBehindTheRouterIsReachedThroughTheGateway) {
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.1 at 1 on 2");
  EXPECT_EQ(std::get<Resolved>(mirror.lookup(ip("10.1.0.11"))),
            (Resolved{kPort, ip("10.0.0.1"), mac(1), 0, 1500, {}}));
}

TEST_F(MirrorTest, TheDeviceBelowAPortCountsToo) {
  mirror.set_devices({"lb0", "", ""});
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.1 at 1 on 2") << "the kernel has no such device: a card of DPDK's own";
  Link device = link(5, "lb0");
  device.mtu = 1400;
  mirror.watch({ip("10.1.0.11")});
  mirror.apply(is(device));
  EXPECT_TRUE(mirror.settle());
  EXPECT_EQ(std::get<Resolved>(mirror.lookup(ip("10.1.0.11"))).mtu, 1400u);
  device.carrier = false;
  mirror.apply(is(device));
  EXPECT_TRUE(mirror.settle());
  EXPECT_EQ(way("10.1.0.11"), "no route");
  device.carrier = true;
  device.mtu = 9000;
  mirror.apply(is(device));
  EXPECT_EQ(std::get<Resolved>(mirror.lookup(ip("10.1.0.11"))).mtu, 1500u);
}

TEST_F(MirrorTest, AServerOnTheLinkIsItsOwnNextHop) {
  EXPECT_EQ(way("10.0.0.77"), "10.0.0.77 unresolved on 2");
  mirror.apply(is(neighbor(kPort, "10.0.0.77", 7)));
  EXPECT_EQ(way("10.0.0.77"), "10.0.0.77 at 7 on 2");
}

TEST_F(MirrorTest, TheLongestPrefixWinsThenTheLowestPriority) {
  mirror.apply(is(route("10.1.0.0/16", {via(kPort, "10.0.0.2")}, 20)));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.2 unresolved on 2");
  mirror.apply(is(route("10.1.0.0/16", {via(kPort, "10.0.0.3")}, 10)));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.3 unresolved on 2");
  mirror.apply(is(route("10.1.0.0/24", {via(kPort, "10.0.0.4")}, 9999)));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.4 unresolved on 2");
  EXPECT_EQ(way("10.1.1.11"), "10.0.0.3 unresolved on 2");
  mirror.apply(is(route("10.1.0.11/32", {via(kSecondPort, "10.9.0.1")})));
  EXPECT_EQ(way("10.1.0.11"), "10.9.0.1 unresolved on 3");
}

TEST_F(MirrorTest, EveryStateWithAUsableMacCountsAsResolvedAndNoOther) {
  using enum NeighborState;
  for (const auto state : {kReachable, kStale, kDelay, kProbe, kPermanent, kNoArp}) {
    mirror.apply(is(neighbor(kPort, "10.0.0.1", 1, state)));
    EXPECT_EQ(way("10.1.0.11"), "10.0.0.1 at 1 on 2") << to_string(state);
  }
  for (const auto state : {kNone, kIncomplete, kFailed}) {
    mirror.apply(is(Neighbor{kPort, ip("10.0.0.1"), mac(1), state}));
    EXPECT_EQ(way("10.1.0.11"), "10.0.0.1 unresolved on 2") << to_string(state);
  }
  mirror.apply(is(Neighbor{kPort, ip("10.0.0.1"), {}, kNoArp}));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.1 unresolved on 2") << "no MAC, no next hop";
}

TEST_F(MirrorTest, RoutesThroughOtherInterfacesDoNotExistForTheDataplane) {
  mirror.apply(is(route("0.0.0.0/0", {via(kManagement, "192.168.0.1")}, 0)));
  mirror.apply(is(route("10.1.0.0/24", {via(kManagement, "192.168.0.2")})));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.1 at 1 on 2");
}

TEST_F(MirrorTest, AProhibitingRouteCountsForEveryPort) {
  mirror.apply(is(special("10.1.0.0/24", RouteType::kProhibited)));
  EXPECT_EQ(way("10.1.0.11"), "prohibited");
  EXPECT_EQ(way("10.1.1.11"), "10.0.0.1 at 1 on 2");
  EXPECT_TRUE(mirror.candidates(ip("10.1.0.11")).empty());
}

TEST_F(MirrorTest, AThrowRouteEndsTheSearchInItsTableOnly) {
  mirror.apply(is(special("10.1.0.0/24", RouteType::kThrow, kTableLocal)));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.1 at 1 on 2");
  mirror.apply(is(special("10.1.0.0/24", RouteType::kThrow)));
  EXPECT_EQ(way("10.1.0.11"), "no route");
}

TEST_F(MirrorTest, TheLocalTableIsAskedFirst) {
  mirror.apply(is(special("10.0.0.10/32", RouteType::kLocal, kTableLocal)));
  mirror.apply(is(special("10.0.0.255/32", RouteType::kNotUnicast, kTableLocal)));
  mirror.apply(is(route("10.0.0.10/32", {via(kPort, "10.0.0.1")})));
  EXPECT_EQ(way("10.0.0.10"), "local");
  EXPECT_EQ(way("10.0.0.255"), "not unicast");
  EXPECT_EQ(way("224.0.0.5"), "not unicast");
  EXPECT_EQ(way("255.255.255.255"), "not unicast");
  EXPECT_EQ(way("ff02::1"), "not unicast");
}

TEST_F(MirrorTest, OtherTablesAreNotFollowed) {
  Route other = route("10.1.0.0/24", {via(kPort, "10.0.0.9")});
  other.table = 100;
  EXPECT_FALSE(mirror.apply(is(other)));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.1 at 1 on 2");
}

TEST_F(MirrorTest, OfSeveralNextHopsTheFirstResolvedOneIsTaken) {
  mirror.apply(is(route("10.1.0.0/24", {via(kPort, "10.0.0.2"), via(kPort, "10.0.0.3")})));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.2 unresolved on 2") << "neither is known: the first";
  mirror.apply(is(neighbor(kPort, "10.0.0.2", 2, NeighborState::kFailed)));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.3 unresolved on 2") << "the first did not answer";
  mirror.apply(is(neighbor(kPort, "10.0.0.3", 3)));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.3 at 3 on 2");
  mirror.apply(is(neighbor(kPort, "10.0.0.2", 2)));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.2 at 2 on 2") << "back again";
  EXPECT_EQ(mirror.candidates(ip("10.1.0.11")),
            (std::vector<NextHop>{{kPort, ip("10.0.0.2")}, {kPort, ip("10.0.0.3")}}));
}

TEST_F(MirrorTest, ANextHopOnAPortThatIsDownOrMarkedDeadIsLeftOut) {
  mirror.apply(is(neighbor(kPort, "10.0.0.2", 2)));
  mirror.apply(is(neighbor(kSecondPort, "10.9.0.1", 9)));
  mirror.apply(is(route("10.1.0.0/24", {via(kPort, "10.0.0.2"), via(kSecondPort, "10.9.0.1")})));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.2 at 2 on 2");
  Link no_carrier = link(kPort, "sluice0");
  no_carrier.carrier = false;
  mirror.apply(is(no_carrier));
  EXPECT_EQ(way("10.1.0.11"), "10.9.0.1 at 9 on 3");
  EXPECT_EQ(way("10.5.0.11"), "no route") << "the default route leads to the port that is down";
  mirror.apply(is(link(kPort, "sluice0")));
  Hop dead = via(kPort, "10.0.0.2");
  dead.dead = true;
  mirror.apply(is(route("10.1.0.0/24", {dead, via(kSecondPort, "10.9.0.1")})));
  EXPECT_EQ(way("10.1.0.11"), "10.9.0.1 at 9 on 3");
}

TEST_F(MirrorTest, WhenAllWaysOfAPrefixAreDownTheShorterPrefixIsTaken) {
  mirror.apply(is(route("10.1.0.0/24", {via(kSecondPort, "10.9.0.1")})));
  mirror.apply(is(link(kSecondPort, "sluice1", false)));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.1 at 1 on 2");
}

TEST_F(MirrorTest, ALinkThatGoesAwayLeavesNothingForItsSuccessorUnderThatIndex) {
  mirror.apply(is(Address{kPort, ip("10.0.0.10"), 24}));
  mirror.apply(is(route("10.1.0.0/24", {via(kPort, "10.0.0.1"), via(kSecondPort, "10.9.0.1")})));
  mirror.apply(gone(link(kPort, "sluice0")));
  mirror.apply(is(link(kPort, "sluice0")));
  EXPECT_EQ(way("10.5.0.1"), "no route");
  EXPECT_EQ(way("10.1.0.11"), "10.9.0.1 unresolved on 3");
  EXPECT_EQ(mirror.neighbors(), 0u);
  EXPECT_TRUE(mirror.addresses(kPort).empty());
}

TEST_F(MirrorTest, APortMadeAnewUnderItsNameIsFollowed) {
  mirror.apply(gone(link(kPort, "sluice0")));
  mirror.apply(is(link(12, "sluice0")));
  mirror.apply(is(route("0.0.0.0/0", {via(12, "10.0.0.1")}, 4096)));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.1 unresolved on 12");
  EXPECT_EQ(std::get<Unresolved>(mirror.lookup(ip("10.1.0.11"))).port, 0u);
}

TEST_F(MirrorTest, ThePositionOfAPortWithoutKernelInterfaceIsKept) {
  mirror.apply(is(route("10.1.0.0/24", {via(kSecondPort, "10.9.0.1")})));
  EXPECT_EQ(std::get<Unresolved>(mirror.lookup(ip("10.1.0.11"))).port, 2u);
}

TEST_F(MirrorTest, ARouteCarriesItsOwnMtuAndPreferredSource) {
  Route small = route("10.1.0.0/24", {via(kPort, "10.0.0.1")});
  small.mtu = 1400;
  small.preferred_source = ip("10.0.0.10");
  mirror.apply(is(small));
  const auto answer = std::get<Resolved>(mirror.lookup(ip("10.1.0.11")));
  EXPECT_EQ(answer.mtu, 1400u);
  EXPECT_EQ(answer.preferred_source, ip("10.0.0.10"));
  small.mtu = 9000;
  mirror.apply(is(small));
  EXPECT_EQ(std::get<Resolved>(mirror.lookup(ip("10.1.0.11"))).mtu, 1500u) << "at most the link's";
}

TEST_F(MirrorTest, IPv6LinkLocalGatewaysBelongToTheirLink) {
  mirror.apply(is(route("2001:db8:1::/48", {via(kPort, "fe80::1")}, 1024)));
  mirror.apply(is(route("2001:db8:2::/48", {via(kSecondPort, "fe80::1")}, 1024)));
  mirror.apply(is(neighbor(kPort, "fe80::1", 1)));
  EXPECT_EQ(way("2001:db8:1::11"), "fe80::1 at 1 on 2");
  EXPECT_EQ(way("2001:db8:2::11"), "fe80::1 unresolved on 3");
  EXPECT_EQ(way("2001:db8:3::11"), "no route") << "the IPv4 default route is for IPv4";
}

TEST_F(MirrorTest, AnIPv4RouteMayHaveAnIPv6Gateway) {  // RFC 8950
  mirror.apply(is(route("10.1.0.0/24", {via(kPort, "fe80::1")})));
  mirror.apply(is(neighbor(kPort, "fe80::1", 6)));
  EXPECT_EQ(way("10.1.0.11"), "fe80::1 at 6 on 2");
}

TEST_F(MirrorTest, TheUnspecifiedAddressAsksForTheDefaultRoute) {
  EXPECT_EQ(way("0.0.0.0"), "10.0.0.1 at 1 on 2");
  EXPECT_EQ(way("::"), "no route");
}

TEST_F(MirrorTest, ReplacePrependAndAppendKeepTheKernelsOrder) {
  mirror.apply(is(route("10.1.0.0/24", {via(kPort, "10.0.0.2")})));
  mirror.apply(is(route("10.1.0.0/24", {via(kPort, "10.0.0.3")}), RoutePlace::kLast));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.2 unresolved on 2");
  mirror.apply(is(route("10.1.0.0/24", {via(kPort, "10.0.0.4")}), RoutePlace::kFirst));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.4 unresolved on 2");
  mirror.apply(is(route("10.1.0.0/24", {via(kPort, "10.0.0.5")}), RoutePlace::kReplace));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.5 unresolved on 2");
  mirror.apply(gone(route("10.1.0.0/24", {via(kPort, "10.0.0.5")})));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.2 unresolved on 2") << "4 was replaced, so 2 is first again";
  mirror.apply(gone(route("10.1.0.0/24", {via(kPort, "10.0.0.2")})));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.3 unresolved on 2");
}

TEST_F(MirrorTest, OneNextHopOfAnIPv6RouteMayComeAndGoByItself) {
  mirror.apply(is(route("2001:db8:1::/48", {via(kPort, "fe80::1")}, 1024)));
  mirror.apply(
      is(route("2001:db8:1::/48", {via(kPort, "fe80::1"), via(kPort, "fe80::2")}, 1024), RoutePlace::kLast));
  EXPECT_EQ(mirror.candidates(ip("2001:db8:1::1")).size(), 2u);
  mirror.apply(gone(route("2001:db8:1::/48", {via(kPort, "fe80::1")}, 1024)));
  EXPECT_EQ(way("2001:db8:1::1"), "fe80::2 unresolved on 2");
  mirror.apply(gone(route("2001:db8:1::/48", {via(kPort, "fe80::2")}, 1024)));
  EXPECT_EQ(way("2001:db8:1::1"), "no route");
}

TEST_F(MirrorTest, ADumpRestoresOrderAndForgetsWhatTheKernelNoLongerHas) {
  mirror.apply(is(route("10.1.0.0/24", {via(kPort, "10.0.0.2")})));
  mirror.apply(is(route("10.1.0.0/24", {via(kPort, "10.0.0.3")})));
  mirror.apply(is(route("10.1.0.0/24", {via(kPort, "10.0.0.4")})));
  mirror.apply(is(route("10.7.0.0/24", {via(kPort, "10.0.0.7")})));
  mirror.begin_dump(Kind::kRoute);
  EXPECT_TRUE(mirror.apply_dumped(is(route("10.1.0.0/24", {via(kPort, "10.0.0.2")}))));
  EXPECT_FALSE(mirror.apply_dumped(is(route("0.0.0.0/0", {via(kPort, "10.0.0.1")}, 4096))));
  EXPECT_TRUE(mirror.apply_dumped(is(route("10.1.0.0/24", {via(kPort, "10.0.0.3")}))));
  EXPECT_EQ(way("10.7.0.1"), "10.0.0.7 unresolved on 2") << "nothing is forgotten while it runs";
  EXPECT_TRUE(mirror.end_dump(Kind::kRoute));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.2 unresolved on 2");
  EXPECT_EQ(way("10.7.0.1"), "10.0.0.1 at 1 on 2");
  EXPECT_EQ(mirror.routes(), 3u);
}

TEST_F(MirrorTest, WhatAnyOfSeveralDisturbedDumpsNamedIsKept) {
  mirror.begin_dump(Kind::kNeighbor);
  mirror.apply_dumped(is(neighbor(kPort, "10.0.0.1", 1)));
  mirror.begin_dump(Kind::kNeighbor);
  mirror.apply_dumped(is(neighbor(kPort, "10.0.0.2", 2)));
  EXPECT_FALSE(mirror.end_dump(Kind::kNeighbor, 2));
  EXPECT_EQ(mirror.neighbors(), 2u);
  EXPECT_TRUE(mirror.end_dump(Kind::kNeighbor, 1));
  EXPECT_EQ(mirror.neighbors(), 1u);
}

TEST_F(MirrorTest, ALateMessageAboutADeadNeighborIsUndoneByTheNextDump) {
  mirror.apply(gone(neighbor(kPort, "10.0.0.1", 1)));
  EXPECT_TRUE(mirror.apply(is(neighbor(kPort, "10.0.0.1", 1)))) << "overtaken by its own removal";
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.1 at 1 on 2");
  mirror.begin_dump(Kind::kNeighbor);
  EXPECT_TRUE(mirror.end_dump(Kind::kNeighbor));
  EXPECT_EQ(way("10.1.0.11"), "10.0.0.1 unresolved on 2");
}

class GenerationTest : public MirrorTest {
 protected:
  GenerationTest() {
    mirror.watch({ip("10.1.0.11"), ip("10.0.0.77")});
    mirror.settle();
  }
  // Whether this event leads to a new generation.
  bool counts(const Event& event) {
    const std::uint64_t before = mirror.generation();
    mirror.apply(event);
    const bool settled = mirror.settle();
    EXPECT_EQ(settled, mirror.generation() != before);
    return settled;
  }
};

TEST_F(GenerationTest, FreshnessOfANeighborDoesNotCount) {
  using enum NeighborState;
  for (const auto state : {kStale, kDelay, kProbe, kReachable, kStale, kReachable})
    EXPECT_FALSE(counts(is(neighbor(kPort, "10.0.0.1", 1, state)))) << to_string(state);
}

TEST_F(GenerationTest, AnotherMacCountsAndSoDoFailureAndReturn) {
  EXPECT_TRUE(counts(is(neighbor(kPort, "10.0.0.1", 2))));
  EXPECT_TRUE(counts(is(neighbor(kPort, "10.0.0.1", 2, NeighborState::kFailed))));
  EXPECT_FALSE(counts(gone(neighbor(kPort, "10.0.0.1", 2)))) << "unresolved either way";
  EXPECT_TRUE(counts(is(neighbor(kPort, "10.0.0.1", 2, NeighborState::kStale))));
}

TEST_F(GenerationTest, NeighborsThatNobodyWatchesDoNotCountHoweverMany) {
  for (unsigned i = 100; i < 250; ++i)
    EXPECT_FALSE(counts(is(neighbor(kPort, "10.0.0." + std::to_string(i), i))));
  EXPECT_TRUE(counts(is(neighbor(kPort, "10.0.0.77", 77)))) << "this one is watched";
}

TEST_F(GenerationTest, RoutesCountWhenTheyDecideAWatchedWay) {
  EXPECT_FALSE(counts(is(route("172.16.0.0/12", {via(kPort, "10.0.0.5")}))));
  EXPECT_FALSE(counts(is(route("10.1.0.0/24", {via(kManagement, "192.168.0.1")}))));
  EXPECT_TRUE(counts(is(route("10.1.0.0/24", {via(kPort, "10.0.0.5")}))));
  EXPECT_TRUE(counts(gone(route("10.1.0.0/24", {via(kPort, "10.0.0.5")}))));
}

TEST_F(GenerationTest, OurPortsCountAndOtherLinksDoNot) {
  Link other = link(kManagement, "eth0");
  other.mtu = 9000;
  EXPECT_FALSE(counts(is(other)));
  Link port = link(kSecondPort, "sluice1");
  port.mac = mac(0x55);
  EXPECT_TRUE(counts(is(port)));
  EXPECT_FALSE(counts(is(port)));
  EXPECT_TRUE(counts(gone(port)));
}

TEST_F(GenerationTest, AddressesCountOnOurPortsOnly) {
  EXPECT_FALSE(counts(is(Address{kManagement, ip("192.168.0.10"), 24})));
  EXPECT_TRUE(counts(is(Address{kPort, ip("10.0.0.10"), 24})));
  EXPECT_FALSE(counts(is(Address{kPort, ip("10.0.0.10"), 24})));
  EXPECT_TRUE(counts(gone(Address{kPort, ip("10.0.0.10"), 24})));
}

TEST_F(GenerationTest, AChangeThatIsUndoneBeforeAnyoneLooksDoesNotCount) {
  mirror.apply(gone(neighbor(kPort, "10.0.0.1", 1)));
  mirror.apply(is(neighbor(kPort, "10.0.0.1", 1)));
  EXPECT_FALSE(mirror.settle());
}

TEST_F(GenerationTest, WatchingSomethingElseIsNoChangeButHidesNone) {
  const std::uint64_t before = mirror.generation();
  mirror.watch({ip("10.1.0.11")});
  EXPECT_FALSE(mirror.settle());
  mirror.apply(is(neighbor(kPort, "10.0.0.1", 9)));
  mirror.watch({});
  EXPECT_EQ(mirror.generation(), before + 1) << "the watched way changed before it was given up";
}

TEST_F(MirrorTest, TheWayIsDescribedInASentence) {
  EXPECT_EQ(mirror.describe(ip("10.1.0.11")),
            "default via 10.0.0.1 on sluice0 (priority 4096): 10.0.0.1 is at 02:00:00:00:00:01, reachable");
  EXPECT_EQ(mirror.describe(ip("10.0.0.77")),
            "10.0.0.0/24 on sluice0 (priority 0): 10.0.0.77 is not resolved");
  EXPECT_EQ(mirror.describe(ip("2001:db8::1")),
            "no route of the kernel leads to 2001:db8::1 through a port that is up");
  mirror.apply(is(special("10.1.0.0/24", RouteType::kProhibited)));
  EXPECT_EQ(mirror.describe(ip("10.1.0.11")), "the kernel's route 10.1.0.0/24 refuses 10.1.0.11");
}

}  // namespace
}  // namespace sluice::neighbor::test
