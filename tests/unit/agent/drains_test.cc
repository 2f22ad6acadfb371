// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Orders of MUXes: what a good one says, what is refused, and when a drain begins and ends.
#include "control/agent/drains.h"

#include <gtest/gtest.h>

namespace sluice::agent::test {
namespace {

using std::chrono::seconds;

const IpAddress kMux1 = *parse_address("10.0.0.10"), kMux2 = *parse_address("10.0.0.11");

DrainClock::time_point at(int s) {
  return DrainClock::time_point(seconds(s));
}

Config config() {
  Config made;
  made.vips = {{*parse_prefix("203.0.113.10"), {{Protocol::kTcp, 80, 8080}, {Protocol::kUdp, 53, 0}}},
               {*parse_prefix("2001:db8:cb::10"), {Service{}}}};
  return made;
}

std::string refusal(const std::string& body) {
  std::string error;
  EXPECT_FALSE(read_drain(body, config(), error)) << body;
  return error;
}

DrainOrder order(const std::string& body) {
  std::string error;
  const auto read = read_drain(body, config(), error);
  EXPECT_TRUE(read) << error;
  return read.value_or(DrainOrder{});
}

DrainOrder web(int deadline_s = 100) {
  return order(R"({"vip": "203.0.113.10", "protocol": "tcp", "port": 80, "deadline_s": )" +
               std::to_string(deadline_s) + "}");
}

TEST(DrainOrder, NamesAServiceAndItsDeadline) {
  const DrainOrder read = web();
  EXPECT_EQ(describe(read.key), "203.0.113.10 tcp port 80");
  EXPECT_EQ(read.key.dip_port, 8080) << "where the server listens, and so where connections are counted";
  EXPECT_EQ(read.deadline, seconds(100));
}

TEST(DrainOrder, MayMeanAPartOfAServiceThatTakesEveryPort) {
  const DrainOrder read = order(R"({"vip": "2001:db8:cb::10", "protocol": "udp", "port": 4500})");
  EXPECT_EQ(describe(read.key), "2001:db8:cb::10 udp port 4500");
  EXPECT_EQ(read.key.dip_port, 0);
  EXPECT_EQ(read.deadline, kLongestDrain) << "no deadline given";
}

TEST(DrainOrder, IsRefusedWithASentence) {
  EXPECT_EQ(refusal("drain!"), "the body is no JSON object");
  EXPECT_EQ(refusal("[1]"), "the body is no JSON object");
  EXPECT_EQ(refusal(std::string(1000, '[')), "the body is no JSON object");
  EXPECT_NE(refusal(R"({"vip": 7})").find("names no vip"), std::string::npos);
  EXPECT_NE(refusal(R"({"vip": "web", "protocol": "tcp", "port": 80})").find("names no vip"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"vip": "203.0.113.10", "port": 80})").find("no protocol"), std::string::npos);
  for (const char* port : {"-1", "65536", "80.5", "\"80\"", "1e99"})
    EXPECT_NE(refusal(R"({"vip": "203.0.113.10", "protocol": "tcp", "port": )" + std::string(port) + "}")
                  .find("no port"),
              std::string::npos)
        << port;
  EXPECT_EQ(refusal(R"({"vip": "203.0.113.10", "protocol": "tcp", "port": 81})"),
            "203.0.113.10 tcp port 81 is not served here");
  EXPECT_EQ(refusal(R"({"vip": "203.0.113.99", "protocol": "tcp", "port": 80})"),
            "203.0.113.99 tcp port 80 is not served here");
}

TEST(DrainOrder, ADeadlineThatIsNoneIsTheLongest) {
  for (const char* deadline : {"-5", "1e30", "\"soon\"", "99999999999"})
    EXPECT_EQ(order(R"({"vip": "203.0.113.10", "protocol": "tcp", "port": 80, "deadline_s": )" +
                    std::string(deadline) + "}")
                  .deadline,
              kLongestDrain)
        << deadline;
}

TEST(Drains, BeginOnceAndAreProlonged) {
  Drains drains;
  EXPECT_EQ(drains.begin(web(), kMux1, at(0)), true);
  EXPECT_EQ(drains.begin(web(), kMux1, at(50)), false);
  EXPECT_TRUE(drains.expire(at(149)).empty());
  EXPECT_EQ(drains.expire(at(150)), std::vector<DrainKey>{web().key});
  EXPECT_TRUE(drains.all().empty());
}

TEST(Drains, EndWhenTheLastMuxThatAskedWantsTheServerAgain) {
  Drains drains;
  drains.begin(web(), kMux1, at(0));
  drains.begin(web(), kMux2, at(0));
  EXPECT_FALSE(drains.end(web().key, kMux1));
  EXPECT_FALSE(drains.end(web().key, kMux1));
  EXPECT_TRUE(drains.end(web().key, kMux2));
  EXPECT_FALSE(drains.end(web().key, kMux2)) << "it is over already";
}

TEST(Drains, AMuxThatWentSilentIsForgottenAtItsDeadline) {
  Drains drains;
  drains.begin(web(10), kMux1, at(0));
  drains.begin(web(100), kMux2, at(0));
  EXPECT_TRUE(drains.expire(at(50)).empty());
  EXPECT_TRUE(drains.end(web().key, kMux2));
}

TEST(Drains, HaveABoundOnWhoAsks) {
  Drains drains;
  for (std::uint32_t n = 0; n < kMostAsking; ++n)
    EXPECT_TRUE(drains.begin(web(), IpAddress::v4(Big32(0x0a000000 + n)), at(0)));
  EXPECT_FALSE(drains.begin(web(), IpAddress::v4(Big32(0x0a0000ff)), at(0)));
  EXPECT_TRUE(drains.begin(web(), IpAddress::v4(Big32(0x0a000000)), at(1))) << "it asked before";
}

TEST(Drains, NoticeTheLastConnection) {
  Drains drains;
  drains.begin(web(), kMux1, at(0));
  const DrainKey key = web().key;
  EXPECT_FALSE(drains.count(key, 3, at(1)));
  EXPECT_TRUE(drains.count(key, 0, at(2)));
  EXPECT_FALSE(drains.count(key, 0, at(3))) << "known";
  EXPECT_EQ(drains.all().at(key).empty_since, at(2));
  EXPECT_FALSE(drains.count(key, 1, at(4)));
  EXPECT_FALSE(drains.all().at(key).empty_since);
}

TEST(Drains, CoverTheServicesThatTheyMean) {
  Drains drains;
  drains.begin(web(), kMux1, at(0));
  const Config c = config();
  EXPECT_TRUE(drains.covers(c.vips[0].prefix, c.vips[0].services[0]));
  EXPECT_FALSE(drains.covers(c.vips[0].prefix, c.vips[0].services[1]));
  EXPECT_FALSE(drains.covers(c.vips[1].prefix, c.vips[1].services[0]));
}

TEST(Drains, AreCountedAsVipsInTheirOrder) {
  Drains drains;
  drains.begin(order(R"({"vip": "203.0.113.10", "protocol": "udp", "port": 53})"), kMux1, at(0));
  drains.begin(web(), kMux1, at(0));
  drains.begin(order(R"({"vip": "2001:db8:cb::10", "protocol": "tcp", "port": 1})"), kMux1, at(0));
  const auto vips = drains.as_vips();
  ASSERT_EQ(vips.size(), 2u);
  EXPECT_EQ(vips[0].services.size() + vips[1].services.size(), 3u);
}

}  // namespace
}  // namespace sluice::agent::test
