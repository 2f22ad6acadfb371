// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/ctl/top.h"

#include <gtest/gtest.h>

namespace sluice::ctl {
namespace {

using nlohmann::json;

const json kBefore = json::parse(R"({
  "status": {"version":"0.1.0","ready":true,"uptime_s":59},
  "services": [{"name":"web","vip":"203.0.113.10","protocol":"tcp","port":80,"state":"up","dips":1,"flows":3,
                "rx_packets":1000,"rx_bytes":64000,"flows_broken":0}],
  "dips": [{"service":"web","group":"a","address":"10.1.0.11","state":"up","weight":1,"slots":65537,"flows":3,
            "packets":1000,"bytes":64000}],
  "workers": [{"lcore":1,"packets":5000,"cycles_per_packet":150.2,"busy_percent":40,"flows":3,"flow_bytes":4096}],
  "drops": [{"reason":"no-service","text":"no VIP","packets":7},{"reason":"too-big","text":"big","packets":2},
            {"reason":"never","text":"none of it","packets":0}]})");

json later() {
  json now = kBefore;
  now["status"]["uptime_s"] = 61;
  now["services"][0]["rx_packets"] = 3000;
  now["services"][0]["rx_bytes"] = 192000;
  now["dips"][0]["packets"] = 500;  // its server was restarted
  now["workers"][0]["packets"] = 7000;
  now["drops"][1]["packets"] = 12;
  return now;
}

TEST(Top, AFrameShowsRatesSinceTheLastOne) {
  EXPECT_EQ(top_frame(kBefore, later(), 2.0, 100, 200),
            "sluice 0.1.0  ready  up 1 min 1 s    q quits\n"
            "\n"
            "SERVICES\n"
            "name  vip           protocol  port  state  dips  flows  rx rate     rx rate  flows broken\n"
            "web   203.0.113.10  tcp         80  up        1      3   1 kpps  512 kbit/s             0\n"
            "\n"
            "SERVERS\n"
            "service  address    state  weight   slots  flows  rate     rate\n"
            "web      10.1.0.11  up          1  65,537      3     -  0 bit/s\n"
            "\n"
            "WORKERS\n"
            "lcore    rate  cycles per packet  busy  flows  flow bytes\n"
            "    1  1 kpps                150  40 %      3       4 KiB\n"
            "\n"
            "DROPS\n"
            "reason      packets   rate  text\n"
            "too-big          12  5 pps  big\n"
            "no-service        7  0 pps  no VIP\n")
      << "the server's counter went backwards, so its packets have no rate";
}

TEST(Top, WithoutAnEarlierSampleThereAreNoRates) {
  const std::string frame = top_frame({}, kBefore, 0, 100, 200);
  EXPECT_EQ(frame.find("pps"), std::string::npos);
  EXPECT_NE(frame.find("web   203.0.113.10"), std::string::npos);
}

TEST(Top, TheWorstDropsComeFirstAndThoseThatNeverHappenedNotAtAll) {
  const std::string frame = top_frame(kBefore, later(), 2.0, 100, 200);
  EXPECT_LT(frame.find("too-big"), frame.find("no-service")) << "what happens now before what happened";
  EXPECT_EQ(frame.find("never"), std::string::npos);
}

TEST(Top, AFrameFitsItsScreen) {
  json many = kBefore;
  for (int i = 0; i < 50; ++i) {
    json dip = kBefore["dips"][0];
    dip["address"] = "10.1.1." + std::to_string(i);
    many["dips"].push_back(dip);
  }
  const std::string frame = top_frame({}, many, 0, 24, 60);
  std::size_t lines = 0, widest = 0;
  for (std::size_t at = 0; at < frame.size(); ++lines) {
    const std::size_t end = frame.find('\n', at);
    widest = std::max(widest, end - at);
    at = end + 1;
  }
  EXPECT_LE(widest, 60U);
  EXPECT_EQ(lines, 24U) << "what the small sections leave over goes to the large one";
  EXPECT_NE(frame.find("... 45 more"), std::string::npos) << frame;
  EXPECT_NE(frame.find("DROPS"), std::string::npos) << "every section keeps its place";
}

TEST(Top, WhatTheServerDoesNotKnowStaysAway) {
  EXPECT_EQ(top_frame({}, json::parse(R"({"drops":[]})"), 0, 24, 80), "sluice    q quits\n\nDROPS  none\n");
}

}  // namespace
}  // namespace sluice::ctl
