// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The small pure parts: /proc, kernel settings, the ledger, the up/down machine, ECN.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "control/agent/health.h"
#include "control/agent/ledger.h"
#include "control/agent/machine.h"
#include "control/agent/sysctl.h"
#include "control/agent/traffic.h"
#include "control/agent/tunnel_shared.h"

namespace sluice::agent::test {
namespace {

TEST(Machine, ReadsWhatProcSays) {
  EXPECT_EQ(parse_loadavg("0.25 1.50 12.00 1/234 5678\n"), (std::array{0.25, 1.5, 12.0}));
  const Memory memory = parse_meminfo(
      "MemTotal:       24609612 kB\nMemFree:         1000000 kB\nMemAvailable:   20000000 "
      "kB\nHugePages_Total:       0\n"
      "SwapTotal:             5 kB\n");
  EXPECT_EQ(memory.total_bytes, 24609612ULL * 1024);
  EXPECT_EQ(memory.available_bytes, 20000000ULL * 1024);
  const CpuTicks ticks = parse_cpu("cpu  100 20 30 1000 50 6 7 8 90 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n");
  EXPECT_EQ(ticks.total, 1221u);
  EXPECT_EQ(ticks.busy, 171u) << "neither idle nor waiting for disks; guests are counted in user already";
}

TEST(Machine, AnswersZerosToWhatIsNone) {
  EXPECT_EQ(parse_loadavg("none"), (std::array{0.0, 0.0, 0.0}));
  EXPECT_EQ(parse_meminfo("").total_bytes, 0u);
  EXPECT_EQ(parse_cpu("intr 1 2 3").total, 0u);
}

TEST(Machine, ReadsTheTemperatureOfAZone) {
  EXPECT_EQ(parse_temperature("48500\n"), 48.5);
  EXPECT_EQ(parse_temperature("-3000\n"), -3.0);
  for (const char* none : {"", "hot\n", "-273200\n", "999999999\n"})
    EXPECT_FALSE(parse_temperature(none)) << none;
}

TEST(Smoothed, TakesTheFirstSampleAndFollowsLaterOnes) {
  Smoothed figure;
  figure.sample(100, 1);
  EXPECT_EQ(figure.value(), 100);
  for (int s = 0; s < 10; ++s) figure.sample(0, 1);
  EXPECT_NEAR(figure.value(), 100 / 2.71828, 0.1);
  figure.sample(0, 10'000);
  EXPECT_NEAR(figure.value(), 0, 1e-9);
}

TEST(VipTraffic, IsPacketsASecondOfEachVip) {
  VipTraffic traffic;
  std::vector<tunnel_counters> counters(3);
  traffic.sample(counters, 1);
  EXPECT_TRUE(traffic.rx_pps().empty());
  counters[1].packets[TUNNEL_IPV4_IN_IPV4] = 100;
  counters[2].packets[TUNNEL_GUE_OVER_IPV6] = 10;
  traffic.sample(counters, 2);
  EXPECT_EQ(traffic.rx_pps(), (std::vector<double>{50, 5}));
  counters[1] = {};  // programs that were loaded anew
  traffic.sample(counters, 1);
  EXPECT_LT(traffic.rx_pps()[0], 50);
}

TEST(Machine, BusyIsTheShareSinceTheSampleBefore) {
  EXPECT_EQ(busy_percent({100, 1000}, {150, 1200}), 25);
  EXPECT_EQ(busy_percent({100, 1000}, {100, 1000}), 0) << "no time went by";
  EXPECT_EQ(busy_percent({100, 1000}, {50, 1100}), 0) << "counters of the kernel may step back";
}

using Settings = std::map<std::string, std::string>;

Settings changes_for(const Settings& now) {
  Settings changes;
  for (const auto& c : sysctls_for_dsr("eth0", [&](const std::string& path) -> std::optional<std::string> {
         const auto found = now.find(path.substr(path.find("conf/") + 5));
         return found == now.end() ? std::nullopt : std::optional(found->second);
       }))
    changes[c.path] = c.value;
  return changes;
}

TEST(Sysctls, OfAFreshHostAreRaised) {
  EXPECT_EQ(changes_for({}),
            (Settings{{"net/ipv4/conf/eth0/arp_ignore", "1"}, {"net/ipv4/conf/eth0/arp_announce", "2"}}));
}

TEST(Sysctls, ThatServeStay) {
  EXPECT_EQ(changes_for({{"all/arp_ignore", "1"}, {"eth0/arp_announce", "2"}, {"eth0/rp_filter", "0"}}),
            Settings{});
  EXPECT_EQ(changes_for({{"eth0/arp_ignore", "8"}, {"all/arp_announce", "2"}, {"all/rp_filter", "2"}}),
            Settings{});
}

TEST(Sysctls, StrictReversePathIsLoosenedForTheInterfaceAlone) {
  const Settings dsr = {{"all/arp_ignore", "1"}, {"all/arp_announce", "2"}};
  Settings strict = dsr;
  strict["all/rp_filter"] = "1";
  EXPECT_EQ(changes_for(strict), (Settings{{"net/ipv4/conf/eth0/rp_filter", "2"}}));
}

TEST(Ledger, ComesBackAsItWasWritten) {
  const Place here{"boot", 42};
  const Ledger ledger{
      {{"net/ipv4/conf/eth0/arp_ignore", "0", "1"}}, {"203.0.113.10"}, {"eth0"}, {"eth0"}, 10};
  EXPECT_EQ(from_json(to_json(ledger, here), here), ledger);
}

TEST(Ledger, OfAnotherPlaceOrNoneIsEmpty) {
  const Ledger ledger{{}, {"203.0.113.10"}, {}, {}, 10};
  const std::string text = to_json(ledger, {"boot", 42});
  EXPECT_EQ(from_json(text, {"later boot", 42}), Ledger{});
  EXPECT_EQ(from_json(text, {"boot", 43}), Ledger{});
  for (std::size_t size = 0; size + 2 < text.size(); ++size)
    EXPECT_EQ(from_json(text.substr(0, size), {"boot", 42}), Ledger{}) << "cut at " << size;
}

TEST(Ledger, FileIsThereBetweenStoreAndRemove) {
  std::string directory = std::filesystem::temp_directory_path() / "agent-ledger-XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  const LedgerFile file(directory + "/ledger.json");
  EXPECT_EQ(file.load(), Ledger{});
  const Ledger ledger{{}, {"2001:db8::/64"}, {"eth1"}, {}, 7};
  file.store(ledger);
  EXPECT_EQ(file.load(), ledger);
  file.remove();
  EXPECT_TRUE(std::filesystem::is_empty(directory));
  std::filesystem::remove(directory);
  EXPECT_THROW(file.store(ledger), std::system_error);
}

TEST(HealthState, IsIllUntilTheFirstGoodAnswer) {
  HealthState state(3);
  EXPECT_FALSE(state.healthy());
  EXPECT_FALSE(state.observe(false, "no connection"));
  EXPECT_TRUE(state.observe(true, "HTTP status 200"));
  EXPECT_TRUE(state.healthy());
}

TEST(HealthState, FallsIllAfterThatManyBadAnswersInARow) {
  HealthState state(3);
  state.observe(true, "");
  EXPECT_FALSE(state.observe(false, ""));
  EXPECT_FALSE(state.observe(false, ""));
  EXPECT_FALSE(state.observe(true, "")) << "a good one between them starts the row anew";
  EXPECT_FALSE(state.observe(false, ""));
  EXPECT_FALSE(state.observe(false, ""));
  EXPECT_TRUE(state.healthy());
  EXPECT_TRUE(state.observe(false, "third"));
  EXPECT_FALSE(state.healthy());
  EXPECT_EQ(state.text(), "third");
}

TEST(Ecn, FollowsFigure4OfRfc6040) {
  constexpr int kDrop = -1;
  // Rows: inner Not-ECT, ECT(1), ECT(0), CE; columns: outer in the same order.
  constexpr int kFigure[4][4] = {{0, 0, 0, kDrop}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};
  for (unsigned inner = 0; inner < 4; ++inner)
    for (unsigned outer = 0; outer < 4; ++outer)
      EXPECT_EQ(tunnel_ecn(static_cast<__u8>(inner), static_cast<__u8>(outer)), kFigure[inner][outer])
          << inner << " in " << outer;
}

}  // namespace
}  // namespace sluice::agent::test
