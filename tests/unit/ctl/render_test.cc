// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/ctl/render.h"

#include <gtest/gtest.h>

#include <cmath>

namespace sluice::ctl {
namespace {

using nlohmann::json;

std::string shown(const std::string& key, const json& value) {
  return format_value(key, value);
}

std::string rendered(const char* object, const char* verb, const char* result) {
  return render(find_command(object, verb)->view, json::parse(result));
}

TEST(Format, TitlesLeaveTheUnitToTheValue) {
  EXPECT_EQ(title_of("rx_packets"), "rx packets");
  EXPECT_EQ(title_of("uptime_s"), "uptime");
  EXPECT_EQ(title_of("busy_percent"), "busy");
  EXPECT_EQ(title_of("rate_pps"), "rate");
  EXPECT_EQ(title_of("rx_pps"), "rx rate");
  EXPECT_EQ(title_of("packets_per_s"), "packets rate");
  EXPECT_EQ(title_of("rx_bytes"), "rx bytes");
  EXPECT_EQ(title_of("_s"), " s");
}

TEST(Format, BytesAreScaledByPowersOfTwo) {
  EXPECT_EQ(shown("rx_bytes", 0), "0 B");
  EXPECT_EQ(shown("bytes", 1023), "1023 B");
  EXPECT_EQ(shown("bytes", 1024), "1 KiB");
  EXPECT_EQ(shown("bytes", 1536), "1.5 KiB");
  EXPECT_EQ(shown("flow_bytes", 1048575), "1 MiB");
  EXPECT_EQ(shown("bytes", 123456789), "118 MiB");
  EXPECT_EQ(shown("bytes", 18446744073709551615U), "16 EiB");
  EXPECT_EQ(shown("mtu_bytes", 1500), "1500 B");
}

TEST(Format, TimesShowTheirTwoLargestUnits) {
  EXPECT_EQ(shown("uptime_s", 0), "0 s");
  EXPECT_EQ(shown("uptime_s", 12.34), "12.3 s");
  EXPECT_EQ(shown("uptime_s", 60), "1 min");
  EXPECT_EQ(shown("uptime_s", 3725), "1 h 2 min");
  EXPECT_EQ(shown("uptime_s", 90000), "1 d 1 h");
  EXPECT_EQ(shown("remaining_s", -90), "-1 min 30 s");
  EXPECT_EQ(shown("uptime_s", 1e300), "104166666666666 d 16 h");
  EXPECT_EQ(shown("took_ms", 12), "12 ms");
}

TEST(Format, CountsAreGroupedAndNamesAreNot) {
  EXPECT_EQ(shown("rx_packets", 1234567), "1,234,567");
  EXPECT_EQ(shown("rx_packets", 999), "999");
  EXPECT_EQ(shown("delta", -1234), "-1,234");
  EXPECT_EQ(shown("rx_packets", 18446744073709551615U), "18,446,744,073,709,551,615");
  EXPECT_EQ(shown("port", 65535), "65535");
  EXPECT_EQ(shown("source_port", 65535), "65535");
  EXPECT_EQ(shown("slot", 12345), "12345");
}

TEST(Format, RatesAndSharesCarryTheirUnit) {
  EXPECT_EQ(shown("rate_pps", 1234567), "1.23 Mpps");
  EXPECT_EQ(shown("rate_pps", 12), "12 pps");
  EXPECT_EQ(shown("rate_bps", 9.9999e9), "10 Gbit/s");
  EXPECT_EQ(shown("errors_per_s", 0), "0 /s");
  EXPECT_EQ(shown("rx_bytes_per_s", 1536.0), "1.5 KiB/s");
  EXPECT_EQ(shown("busy_percent", 12.345), "12.3 %");
  EXPECT_EQ(shown("cycles_per_packet", 123.456), "123");
}

TEST(Format, OtherValuesAreWords) {
  EXPECT_EQ(shown("ready", true), "yes");
  EXPECT_EQ(shown("ready", false), "no");
  EXPECT_EQ(shown("x", nullptr), "-");
  EXPECT_EQ(shown("x", ""), "-");
  EXPECT_EQ(shown("x", std::nan("")), "-");
  EXPECT_EQ(shown("x", json::array({1, "a"})), "1, a");
  EXPECT_EQ(shown("x", json::array()), "-");
  EXPECT_EQ(shown("x", json::object({{"took_ms", 3}, {"ok", true}})), "ok yes took 3 ms");
}

TEST(Format, NothingMovesTheTerminalsCursor) {
  EXPECT_EQ(shown("x", "a\x1b[2Jb\r\nc\x7f"), "a?[2Jb??c?");
  EXPECT_EQ(harmless("a\xc2\x9b"
                     "b"),
            "a?b")
      << "nor do the control characters above ASCII";
  EXPECT_EQ(harmless("a\n\tb\x1b", true), "a\n\tb?");
  EXPECT_EQ(harmless("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
}

TEST(Render, ServiceList) {
  EXPECT_EQ(
      rendered("service", "list", R"([
    {"name":"web","vip":"203.0.113.10","protocol":"tcp","port":80,"state":"up","stickiness":"flow","dips":4,
     "flows":12345,"rx_packets":9876543,"rx_bytes":1234567890,"rx_pps":1234.5,"flows_broken":0,"later":"field"},
    {"name":"any-port","vip":"2001:db8:cb::10","protocol":"any","port":0,"state":"down","stickiness":"none","dips":0,
     "flows":0,"rx_packets":0,"rx_bytes":0,"flows_broken":0}])"),
      "name      vip              protocol  port  state  stickiness  dips   flows  rx packets  rx bytes    "
      "rx rate  flows broken\n"
      "web       203.0.113.10     tcp         80  up     flow           4  12,345   9,876,543  1.15 GiB  "
      "1.23 kpps             0\n"
      "any-port  2001:db8:cb::10  any          0  down   none           0       0           0       0 B      "
      "    "
      "-             0\n");
}

TEST(Render, ServiceShowWithItsGroups) {
  EXPECT_EQ(rendered("service", "show", R"({"groups":[
                {"name":"a","dips":[{"address":"10.1.0.11","weight":1},{"address":"10.2.0.12","weight":20}]},
                {"name":"b","dips":[]}],"name":"web","vip":"203.0.113.10"})"),
            "name  web\n"
            "vip   203.0.113.10\n"
            "groups\n"
            "  name  a\n"
            "  dips\n"
            "    address    weight\n"
            "    10.1.0.11       1\n"
            "    10.2.0.12      20\n"
            "\n"
            "  name  b\n"
            "  dips  -\n");
}

TEST(Render, DropList) {
  EXPECT_EQ(rendered("drop", "list", R"([{"reason":"no-service","text":"no VIP has this address","packets":3},
                                         {"reason":"never","text":"none","packets":0},
                                         {"reason":"bad-ip-header","text":"broken","packets":12000}])"),
            "reason         packets  text\n"
            "no-service           3  no VIP has this address\n"
            "bad-ip-header   12,000  broken\n");
  EXPECT_EQ(rendered("drop", "list", "[]"), "nothing was dropped\n");
  EXPECT_EQ(rendered("drop", "list", R"([{"reason":"never","packets":0}])"), "nothing was dropped\n");
}

TEST(Render, AMissingFieldIsADash) {
  EXPECT_EQ(rendered("transition", "list",
                     R"([{"service":"web","slots_moved":3},{"service":"w","slots_moved":4000}])"),
            "service  slots moved  slots given up  flows old  flows in old groups  flows pinned  leaving  "
            "remaining\n"
            "web                3               -          -                    -             -        -     "
            "     -\n"
            "w              4,000               -          -                    -             -        -     "
            "     -\n");
}

TEST(Render, Status) {
  EXPECT_EQ(rendered("status", "", R"({"uptime_s":7500,"version":"0.1.0","ready":true,"hash_key_id":"ab12",
                       "ports":[{"name":"uplink","link":true}],"workers":[],"extra":{"a_bytes":2048}})"),
            "version      0.1.0\n"
            "ready        yes\n"
            "uptime       2 h 5 min\n"
            "hash key id  ab12\n"
            "workers      -\n"
            "ports\n"
            "  link  name\n"
            "  yes   uplink\n"
            "extra\n"
            "  a bytes  2 KiB\n");
}

TEST(Render, Explain) {
  EXPECT_EQ(
      rendered("explain", "", R"({"service":"web","hash":"0x1234abcd","slot":4711,"group":"a","table":"map",
                       "dip":"10.1.0.11","reason":"the map's slot","next_hop":{"port":"uplink","mac":"02:00:00:00:00:01"},
                       "outer":{"source":"10.0.0.10","destination":"10.1.0.11","kind":"ipip"}})"),
      "reason   the map's slot\n"
      "service  web\n"
      "hash     0x1234abcd\n"
      "group    a\n"
      "slot     4711\n"
      "table    map\n"
      "dip      10.1.0.11\n"
      "next hop\n"
      "  mac   02:00:00:00:00:01\n"
      "  port  uplink\n"
      "outer\n"
      "  destination  10.1.0.11\n"
      "  kind         ipip\n"
      "  source       10.0.0.10\n");
}

TEST(Render, ConfigShowIsItself) {
  EXPECT_EQ(rendered("config", "show", R"({"text":"control: {\n\tx = 1;\n};"})"),
            "control: {\n\tx = 1;\n};\n");
  EXPECT_EQ(rendered("config", "show", R"("a\n")"), "a\n");
}

TEST(Render, AChangeSaysThatItIsDone) {
  EXPECT_EQ(rendered("dip", "add", "null"), "done\n");
  EXPECT_EQ(rendered("dip", "add", "true"), "done\n");
  EXPECT_EQ(rendered("dip", "add", "{}"), "done\n");
  EXPECT_EQ(rendered("dip", "add", R"({"slots_moved":12})"), "slots moved  12\n");
  EXPECT_EQ(rendered("dip", "add", R"({"done":["add DIP 10.1.0.11 to web"]})"), "add DIP 10.1.0.11 to web\n");
  EXPECT_EQ(rendered("dip", "add", R"({"done":[]})"), "nothing to change\n");
  EXPECT_EQ(rendered("config", "check", R"({"file":"/a","valid":true,"changes":["add a","drop b"]})"),
            "file   /a\nvalid  yes\nchanges\n  add a\n  drop b\n");
}

TEST(Render, WhatFitsNoViewIsStillShown) {
  EXPECT_EQ(rendered("drop", "list", R"({"reason":"odd"})"), "reason  odd\n");
  EXPECT_EQ(rendered("drop", "list", "[1,2]"), "1\n2\n");
  EXPECT_EQ(rendered("status", "", "[]"), "-\n");
  EXPECT_EQ(rendered("status", "", "3"), "3\n");
  EXPECT_EQ(render_any(json::parse(R"([{"a":1},{"b":"x"}])")), "a  b\n1  -\n-  x\n");
  EXPECT_EQ(render_any(json::parse(R"({"list":[{"deep":{"er":[1]}}]})")), "list\n  deep\n    er  1\n");
}

TEST(Render, ColumnsCountCharactersNotBytes) {
  EXPECT_EQ(render_table({"name", "n"}, json::parse(R"([{"name":"für","n":1},{"name":"abcd","n":2}])")),
            "name  n\nfür   1\nabcd  2\n");
}

}  // namespace
}  // namespace sluice::ctl
