// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// KernelTables against this machine's kernel, each test in network namespaces of its own.
#include "control/neighbor/kernel.h"

#include <gtest/gtest.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <random>
#include <sstream>

#include "tests/unit/neighbor/facts.h"
#include "tests/unit/neighbor/namespace.h"

namespace sluice::neighbor::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kPeerMac = "02:00:00:00:00:99";

struct Mux {
  explicit Mux(KernelOptions options = {})
      : tables(io, with_names(std::move(options)), [this] { ++changes; }) {}
  static KernelOptions with_names(KernelOptions options) {
    options.interfaces = {"sluice0", "sluice1"};
    return options;
  }
  // Runs the control loop until this holds; false when it does not within 10 s.
  bool until(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(10);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      io.run_one_for(milliseconds(100));
    }
    return true;
  }
  // Has all tables read again, behind what the kernel sent before, and runs the loop until that is confirmed
  // and told.
  bool until_quiet() {
    tables.resync();
    return until([&] { return tables.quiet(); });
  }
  int ifindex(const std::string& name) const {
    const Link* found = tables.mirror().link(name);
    return found ? found->ifindex : 0;
  }
  std::string way(const std::string& destination) const { return tables.mirror().describe(ip(destination)); }
  bool is_resolved(const std::string& destination, const std::string& next_hop) const {
    const Answer answer = tables.lookup(ip(destination));
    const auto* to = std::get_if<Resolved>(&answer);
    return to && to->next_hop_ip == ip(next_hop);
  }
  bool is_unresolved(const std::string& destination, const std::string& next_hop) const {
    const Answer answer = tables.lookup(ip(destination));
    const auto* to = std::get_if<Unresolved>(&answer);
    return to && to->next_hop_ip == ip(next_hop);
  }
  bool has_no_route(const std::string& destination) const {
    return tables.lookup(ip(destination)) == Answer(NoRoute{});
  }
  bool is_local(const std::string& destination) const {
    return std::holds_alternative<Local>(tables.lookup(ip(destination)));
  }

  boost::asio::io_context io;
  int changes = 0;
  KernelTables tables;
};

InterfaceSettings port_settings() {
  InterfaceSettings settings;
  settings.name = "sluice0";
  settings.mac = parse_mac("02:00:00:00:00:10");
  settings.mtu = 1500;
  settings.addresses = {{ip("10.0.0.10"), 24}, {ip("2001:db8::10"), 64}};
  settings.gateway = ip("10.0.0.1");
  settings.gateway6 = ip("2001:db8::1");
  return settings;
}

// A MUX whose port is cabled to a router with 10.0.0.1, .2, .3 and 2001:db8::1.
struct Cabled {
  Cabled() {
    peer.connect("sluice0", "peer0");
    peer.run(std::string("ip link set peer0 address ") + kPeerMac);
    for (const char* address : {"10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24"})
      peer.run(std::string("ip addr add ") + address + " dev peer0");
    peer.run("ip addr add 2001:db8::1/64 dev peer0 nodad");
  }
  Peer peer;
};

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
    EXPECT_TRUE(mux.is_local("10.0.0.10"));
    EXPECT_TRUE(mux.is_local("2001:db8::10"));
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
    EXPECT_TRUE(mux.until([&] { return mux.changes > changes; })) << "on_change tells of it";
    EXPECT_TRUE(mux.is_resolved("10.1.0.11", "10.0.0.1")) << mux.way("10.1.0.11");
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
    // The kernel's own times, shortened: stale at once, then 1 s of delay and three probes.
    KernelOptions options;
    options.fresh_interval = milliseconds(300);
    options.resolve_interval = milliseconds(300);
    Mux mux(options);
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    const std::string timers = "sysctl -q -w net.ipv4.neigh.sluice0.";
    run(timers + "base_reachable_time_ms=200");
    run(timers + "delay_first_probe_time=1");
    run(timers + "retrans_time_ms=100");
    mux.tables.watch({ip("10.1.0.11")});
    EXPECT_TRUE(mux.until([&] { return mux.is_resolved("10.1.0.11", "10.0.0.1"); }));
    cable.peer.run("ip link set peer0 arp off");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.1.0.11", "10.0.0.1"); }))
        << mux.way("10.1.0.11");
    cable.peer.run("ip link set peer0 arp on");
    EXPECT_TRUE(mux.until([&] { return mux.is_resolved("10.1.0.11", "10.0.0.1"); })) << "and asks on";
  });
}

// ---- routes ----

TEST(KernelTables, FollowsRoutes) {
  in_fresh_namespace([] {
    const Cabled cable;
    Mux mux;
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
    Mux mux;
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
    run("ip nexthop replace id 1 via 10.0.0.3 dev sluice0");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.1.0.11", "10.0.0.3"); }));
    run("ip nexthop del id 1");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.1.0.11", "10.0.0.1"); }));
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

TEST(KernelTables, ALinkThatWentDownLeavesNoStaleRoutesWhenItComesBack) {
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
    EXPECT_TRUE(mux.until([&] { return mux.has_no_route("10.1.0.11"); })) << mux.way("10.1.0.11");
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    EXPECT_TRUE(mux.until([&] { return mux.is_resolved("10.1.0.11", "10.0.0.1"); }));
    cable.peer.run("ip link set peer0 down");
    EXPECT_TRUE(mux.until([&] { return mux.has_no_route("10.1.0.11"); })) << "no carrier";
  });
}

// ---- trouble ----

// Whether the events and dumps so far left the same as a fresh look at the kernel.
void expect_as_fresh(const Mux& mux) {
  Mux fresh;
  ASSERT_TRUE(fresh.until([&] { return fresh.tables.synced(); }));
  EXPECT_EQ(mux.tables.mirror().routes(), fresh.tables.mirror().routes());
  for (int i = 0; i < 256; ++i)
    for (int j : {1, 129}) {
      const std::string to = "10.2." + std::to_string(i) + '.' + std::to_string(j);
      EXPECT_EQ(mux.way(to), fresh.way(to));
    }
}

TEST(KernelTables, LostMessagesLeadToAFullResynchronisation) {
  in_fresh_namespace([] {
    const Cabled cable;
    KernelOptions options;
    options.receive_buffer_bytes = 4096;  // the kernel makes it a few KiB: a dozen messages
    std::vector<std::string> log;
    options.log = [&log](const std::string& sentence) { log.push_back(sentence); };
    Mux mux(options);
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.2.7.1", "10.0.0.1"); }));
    std::ostringstream batch;
    for (int i = 0; i < 4000; ++i)
      batch << "route add 10.2." << i % 256 << '.' << i / 256 * 16 << "/28 via 10.0.0.2 metric 1\n";
    for (int i = 0; i < 256; i += 2) batch << "route del 10.2." << i << ".0/28\n";
    run_batch(batch.str());
    EXPECT_TRUE(mux.until([&] { return mux.tables.statistics().losses > 0; }));
    EXPECT_TRUE(mux.until([&] {
      return mux.is_unresolved("10.2.7.1", "10.0.0.2") && mux.is_unresolved("10.2.8.1", "10.0.0.1") &&
             mux.is_unresolved("10.2.8.129", "10.0.0.2") && mux.tables.mirror().routes() > 3800;
    })) << mux.way("10.2.7.1")
        << "\n"
        << mux.way("10.2.8.1");
    EXPECT_TRUE(mux.until_quiet());
    expect_as_fresh(mux);
    EXPECT_EQ(log.size(), 1u);
  });
}

TEST(KernelTables, ABurstOfChangesIsToldOfAFewTimesOnly) {
  in_fresh_namespace([] {
    const Cabled cable;
    KernelOptions options;
    options.debounce = milliseconds(50);
    Mux mux(options);
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    EXPECT_TRUE(mux.until([&] { return mux.tables.synced(); }));
    mux.tables.watch({ip("10.1.0.11")});
    const int before = mux.changes;
    std::ostringstream batch;
    for (int i = 0; i < 1000; ++i) batch << "route replace 10.1.0.0/24 via 10.0.0." << 20 + i % 2 << '\n';
    run_batch(batch.str());
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.1.0.11", "10.0.0.21"); }));
    EXPECT_TRUE(mux.until([&] { return mux.changes > before; }));
    EXPECT_TRUE(mux.until_quiet());
    EXPECT_LE(mux.changes, before + 20) << "of 1,000";
    EXPECT_EQ(mux.tables.statistics().losses, 0u);
  });
}

class RandomChanges : public testing::TestWithParam<unsigned> {};

TEST_P(RandomChanges, EndAsAFreshLookAtTheKernelWould) {
  in_fresh_namespace([] {
    const Cabled cable;
    Mux mux;
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    std::mt19937 random(GetParam());
    const auto below = [&](unsigned n) { return std::to_string(random() % n); };
    const std::array verbs = {"add", "replace", "append", "prepend", "del", "del"};
    for (int round = 0; round < 5; ++round) {
      std::ostringstream batch;
      for (int i = 0; i < 200; ++i) {
        batch << "route " << verbs[random() % verbs.size()] << " 10.2." << below(6) << ".0/"
              << 24 + random() % 3 << " via 10.0.0." << below(9) << " metric " << below(3) << '\n';
        if (i % 60 == 30) batch << "link set sluice0 down\nlink set sluice0 up\n";
        if (i % 40 == 20) batch << "addr add 10.0.1." << i << "/24 dev sluice0\n";
        if (i % 40 == 39) batch << "addr del 10.0.1." << i - 19 << "/24 dev sluice0\n";
      }
      constexpr bool kMayRefuse = true;  // a route that is there, or is not: part of the noise
      run_batch(batch.str(), kMayRefuse);
      // No resync by hand: what the events asked for must be enough.
      const std::uint64_t dumps = mux.tables.statistics().dumps;
      EXPECT_TRUE(mux.until([&] { return mux.tables.statistics().dumps > dumps && mux.tables.quiet(); }));
      expect_as_fresh(mux);
      if (testing::Test::HasFailure()) {
        std::printf("seed %u round %d\n", GetParam(), round);
        return;
      }
    }
  });
}
INSTANTIATE_TEST_SUITE_P(Seeds, RandomChanges, testing::Range(1u, 4u));

// ---- interface setup ----

// What the kernel shows, one line a fact.
std::string shown(const std::string& command) {
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  for (std::array<char, 256> part; std::fgets(part.data(), part.size(), pipe);) text += part.data();
  pclose(pipe);
  return text;
}
std::string shown_addresses() {
  return shown("ip -br -o addr show dev sluice0 scope global | tr -s ' '");
}
std::string shown_default(const std::string& family) {
  return shown("ip " + family + " route show default | tr -s ' '");
}

TEST(ConfigureInterface, SetsMacMtuAddressesAndDefaultRoutesAndRepeatingItChangesNothing) {
  in_fresh_namespace([] {
    const Tap tap("sluice0");
    Mux mux;
    InterfaceSettings settings = port_settings();
    settings.mtu = 1480;
    EXPECT_EQ(mux.tables.configure_interface(settings).value_or(""), "");
    EXPECT_EQ(shown("ip addr show dev sluice0 tentative"), "") << "nothing waits for duplicate detection";
    const std::string addresses = shown_addresses();
    EXPECT_EQ(addresses.find("DOWN"), std::string::npos) << addresses;
    EXPECT_NE(addresses.find(" 10.0.0.10/24 2001:db8::10/64"), std::string::npos) << addresses;
    EXPECT_EQ(shown_default("-4"), "default via 10.0.0.1 dev sluice0 proto 201 metric 4096 onlink \n");
    EXPECT_EQ(shown_default("-6"),
              "default via 2001:db8::1 dev sluice0 proto 201 metric 4096 onlink pref medium\n");
    EXPECT_TRUE(mux.until([&] { return mux.tables.synced(); }));
    EXPECT_TRUE(mux.until_quiet());
    const Link* port = mux.tables.mirror().link("sluice0");
    ASSERT_TRUE(port);
    EXPECT_EQ(*port,
              (Link{port->ifindex, "sluice0", parse_mac("02:00:00:00:00:10").value(), 1480, true, true}));
    const int changes = mux.changes;
    EXPECT_EQ(mux.tables.configure_interface(settings).value_or(""), "");
    EXPECT_EQ(shown_addresses(), addresses);
    EXPECT_TRUE(mux.until_quiet());
    EXPECT_EQ(mux.changes, changes);
  });
}

TEST(ConfigureInterface, ReplacesWhatItSetAndLeavesWhatOthersAdded) {
  in_fresh_namespace([] {
    const Tap tap("sluice0");
    Mux mux;
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    run("ip addr add 10.0.0.200/24 dev sluice0");
    run("ip route add default via 10.0.0.9 metric 5 proto static");
    InterfaceSettings other = port_settings();
    other.addresses = {{ip("10.0.0.11"), 24}};
    other.gateway = ip("10.0.0.2");
    other.gateway6.reset();
    EXPECT_EQ(mux.tables.configure_interface(other).value_or(""), "");
    const std::string addresses = shown_addresses();
    EXPECT_NE(addresses.find("10.0.0.11/24"), std::string::npos) << addresses;
    EXPECT_NE(addresses.find("10.0.0.200/24"), std::string::npos) << addresses;
    EXPECT_EQ(addresses.find("10.0.0.10/24"), std::string::npos) << addresses;
    EXPECT_EQ(addresses.find("2001:db8::10"), std::string::npos) << addresses;
    EXPECT_EQ(shown_default("-4"),
              "default via 10.0.0.9 dev sluice0 proto static metric 5 \n"
              "default via 10.0.0.2 dev sluice0 proto 201 metric 4096 onlink \n");
    EXPECT_EQ(shown_default("-6"), "");
    other.up = false;
    EXPECT_EQ(mux.tables.configure_interface(other).value_or(""), "");
    EXPECT_NE(shown_addresses().find("DOWN"), std::string::npos);
    other.up = true;
    EXPECT_EQ(mux.tables.configure_interface(other).value_or(""), "");
    EXPECT_EQ(shown_default("-4"), "default via 10.0.0.2 dev sluice0 proto 201 metric 4096 onlink \n");
  });
}

TEST(ConfigureInterface, TwoPortsWithGatewaysStandInTheOrderOfTheConfiguration) {
  in_fresh_namespace([] {
    const Tap first("sluice0"), second("sluice1");
    Mux mux;
    InterfaceSettings other;
    other.name = "sluice1";
    other.addresses = {{ip("10.9.0.10"), 24}};
    other.gateway = ip("10.9.0.1");
    EXPECT_EQ(mux.tables.configure_interface(other).value_or(""), "");
    EXPECT_EQ(mux.tables.configure_interface(port_settings()).value_or(""), "");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.1.0.11", "10.0.0.1"); }));
    run("ip link set sluice0 down");
    EXPECT_TRUE(mux.until([&] { return mux.is_unresolved("10.1.0.11", "10.9.0.1"); }));
  });
}

TEST(ConfigureInterface, SaysWhatFailedAndWhere) {
  in_fresh_namespace([] {
    Mux mux;
    InterfaceSettings settings = port_settings();
    EXPECT_EQ(mux.tables.configure_interface(settings),
              "interface sluice0: looking it up failed: No such device");
    const Tap tap("sluice0");
    settings.mtu = 30;
    const std::string mtu = mux.tables.configure_interface(settings).value_or("");
    EXPECT_NE(mtu.find("interface sluice0: setting the MAC address 02:00:00:00:00:10, setting the MTU to 30"),
              std::string::npos)
        << mtu;
    settings = port_settings();
    settings.gateway = ip("10.0.0.10");
    const std::string gateway = mux.tables.configure_interface(settings).value_or("");
    EXPECT_NE(gateway.find("setting the default route via 10.0.0.10 with priority 4096 failed"),
              std::string::npos)
        << gateway;
    run("ip route add default via 10.0.0.9 dev sluice0 metric 4096");
    EXPECT_EQ(mux.tables.configure_interface(port_settings()),
              "interface sluice0: setting the default route via 10.0.0.1 with priority 4096 failed: "
              "somebody else's default route has this priority");
    settings.name = "much-too-long-a-name";
    EXPECT_EQ(mux.tables.configure_interface(settings),
              "interface \"much-too-long-a-name\": a name has 1 to 15 characters");
  });
}

TEST(KernelTables, MayBeDestroyedWhileDumpsAndTimersArePending) {
  in_fresh_namespace([] {
    boost::asio::io_context io;
    int changes = 0;
    {
      KernelTables tables(io, {}, [&] { ++changes; });
      tables.watch({ip("10.0.0.1")});
      io.poll_one();
    }
    io.run_for(seconds(1));
    EXPECT_EQ(changes, 0);
    EXPECT_TRUE(io.stopped()) << "nothing keeps the loop alive";
  });
}

}  // namespace
}  // namespace sluice::neighbor::test
