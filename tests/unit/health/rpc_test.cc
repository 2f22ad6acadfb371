// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What other programs read: the shape of health.list, and the lines of /metrics.
#include <gtest/gtest.h>

#include "control/rpc/health.h"

namespace sluice::rpc {
namespace {

using health::Judgement;
using nlohmann::json;
using std::chrono::microseconds;

std::vector<health::Row> two_rows() {
  health::Row up{
      .service = "web",
      .address = "10.1.0.11",
      .state = "up",
      .why = "2 good answers in a row: connected",
      .probe = "tcp 10.1.0.11:80",
      .since = std::chrono::milliseconds(1500),
      .healthy = true,
      .last = {{Judgement::kBad, "connection refused", microseconds(100)},
               {Judgement::kNone, "not counted: the monitor was held up for 300 ms", microseconds(1)},
               {Judgement::kGood, "connected", microseconds(250)}},
      .report = {}};
  health::Row down{.service = "tls",
                   .address = "10.1.0.12:8080",
                   .state = "down",
                   .why = "x",
                   .probe = "y",
                   .since = std::chrono::milliseconds(0),
                   .healthy = false,
                   .refused = true,
                   .last = {},
                   .report = health::Report{.life = health::Life::kDraining, .connections = 7}};
  return {up, down};
}

TEST(HealthList, HasTheShapeThatOtherProgramsRead) {
  Router router;
  add_health(router, two_rows);
  const json rows = router.call("health.list", json::object(), {});
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0], json::parse(R"({"service": "web", "address": "10.1.0.11", "state": "up", "since_s": 1.5,
      "healthy": true, "why": "2 good answers in a row: connected", "probe": "tcp 10.1.0.11:80",
      "last": [{"ok": false, "text": "connection refused", "ms": 0.1},
               {"ok": false, "text": "not counted: the monitor was held up for 300 ms", "ms": 0.001, "counted": false},
               {"ok": true, "text": "connected", "ms": 0.25}]})"));
  EXPECT_EQ(rows[1]["report"], json::parse(R"({"state": "draining", "connections": 7})"));
  EXPECT_EQ(rows[1]["last"], json::array());
}

TEST(HealthList, CanBeAskedForOneService) {
  Router router;
  add_health(router, two_rows);
  const json rows = router.call("health.list", {{"service", "tls"}}, {});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["address"], "10.1.0.12:8080");
}

TEST(HealthMetrics, TellWhoIsHealthyAndHowTheProbesFare) {
  const std::string page =
      render_health(two_rows(), {.asked = 30, .failed = 4, .not_counted = 1, .walks = 7, .refused_walks = 2});
  for (const char* line :
       {"sluice_dip_healthy{service=\"web\",dip=\"10.1.0.11\"} 1\n",
        "sluice_dip_healthy{service=\"tls\",dip=\"10.1.0.12:8080\"} 0\n", "sluice_health_probes_total 30\n",
        "sluice_health_failures_total 4\n", "sluice_health_not_counted_total 1\n",
        "sluice_health_waiting 0\n", "sluice_health_walks_total 7\n", "sluice_health_refused_walks_total 2\n",
        "sluice_health_refused 1\n"})
    EXPECT_NE(page.find(line), std::string::npos) << line << page;
}

}  // namespace
}  // namespace sluice::rpc
