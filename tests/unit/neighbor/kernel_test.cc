// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// KernelTables follows this machine's kernel; each test in network namespaces of its own.
#include "control/neighbor/kernel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "tests/unit/neighbor/mux.h"

namespace sluice::neighbor::test {
namespace {

// ---- the exception path as in production: a TAP, with the test as dataplane ----

std::optional<std::vector<std::uint8_t>> read_arp_request(const Tap& tap) {
  std::vector<std::uint8_t> frame(2048);
  for (;;) {
    const ssize_t length = read(tap.fd(), frame.data(), frame.size());
    if (length < 0) return {};
    if (length >= 42 && frame[12] == 0x08 && frame[13] == 0x06 && frame[21] == 1) {
      frame.resize(42);
      return frame;
    }
  }
}

// RFC 826: the fields turned round, operation 2.
std::vector<std::uint8_t> arp_reply(const std::vector<std::uint8_t>& request, const MacAddress& mac) {
  std::vector<std::uint8_t> reply(42);
  std::copy_n(request.begin() + 6, 6, reply.begin());
  std::copy_n(mac.byte.begin(), 6, reply.begin() + 6);
  std::copy_n(request.begin() + 12, 8, reply.begin() + 12);
  reply[21] = 2;
  std::copy_n(mac.byte.begin(), 6, reply.begin() + 22);
  std::copy_n(request.begin() + 38, 4, reply.begin() + 28);
  std::copy_n(request.begin() + 22, 10, reply.begin() + 32);
  return reply;
}

TEST(KernelTables, AsksThroughTheTapForTheGatewayAndLearnsItsMac) {
  in_fresh_namespace([] {
    const Tap tap("sluice0");
    Mux mux;
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    mux.tables.watch({ip("10.1.0.11")});
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.1.0.11", "10.0.0.1"); }))
        << mux.way("10.1.0.11");
    EXPECT_TRUE(mux.until([&] { return mux.is_local("10.0.0.10") && mux.is_local("2001:db8::10"); }));
    std::optional<std::vector<std::uint8_t>> request;
    EXPECT_TRUE(mux.until([&] { return (request = read_arp_request(tap)).has_value(); }));
    if (!request) return;
    EXPECT_EQ((std::vector<std::uint8_t>(request->begin() + 38, request->end())),
              (std::vector<std::uint8_t>{10, 0, 0, 1}));
    EXPECT_EQ((std::vector<std::uint8_t>(request->begin() + 22, request->begin() + 28)),
              (std::vector<std::uint8_t>{2, 0, 0, 0, 0, 0x10}))
        << "our MAC";
    const int changes = mux.changes;
    const auto reply = arp_reply(*request, mac(0x77));
    EXPECT_EQ(write(tap.fd(), reply.data(), reply.size()), static_cast<ssize_t>(reply.size()));
    EXPECT_TRUE(mux.until([&] { return mux.is_resolved("10.1.0.11", "10.0.0.1") && mux.changes > changes; }))
        << "on_change tells of it: " << mux.way("10.1.0.11");
    EXPECT_EQ(std::get<Resolved>(mux.tables.lookup(ip("10.1.0.11"))).mac, mac(0x77));
  });
}

TEST(KernelTables, FollowsATapThatIsMadeAnew) {
  in_fresh_namespace([] {
    Mux mux;
    {
      const Tap tap("sluice0");
      EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
      EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.1.0.11", "10.0.0.1"); }));
    }
    EXPECT_TRUE(mux.until([&] { return mux.has_no_route("10.1.0.11") && mux.ifindex("sluice0") == 0; }));
    const Tap tap("sluice0");
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.1.0.11", "10.0.0.1"); }));
  });
}

// ---- neighbours ----

TEST(KernelTables, ResolvesWhatIsWatchedInBothFamilies) {
  in_fresh_namespace([] {
    const Cabled cable;
    Mux mux;
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    mux.tables.watch({ip("10.1.0.11"), ip("2001:db8:1::11"), ip("10.0.0.2")});
    EXPECT_TRUE(mux.until([&] {
      return mux.is_resolved("10.1.0.11", "10.0.0.1") && mux.is_resolved("2001:db8:1::11", "2001:db8::1") &&
             mux.is_resolved("10.0.0.2", "10.0.0.2");
    })) << mux.way("10.1.0.11")
        << "\n"
        << mux.way("2001:db8:1::11");
    EXPECT_EQ(std::get<Resolved>(mux.tables.lookup(ip("2001:db8:1::11"))).mac, parse_mac(kPeerMac));
  });
}

TEST(KernelTables, ResolveAsksForANeighborThatNobodyWatchesAndItsDeletionIsSeen) {
  in_fresh_namespace([] {
    const Cabled cable;
    Mux mux;
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.0.0.2", "10.0.0.2"); }));
    const int port = mux.ifindex("sluice0");
    EXPECT_TRUE(mux.tables.resolve(port, ip("10.0.0.2")));
    EXPECT_FALSE(mux.tables.resolve(port, ip("10.0.0.2"))) << "once a second";
    EXPECT_TRUE(mux.until([&] { return mux.is_resolved("10.0.0.2", "10.0.0.2"); }));
    EXPECT_EQ(mux.tables.statistics().requests, 1u);
    run("ip neigh del 10.0.0.2 dev sluice0");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.0.0.2", "10.0.0.2"); }));
    EXPECT_FALSE(mux.tables.resolve(9999, ip("10.0.0.2"))) << "no such link";
    EXPECT_EQ(mux.tables.statistics().failed_requests, 1u);
  });
}

TEST(KernelTables, AnswersOfANeighborThatComesAndGoesStaleDoNotChange) {
  in_fresh_namespace([] {
    const Cabled cable;
    Mux mux;
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    mux.tables.watch({ip("10.0.0.2")});
    EXPECT_TRUE(mux.until([&] { return mux.is_resolved("10.0.0.2", "10.0.0.2"); }));
    EXPECT_TRUE(mux.until_all_addresses(2));
    EXPECT_TRUE(mux.until_quiet());
    const int changes = mux.changes;
    const std::uint64_t events = mux.tables.statistics().events;
    for (const char* state : {"stale", "reachable", "delay", "probe", "stale", "reachable"})
      run(std::string("ip neigh change 10.0.0.2 lladdr ") + kPeerMac + " nud " + state + " dev sluice0");
    EXPECT_TRUE(mux.until([&] { return mux.tables.statistics().events >= events + 6; }));
    EXPECT_TRUE(mux.until_quiet());
    EXPECT_EQ(mux.changes, changes);
    run("ip neigh change 10.0.0.2 lladdr 02:00:00:00:00:55 nud reachable dev sluice0");
    EXPECT_TRUE(mux.until([&] { return mux.changes > changes; })) << "another MAC is a change";
  });
}

TEST(KernelTables, NoticesThatAStaleGatewayInUseIsDead) {
  in_fresh_namespace([] {
    const Cabled cable;
    // The kernel's own times, shortened: 1 s of delay, then three probes.
    KernelOptions options;
    options.fresh_interval = milliseconds(300);
    options.resolve_interval = milliseconds(300);
    Mux mux(options);
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    const std::string timers = "sysctl -q -w net.ipv4.neigh.sluice0.";
    run(timers + "delay_first_probe_time=1");
    run(timers + "retrans_time_ms=100");
    mux.tables.watch({ip("10.1.0.11")});
    EXPECT_TRUE(mux.until([&] { return mux.is_resolved("10.1.0.11", "10.0.0.1"); }));
    cable.peer.run("ip link set peer0 arp off");
    // As the kernel does after half a minute. It has no use for the gateway itself: without ours it stays
    // stale.
    run(std::string("ip neigh change 10.0.0.1 lladdr ") + kPeerMac + " nud stale dev sluice0");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.1.0.11", "10.0.0.1"); }))
        << mux.way("10.1.0.11");
    cable.peer.run("ip link set peer0 arp on");
    EXPECT_TRUE(mux.until([&] { return mux.is_resolved("10.1.0.11", "10.0.0.1"); })) << "and asks on";
  });
}

// ---- routes ----

// No dump confirms or corrects: each event must be understood for what it is.
KernelOptions events_alone() {
  KernelOptions options;
  options.confirm_delay = std::chrono::hours(1);
  return options;
}

TEST(KernelTables, FollowsRoutes) {
  in_fresh_namespace([] {
    const Cabled cable;
    Mux mux(events_alone());
    EXPECT_TRUE(mux.until([&] { return mux.tables.synced(); }));
    InterfaceSettings settings = port_settings();
    settings.gateway.reset();
    EXPECT_EQ(mux.tables.configure_interface(settings).value_or(""), "");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.0.0.2", "10.0.0.2"); }));
    EXPECT_TRUE(mux.has_no_route("10.1.0.11"));
    const auto leads_to = [&](const std::string& gateway) {
      return mux.until([&] { return mux.is_unresolved("10.1.0.11", gateway); });
    };
    run("ip route add default via 10.0.0.1");
    EXPECT_TRUE(leads_to("10.0.0.1"));
    run("ip route add 10.1.0.0/24 via 10.0.0.2 metric 50");
    EXPECT_TRUE(leads_to("10.0.0.2"));
    run("ip route add 10.1.0.0/24 via 10.0.0.3 metric 10");
    EXPECT_TRUE(leads_to("10.0.0.3"));
    run("ip route replace 10.1.0.0/24 via 10.0.0.1 metric 10");
    EXPECT_TRUE(leads_to("10.0.0.1"));
    run("ip route append 10.1.0.0/24 via 10.0.0.3 metric 10");
    run("ip route prepend 10.1.0.0/24 via 10.0.0.2 metric 10");
    EXPECT_TRUE(leads_to("10.0.0.2"));
    run("ip route del 10.1.0.0/24 via 10.0.0.2 metric 10");
    EXPECT_TRUE(leads_to("10.0.0.1"));
    run("ip route add 10.1.0.8/29 nexthop via 10.0.0.3 dev sluice0 nexthop via 10.0.0.2 dev sluice0");
    EXPECT_TRUE(leads_to("10.0.0.3"));
    EXPECT_EQ(mux.tables.mirror().candidates(ip("10.1.0.11")).size(), 2u);
    run("ip route add prohibit 10.1.0.11");
    EXPECT_TRUE(mux.until(
        [&] { return mux.tables.lookup(ip("10.1.0.11")) == Answer(NoRoute{NoRoute::Why::kProhibited}); }));
    run("ip route flush root 10.1.0.0/24");
    EXPECT_TRUE(leads_to("10.0.0.1")) << "the default route";
  });
}

TEST(KernelTables, FollowsIPv6RoutesWhoseNextHopsComeAndGoSingly) {
  in_fresh_namespace([] {
    const Cabled cable;
    Mux mux(events_alone());
    EXPECT_TRUE(mux.until([&] { return mux.tables.synced(); }));
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    const auto hops = [&](std::size_t number) {
      return mux.until([&] { return mux.tables.mirror().candidates(ip("2001:db8:1::1")).size() == number; });
    };
    run("ip -6 route add 2001:db8:1::/48 nexthop via 2001:db8::2 dev sluice0"
        " nexthop via 2001:db8::3 dev sluice0");
    EXPECT_TRUE(hops(2));
    run("ip -6 route append 2001:db8:1::/48 via 2001:db8::4 dev sluice0");
    EXPECT_TRUE(hops(3));
    run("ip -6 route del 2001:db8:1::/48 via 2001:db8::2 dev sluice0");
    EXPECT_TRUE(hops(2));
    EXPECT_TRUE(mux.is_unresolved("2001:db8:1::1", "2001:db8::3")) << mux.way("2001:db8:1::1");
    run("ip -6 route replace 2001:db8:1::/48 via 2001:db8::5 dev sluice0");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("2001:db8:1::1", "2001:db8::5"); }));
    run("ip -6 route del 2001:db8:1::/48");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("2001:db8:1::1", "2001:db8::1"); }));
  });
}

TEST(KernelTables, FollowsNextHopObjectsAlthoughRoutesChangeSilentlyWithThem) {
  in_fresh_namespace([] {
    const Cabled cable;
    Mux mux;
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    run("ip nexthop add id 1 via 10.0.0.2 dev sluice0");
    run("ip route add 10.1.0.0/24 nhid 1");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.1.0.11", "10.0.0.2"); }));
    EXPECT_TRUE(mux.until_quiet()) << "so that no earlier change leads to a dump";
    run("ip nexthop replace id 1 via 10.0.0.3 dev sluice0");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.1.0.11", "10.0.0.3"); }));
    EXPECT_TRUE(mux.until_quiet());
    run("ip nexthop del id 1");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.1.0.11", "10.0.0.1"); }));
  });
}

TEST(KernelTables, ALinkThatLeavesABridgeKeepsItsRoutes) {
  in_fresh_namespace([] {
    const Tap tap("sluice0"), other("sluice1");
    Mux mux(events_alone());
    EXPECT_TRUE(mux.until([&] { return mux.tables.synced(); }));
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    run("ip link set sluice1 up");
    run("ip route add 10.3.0.0/24 dev sluice1");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.3.0.1", "10.3.0.1"); }));
    run("ip link add br0 type bridge");
    run("ip link set sluice1 master br0");
    run("ip link set sluice1 nomaster");
    run("ip route replace 10.1.0.0/24 via 10.0.0.2");  // behind the bridge's messages
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.1.0.11", "10.0.0.2"); }));
    EXPECT_TRUE(mux.is_unresolved("10.3.0.1", "10.3.0.1")) << mux.way("10.3.0.1");
  });
}

TEST(KernelTables, ForgetsRoutesThatTheKernelDropsWithoutAWord) {
  in_fresh_namespace([] {
    const Cabled cable;
    Mux mux;
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    run("ip addr add 10.0.0.20/24 dev sluice0");
    run("ip route add 10.1.0.0/24 via 10.0.0.2 src 10.0.0.20");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.1.0.11", "10.0.0.2"); }));
    run("ip addr del 10.0.0.20/24 dev sluice0");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.1.0.11", "10.0.0.1"); }))
        << "the route went with its preferred source: " << mux.way("10.1.0.11");
    EXPECT_FALSE(mux.is_local("10.0.0.20"));
  });
}

TEST(KernelTables, ALinkThatWentDownLeavesNoStaleRoutesAndHasItsOwnAgainWhenItComesBack) {
  in_fresh_namespace([] {
    const Cabled cable;
    Mux mux;
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    mux.tables.watch({ip("10.1.0.11")});
    EXPECT_TRUE(mux.until([&] { return mux.is_resolved("10.1.0.11", "10.0.0.1"); }));
    run("ip link set sluice0 down");
    EXPECT_TRUE(mux.until([&] { return mux.has_no_route("10.1.0.11"); }));
    run("ip link set sluice0 up");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.0.0.2", "10.0.0.2"); })) << "the subnet is back";
    EXPECT_TRUE(mux.until([&] { return mux.is_resolved("10.1.0.11", "10.0.0.1"); })) << mux.way("10.1.0.11");
    cable.peer.run("ip link set peer0 down");
    EXPECT_TRUE(mux.until([&] { return mux.has_no_route("10.1.0.11"); })) << "no carrier";
  });
}

}  // namespace
}  // namespace sluice::neighbor::test
