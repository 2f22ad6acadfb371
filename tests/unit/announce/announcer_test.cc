// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// IIPs against a real kernel at the other end of a cable, each test in network namespaces of its own.
#include "control/announce/announcer.h"

#include <gtest/gtest.h>

#include "control/neighbor/kernel.h"
#include "control/rpc/iip.h"
#include "tests/unit/neighbor/mux.h"

namespace sluice::announce::test {
namespace {

using namespace std::chrono_literals;
using neighbor::test::in_fresh_namespace;
using neighbor::test::ip;

const char* const kOwnMac = "02:00:00:00:00:10";

config::Iip iip(const std::string& address) {
  config::Iip iip;
  iip.address = {ip(address), 0};
  iip.probe_ms = 50;
  return iip;
}

// A MUX on one end of a cable, at whose other end are 10.0.0.1 to .3 and 2001:db8::1.
struct Wire : neighbor::test::Cabled {
  Wire() {
    mux.tables.configure_interface(neighbor::test::port_settings());
    config::Port port;
    port.name = "uplink";
    port.kernel_interface = "sluice0";
    port.addresses = neighbor::test::port_settings().addresses;
    model.dataplane.ports = {port};
    Surroundings around;
    around.macs = {*parse_mac(kOwnMac)};
    around.add_address = [this](const auto&... what) { return mux.tables.add_address(what...); };
    around.remove_address = [this](const auto&... what) { return mux.tables.remove_address(what...); };
    around.log = [this](const std::string& sentence) { log.push_back(sentence); };
    announcer = std::make_unique<Announcer>(mux.io, std::move(around));
  }
  void configure(std::vector<config::Iip> iips) {
    model.iips = std::move(iips);
    announcer->configure(model);
  }
  bool until_held(const std::string& address) {
    return mux.until([&] { return announcer->holds(ip(address)); });
  }
  bool until_state(const std::string& state) {
    return mux.until([&] { return !announcer->rows().empty() && announcer->rows()[0].state == state; });
  }
  // The kernel at the other end reaches it, or not.
  [[nodiscard]] bool answers(const std::string& address) const {
    return std::system(peer.command("ping -c1 -W1 " + address + " >/dev/null 2>&1").c_str()) == 0;
  }

  neighbor::test::Mux mux;
  config::Model model;
  std::vector<std::string> log;
  std::unique_ptr<Announcer> announcer;
};

TEST(Announcer, TakesWhatNobodyHasAndTheKernelAnswersForIt) {
  in_fresh_namespace([] {
    Wire wire;
    for (const char* address : {"10.0.0.100", "2001:db8::100"}) EXPECT_FALSE(wire.answers(address));
    wire.configure({iip("10.0.0.100"), iip("2001:db8::100")});
    for (const char* address : {"10.0.0.100", "2001:db8::100"}) {
      EXPECT_TRUE(wire.until_held(address));
      EXPECT_TRUE(wire.answers(address)) << address;
    }
    const auto rows = wire.announcer->rows();
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_EQ(rows[0].state, "held");
    EXPECT_EQ(rows[0].port, "uplink");
  });
}

TEST(Announcer, WhatARealKernelDefendsIsRefusedWithItsMac) {
  in_fresh_namespace([] {
    Wire wire;
    for (const std::string address : {"10.0.0.3", "2001:db8::1"}) {
      std::optional<std::string> refused;
      bool ended = false;
      const auto at_once = wire.announcer->add(wire.model, iip(address), [&](const auto& why) {
        refused = why;
        ended = true;
      });
      EXPECT_FALSE(at_once);
      EXPECT_TRUE(wire.mux.until([&] { return ended; }));
      EXPECT_EQ(refused, "IIP " + address + " is not taken: 02:00:00:00:00:99 has it, or asks for it too");
      EXPECT_FALSE(wire.announcer->holds(ip(address)));
      EXPECT_TRUE(wire.announcer->rows().empty()) << "nothing of a command that failed stays";
    }
  });
}

TEST(Announcer, OneOfTheConfigurationStaysInTheListWithTheDefender) {
  in_fresh_namespace([] {
    Wire wire;
    wire.configure({iip("10.0.0.3")});
    EXPECT_TRUE(wire.until_state("refused"));
    EXPECT_EQ(wire.announcer->rows()[0].mac, parse_mac(neighbor::test::kPeerMac));
    EXPECT_EQ(wire.announcer->rows()[0].why, "02:00:00:00:00:99 has it, or asks for it too");
  });
}

TEST(Announcer, WhatIsGivenUpIsAnsweredForNoMore) {
  in_fresh_namespace([] {
    Wire wire;
    wire.configure({iip("10.0.0.100")});
    EXPECT_TRUE(wire.until_held("10.0.0.100"));
    wire.configure({});
    EXPECT_FALSE(wire.answers("10.0.0.100"));
    EXPECT_TRUE(wire.answers("10.0.0.10")) << "the port's own address stays";
    EXPECT_TRUE(wire.announcer->rows().empty());
  });
}

TEST(Announcer, AnAnnouncementMovesTheAddressInTheNeighboursTable) {
  in_fresh_namespace([] {
    Wire wire;
    wire.peer.run("ip neigh replace 10.0.0.100 lladdr 02:00:00:00:00:66 nud reachable dev peer0");
    wire.peer.run("ip neigh replace 2001:db8::100 lladdr 02:00:00:00:00:66 nud reachable dev peer0");
    wire.configure({iip("10.0.0.100"), iip("2001:db8::100")});
    for (const char* address : {"10.0.0.100", "2001:db8::100"}) {
      EXPECT_TRUE(wire.until_held(address));
      wire.peer.run(std::string("ip neigh show ") + address + " | grep -q " + kOwnMac);
    }
  });
}

TEST(Announcer, AReloadThatSaysTheSameKeepsItAndANewRateIsTaken) {
  in_fresh_namespace([] {
    Wire wire;
    config::Iip address = iip("10.0.0.100");
    wire.configure({address});
    EXPECT_TRUE(wire.until_held("10.0.0.100"));
    address.announce_s = 5;
    wire.configure({address});
    EXPECT_TRUE(wire.announcer->holds(ip("10.0.0.100")));
    EXPECT_EQ(wire.log, std::vector<std::string>{"IIP 10.0.0.100 is taken on port uplink"});
  });
}

TEST(Announcer, AClaimIsAnsweredAndAStubbornOneIsShown) {
  in_fresh_namespace([] {
    Wire wire;
    wire.configure({iip("10.0.0.100")});
    EXPECT_TRUE(wire.until_held("10.0.0.100"));
    // The other kernel takes the address too; it speaks from it as soon as it asks for somebody.
    wire.peer.run("ip addr add 10.0.0.100/24 dev peer0");
    for (const char* asked : {"10.0.0.201", "10.0.0.202", "10.0.0.203"})
      wire.peer.run(std::string("sh -c 'ping -c1 -W1 -I 10.0.0.100 ") + asked + " >/dev/null; true'");
    EXPECT_TRUE(wire.until_state("contested"));
    const Row row = wire.announcer->rows()[0];
    EXPECT_EQ(row.mac, parse_mac(neighbor::test::kPeerMac));
    EXPECT_GE(row.conflicts, 2u);
    EXPECT_TRUE(wire.announcer->holds(ip("10.0.0.100"))) << "it is never given up";
  });
}

TEST(Announcer, ThePageOfMetricsTellsStatesAndWhatHappened) {
  in_fresh_namespace([] {
    Wire wire;
    wire.configure({iip("10.0.0.3"), iip("10.0.0.100")});
    EXPECT_TRUE(wire.until_held("10.0.0.100"));
    EXPECT_TRUE(wire.until_state("refused"));
    std::string page = rpc::render_iips(wire.model, *wire.announcer, nullptr);
    for (const char* line : {"sluice_iip{iip=\"10.0.0.3\",state=\"refused\"} 1\n",
                             "sluice_iip{iip=\"10.0.0.3\",state=\"held\"} 0\n",
                             "sluice_iip{iip=\"10.0.0.100\",state=\"held\"} 1\n",
                             "sluice_iips_taken_total 1\n", "sluice_iips_refused_total 1\n",
                             "sluice_iips_given_up_total 0\n", "sluice_iip_conflicts_total 0\n"})
      EXPECT_NE(page.find(line), std::string::npos) << line << page;
    EXPECT_EQ(page.find("sluice_iip_announcements_total 0\n"), std::string::npos) << page;
    wire.configure({});
    page = rpc::render_iips(wire.model, *wire.announcer, nullptr);
    EXPECT_NE(page.find("sluice_iips_given_up_total 1\n"), std::string::npos) << page;
  });
}

TEST(Announcer, TheFenceCommandIsGivenTheAddressAndTheMac) {
  in_fresh_namespace([] {
    Wire wire;
    // It takes the address away from the other end, which is what fencing is for.
    wire.model.control.fence_command = {"/bin/sh", "-c",
                                        wire.peer.command("ip addr del $ADDRESS/24 dev peer0") +
                                            " && test $MAC = 02:00:00:00:00:99 && test $PORT = uplink"};
    wire.configure({iip("10.0.0.3")});
    EXPECT_TRUE(wire.until_held("10.0.0.3")) << "asked for again as soon as the command has ended well";
    EXPECT_TRUE(std::ranges::find(wire.log, "IIP 10.0.0.3: fence_command ended with 0") != wire.log.end());
  });
}

TEST(Announcer, WithoutSuchAPortNothingIsAskedFor) {
  in_fresh_namespace([] {
    Wire wire;
    config::Iip address = iip("10.0.0.100");
    address.port = "downlink";
    EXPECT_EQ(wire.announcer->add(wire.model, address, [](const auto&) { ADD_FAILURE() << "was refused"; }),
              "port = \"downlink\" is no port of the dataplane; write one of: uplink");
  });
}

}  // namespace
}  // namespace sluice::announce::test
