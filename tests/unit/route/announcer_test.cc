// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The announcer and a real kernel, in a network namespace of each test's own.
#include "control/route/announcer.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <sstream>

#include "control/rpc/route.h"
#include "tests/unit/neighbor/namespace.h"

namespace sluice::route {
namespace {

using neighbor::test::in_fresh_namespace;
using neighbor::test::run;
using neighbor::test::run_batch;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint32_t kTable = 202;

Announcement vip(const std::string& prefix, bool wanted = true) {
  return {.prefix = parse_prefix(prefix).value(), .wanted = wanted, .services = {"web"}, .why = "because"};
}

std::string output_of(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  std::string out;
  std::array<char, 512> part{};
  while (pipe && std::fgets(part.data(), part.size(), pipe)) out += part.data();
  if (pipe) pclose(pipe);
  return out;
}

// What iproute2 says of our table, both families, without what differs between its versions.
std::string table(std::uint32_t number = kTable) {
  std::string prefixes;
  for (const char* family : {"-4", "-6"}) {
    std::istringstream lines(output_of(std::string("ip ") + family + " route show table " +
                                       std::to_string(number) + " 2>/dev/null"));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string type, prefix;
      words >> type >> prefix;
      prefixes += (prefixes.empty() ? "" : " ") + type + ":" + prefix;
    }
  }
  return prefixes;
}

struct Appliance {
  explicit Appliance(Options options = {}) : announcer(io, with_marks(std::move(options))) {}
  Options with_marks(Options options) {
    if (options.marks.table == 0) options.marks = {.table = kTable, .protocol = 202};
    options.log = [this](const std::string& sentence) { log.push_back(sentence); };
    return options;
  }
  bool until(const std::function<bool()>& condition, seconds limit = seconds(10)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      io.run_one_for(milliseconds(20));
    }
    return true;
  }
  std::vector<std::string> log;
  boost::asio::io_context io;
  Announcer announcer;
};

TEST(Announcer, PutsRoutesOfBothFamiliesIntoItsTableAndTakesThemOut) {
  in_fresh_namespace([] {
    Appliance appliance;
    appliance.announcer.want({vip("203.0.113.10"), vip("203.0.113.64/26"), vip("2001:db8:cb::10"),
                              vip("2001:db8:cc::/64"), vip("203.0.113.11", false)});
    EXPECT_EQ(table(), "") << "announced before packets flow";
    appliance.announcer.begin();
    EXPECT_EQ(table(),
              "unreachable:203.0.113.10 unreachable:203.0.113.64/26 "
              "unreachable:2001:db8:cb::10 unreachable:2001:db8:cc::/64");
    EXPECT_NE(output_of("ip route show table 202").find("proto 202"), std::string::npos);
    appliance.announcer.want({vip("203.0.113.10", false), vip("2001:db8:cb::10")});
    EXPECT_EQ(table(), "unreachable:2001:db8:cb::10");
    appliance.announcer.withdraw();
    EXPECT_EQ(table(), "");
    appliance.announcer.want({vip("203.0.113.10")});
    EXPECT_EQ(table(), "") << "announced after the withdrawal";
    EXPECT_EQ(appliance.log, std::vector<std::string>{});
  });
}

TEST(Announcer, RemovesWhatACrashedPredecessorLeftAndNothingElse) {
  in_fresh_namespace([] {
    run("ip link set lo up");
    run_batch(
        "route add unreachable 203.0.113.77 table 202 proto 202\n"
        "route add unreachable 203.0.113.78 table 202 proto 202 metric 5\n"
        "route add unreachable 203.0.113.79 table 202 proto static\n"
        "route add unreachable 203.0.113.80 table 203 proto 202\n"
        "route add unreachable 2001:db8:cb::77 table 202 proto 202\n");
    Appliance appliance;
    EXPECT_EQ(table(), "unreachable:203.0.113.79");
    EXPECT_EQ(table(203), "unreachable:203.0.113.80");
    EXPECT_EQ(appliance.log,
              std::vector<std::string>{"removed 3 routes that an earlier sluiced left behind"});
  });
}

TEST(Announcer, TakesItsRoutesWithItWhenItEnds) {
  in_fresh_namespace([] {
    {
      Appliance appliance;
      appliance.announcer.want({vip("203.0.113.10")});
      appliance.announcer.begin();
      EXPECT_EQ(table(), "unreachable:203.0.113.10");
    }
    EXPECT_EQ(table(), "");
  });
}

Options adopting() {
  Options options;
  options.adopt = true;
  return options;
}

TEST(Announcer, LeavesItsRoutesToTheNextWhichAdoptsThem) {
  in_fresh_namespace([] {
    const std::string both = "unreachable:203.0.113.10 unreachable:2001:db8:cb::10";
    {
      Appliance before;
      before.announcer.want({vip("203.0.113.10"), vip("2001:db8:cb::10")});
      before.announcer.begin();
      before.announcer.leave();
      before.announcer.want({vip("203.0.113.10", false)});
      before.announcer.withdraw();
      EXPECT_EQ(table(), both) << "changed after it was left";
    }
    EXPECT_EQ(table(), both) << "gone with its process";
    Appliance next(adopting());
    EXPECT_EQ(next.log, std::vector<std::string>{"found 2 routes that were left for this process"});
    next.announcer.want({vip("203.0.113.10"), vip("203.0.113.11"), vip("2001:db8:cb::10", false)});
    EXPECT_EQ(table(), both) << "changed before packets flow";
    next.announcer.begin();
    EXPECT_EQ(table(), "unreachable:203.0.113.10 unreachable:203.0.113.11");
    EXPECT_EQ(next.announcer.stats().announced, 1u);
    EXPECT_EQ(next.announcer.stats().withdrawn, 1u);
  });
}

TEST(Announcer, WithdrawsWhatItAdoptedWhenItsStartFails) {
  in_fresh_namespace([] {
    run("ip route add unreachable 203.0.113.10 table 202 proto 202 metric 1000000");
    {
      const Appliance next(adopting());
      EXPECT_EQ(table(), "unreachable:203.0.113.10");
    }
    EXPECT_EQ(table(), "");
  });
}

TEST(Announcer, PutsBackWhatSomebodyElseRemoved) {
  in_fresh_namespace([] {
    Appliance appliance;
    appliance.announcer.want({vip("203.0.113.10"), vip("2001:db8:cb::10")});
    appliance.announcer.begin();
    run("ip route flush table 202");
    run("ip -6 route flush table 202");
    EXPECT_TRUE(appliance.until([] {
      return table() == "unreachable:203.0.113.10 unreachable:2001:db8:cb::10";
    })) << table();
    EXPECT_EQ(appliance.announcer.stats().repaired, 2u);
  });
}

TEST(Announcer, RemovesWhatSomebodyElseAddedInItsName) {
  in_fresh_namespace([] {
    Appliance appliance;
    appliance.announcer.begin();
    run("ip route add unreachable 203.0.113.99 table 202 proto 202");
    EXPECT_TRUE(appliance.until([] { return table().empty(); })) << table();
  });
}

TEST(Announcer, KnowsWhatIsThereAfterTheKernelDroppedMessages) {
  in_fresh_namespace([] {
    run("ip link set lo up");
    Options options;
    options.check_interval = std::chrono::hours(1);  // nothing but the loss leads to a look
    Appliance appliance(std::move(options));
    appliance.announcer.want({vip("203.0.113.10")});
    appliance.announcer.begin();
    std::ostringstream batch;
    for (int i = 0; i < 4000; ++i)
      batch << "route add unreachable 10.2." << i % 256 << '.' << i / 256 * 16 << "/28\n";
    batch << "route flush table 202\n";  // told last, when the buffer has long been full
    run_batch(batch.str());
    EXPECT_EQ(table(), "");
    EXPECT_TRUE(appliance.until([] { return table() == "unreachable:203.0.113.10"; })) << table();
  });
}

TEST(Announcer, ManyChangesInARowLeaveNoStaleRoute) {
  in_fresh_namespace([] {
    Appliance appliance;
    appliance.announcer.begin();
    for (int i = 0; i < 500; ++i) {
      appliance.announcer.want(
          {vip("203.0.113.10", i % 2 == 0), vip("203.0.113." + std::to_string(i % 250))});
      appliance.io.poll();
    }
    appliance.announcer.want({vip("203.0.113.20")});
    EXPECT_EQ(table(), "unreachable:203.0.113.20");
    EXPECT_EQ(appliance.announcer.stats().repaired, 0u);
  });
}

TEST(Announcer, LeavesAForeignRouteOfTheSamePrefixAloneAndSaysSo) {
  in_fresh_namespace([] {
    run("ip link set lo up");
    run("ip route add blackhole 203.0.113.10 table 202 metric 1000000 proto static");
    Options options;
    options.retry = milliseconds(50);
    Appliance appliance(std::move(options));
    appliance.announcer.want({vip("203.0.113.10")});
    appliance.announcer.begin();
    EXPECT_EQ(table(), "blackhole:203.0.113.10");
    const std::string why =
        "setting the route of 203.0.113.10 in table 202 failed: somebody else's route has its prefix and "
        "priority 1000000";
    EXPECT_EQ(appliance.announcer.rows().at(0).state, "refused");
    EXPECT_EQ(appliance.announcer.rows().at(0).why, why);
    run("ip route del blackhole 203.0.113.10 table 202");
    EXPECT_TRUE(appliance.until([] { return table() == "unreachable:203.0.113.10"; })) << table();
    EXPECT_EQ(appliance.log, std::vector<std::string>{why}) << "told once, however often it was tried";
  });
}

TEST(Announcer, ChangesNothingOnTheWayOfTheMuxsOwnPackets) {
  in_fresh_namespace([] {
    run("ip link set lo up");
    Options options;
    options.marks = {.table = 254, .protocol = 202};
    run_batch("addr add 203.0.113.1/24 dev lo\nroute add 198.51.100.0/24 dev lo\n");
    Appliance appliance(std::move(options));
    appliance.announcer.want({vip("203.0.113.1"), vip("198.51.100.0/24"), vip("203.0.113.10")});
    appliance.announcer.begin();
    EXPECT_NE(output_of("ip route get 203.0.113.1").find("local"), std::string::npos)
        << "the MUX's own address";
    EXPECT_NE(output_of("ip route get 198.51.100.9").find("dev lo"), std::string::npos)
        << "another route of the same prefix comes first";
    EXPECT_EQ(output_of("ip route get 203.0.113.10 2>&1"), "RTNETLINK answers: No route to host\n");
  });
}

TEST(RouteList, SaysTheStateOfEachVip) {
  in_fresh_namespace([] {
    Appliance appliance;
    rpc::Router router;
    rpc::add_route(router, appliance.announcer);
    const auto list = [&] { return router.call("route.list", nlohmann::json::object(), {}); };
    appliance.announcer.want({vip("203.0.113.10"), vip("203.0.113.11", false)});
    EXPECT_EQ(list()[0]["why"], "packets do not flow yet");
    appliance.announcer.begin();
    EXPECT_EQ(list(), nlohmann::json::parse(R"([
      {"prefix": "203.0.113.10", "state": "announced", "services": ["web"], "why": "because"},
      {"prefix": "203.0.113.11", "state": "withdrawn", "services": ["web"], "why": "because"}])"));
    EXPECT_EQ(rpc::route_states(appliance.announcer),
              nlohmann::json::parse(R"({"announced": 1, "withdrawn": 1})"));
    const std::string page = rpc::render_routes(appliance.announcer);
    EXPECT_NE(page.find("sluice_route_announced{prefix=\"203.0.113.10\"} 1\n"), std::string::npos) << page;
    EXPECT_NE(page.find("sluice_route_announced{prefix=\"203.0.113.11\"} 0\n"), std::string::npos) << page;
    EXPECT_EQ(rpc::route_to(appliance.announcer, *parse_address("203.0.113.11")),
              nlohmann::json::parse(R"({"prefix": "203.0.113.11", "state": "withdrawn", "why": "because"})"));
    EXPECT_EQ(rpc::route_to(appliance.announcer, *parse_address("203.0.113.12")), nullptr);
    appliance.announcer.withdraw();
    EXPECT_EQ(list()[0]["why"], "sluiced leaves");
  });
}

TEST(RouteTo, AnAddressIsTheLongestRouteThatHoldsIt) {
  in_fresh_namespace([] {
    Appliance appliance;
    appliance.announcer.want({vip("203.0.113.0/24"), vip("203.0.113.10", false)});
    appliance.announcer.begin();
    const auto prefix_of = [&](const char* address) {
      return rpc::route_to(appliance.announcer, *parse_address(address))["prefix"];
    };
    EXPECT_EQ(prefix_of("203.0.113.10"), "203.0.113.10");
    EXPECT_EQ(prefix_of("203.0.113.11"), "203.0.113.0/24");
  });
}

TEST(RouteList, SaysThatThereIsNoTable) {
  boost::asio::io_context io;
  Announcer announcer(io, options_for({}, false, {}));
  announcer.want({vip("203.0.113.10")});
  announcer.begin();
  EXPECT_EQ(announcer.rows().at(0).state, "off");
}

}  // namespace
}  // namespace sluice::route
