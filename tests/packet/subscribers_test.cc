// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Flows that a message of a control protocol begins (B3, B15): what one packet says decides where others go.
// New flows go to the DIPs in turn, so that a flow which follows its entry is told from one that follows the
// map.
#include <gtest/gtest.h>

#include <set>

#include "dataplane/table/group_state.h"
#include "tests/packet/fixture.h"

namespace sluice::test {
namespace {

constexpr unsigned kRadius = 1813, kDhcp = 67, kGtpC = 2123;
constexpr std::string_view kNas = "198.51.100.200", kNas6 = "2001:db8:c:ffff::1";
const std::vector<std::string> kDips = {"10.1.0.11", "10.1.0.12", "10.1.0.13"};

ServicePlan& by_source(World& w, std::string_view vip = kAnyProtocolVip) {
  return w.service(vip, kAnyProtocol, kAnyPort).group(kDips).remembers_flows().flows_are(HashFields::kSource);
}
World one_service(FlowStart start, unsigned port, std::string_view vip = kAnyProtocolVip) {
  World w;
  by_source(w, vip).flows_start_by(start, static_cast<std::uint16_t>(port));
  return w;
}
World clients_town() {
  World w;
  by_source(w);
  return w;
}

std::string subscriber(unsigned n) {
  return "100.64.0." + std::to_string(n);
}

class Town : public Sluice {
 public:
  using Sluice::Sluice;
  // Where one packet goes; "" when it is dropped.
  std::string way_of(const Bytes& frame) {
    receive(frame);
    const Outcome out = turn();
    return out.sent.empty() ? "" : dip_of(out.sent.at(0));
  }
  std::string account(unsigned status, const std::string& who) {
    return way_of(
        packet().ipv4(kNas, kAnyProtocolVip).udp(1813, kRadius).payload(radius_accounting(status, who)));
  }
  std::string dhcp(unsigned type, const std::string& requested, const std::string& own = "") {
    return way_of(
        packet().ipv4(kNas, kAnyProtocolVip).udp(67, kDhcp).payload(dhcp_message(type, requested, own)));
  }
  std::string traffic(const std::string& from, unsigned port = 443) {
    return way_of(packet().ipv4(from, kAnyProtocolVip).tcp(1000 + port, port).syn());
  }
  // Long enough for what is closing, and not for what is not.
  void outlive_closing() {
    pass_ms(31'000);
    for (unsigned n = 0; n < 4; ++n) turn();
  }
  [[nodiscard]] std::uint64_t flows() const { return snapshot().groups.at(0).state->flows.size(); }
};

TEST(Subscribers, AllThatASubscriberSendsGoesWhereItsAccountingStartWent) {
  Town town(one_service(FlowStart::kRadius, kRadius));
  std::set<std::string> used;
  for (unsigned n = 1; n <= 6; ++n) {
    const std::string dip = town.account(kRadiusStart, subscriber(n));
    used.insert(dip);
    for (const unsigned port : {80u, 443u, 8080u}) EXPECT_EQ(town.traffic(subscriber(n), port), dip);
    EXPECT_EQ(town.way_of(packet().ipv4(subscriber(n), kAnyProtocolVip).udp(5000, 53)), dip);
    EXPECT_EQ(town.way_of(packet().ipv4(subscriber(n), kAnyProtocolVip).esp(7).payload(64)), dip);
  }
  EXPECT_EQ(used.size(), kDips.size()) << "in turn";
  EXPECT_EQ(town.flows(), 6u) << "one flow each";
}

TEST(Subscribers, AnAccountingStartThatIsSentAgainKeepsItsDip) {
  Town town(one_service(FlowStart::kRadius, kRadius));
  const std::string dip = town.account(kRadiusStart, subscriber(1));
  town.account(kRadiusStart, subscriber(2));
  for (unsigned n = 0; n < 5; ++n) EXPECT_EQ(town.account(kRadiusStart, subscriber(1)), dip);
  EXPECT_EQ(town.account(kRadiusInterim, subscriber(1)), dip);
  EXPECT_EQ(town.flows(), 2u);
}

TEST(Subscribers, AnAccountingStopClosesTheFlowAndTheNextStartMayGoElsewhere) {
  Town town(one_service(FlowStart::kRadius, kRadius));
  const std::string dip = town.account(kRadiusStart, subscriber(1));
  EXPECT_EQ(town.traffic(subscriber(1)), dip);
  EXPECT_EQ(town.account(kRadiusStop, subscriber(1)), dip);
  EXPECT_EQ(town.traffic(subscriber(1)), dip) << "what is still under way";
  EXPECT_EQ(town.flows(), 1u);
  EXPECT_NE(town.account(kRadiusStart, subscriber(1)), dip) << "a new session: the next DIP in turn";
  town.account(kRadiusStop, subscriber(1));
  town.outlive_closing();
  EXPECT_EQ(town.flows(), 0u) << "closing lasts 30 s";
}

TEST(Subscribers, TheEndOfOneConnectionIsNotThatOfTheSubscriber) {
  Town town(one_service(FlowStart::kRadius, kRadius));
  const std::string dip = town.account(kRadiusStart, subscriber(1));
  for (unsigned n = 0; n < 3; ++n) town.traffic(subscriber(1));
  constexpr unsigned kFinAck = 0x11, kFlags = 13;
  town.way_of(packet().ipv4(subscriber(1), kAnyProtocolVip).tcp(1443, 443).l4_byte(kFlags, kFinAck));
  town.outlive_closing();
  EXPECT_EQ(town.flows(), 1u) << "it would be gone if it were closing";
  EXPECT_EQ(town.traffic(subscriber(1)), dip);
}

TEST(Subscribers, NothingButAStartOpensTheFlowOfOne) {
  Town town(one_service(FlowStart::kRadius, kRadius));
  town.traffic(subscriber(1));
  town.account(kRadiusInterim, subscriber(1));
  town.account(kRadiusStop, subscriber(1));
  town.account(kRadiusStart, "");  // which names nobody
  town.way_of(
      packet().ipv4(kNas, kAnyProtocolVip).udp(1813, 1812).payload(radius_accounting(1, "100.64.0.1")));
  EXPECT_EQ(town.flows(), 0u);
}

TEST(Subscribers, AStartInPiecesBelongsToItsSender) {
  Town town(one_service(FlowStart::kRadius, kRadius));
  Bytes message = radius_accounting(kRadiusStart, subscriber(1));
  town.receive(in_pieces(packet().ipv4(kNas, kAnyProtocolVip).udp(1813, kRadius).payload(message), 24));
  const Outcome out = town.turn();
  ASSERT_EQ(out.sent.size(), 3u);
  EXPECT_EQ(dip_of(out.sent[0]), dip_of(out.sent[1]));
  EXPECT_EQ(dip_of(out.sent[0]), dip_of(out.sent[2]));
  EXPECT_EQ(town.flows(), 0u);
}

TEST(Subscribers, AnIpv6SubscriberIsItsPrefix) {
  Town town(one_service(FlowStart::kRadius, kRadius, kAnyProtocolVip6));
  std::set<std::string> used;
  for (const char* prefix : {"2001:db8:51:1:", "2001:db8:51:2:", "2001:db8:51:3:"}) {
    const Bytes message = radius_accounting(kRadiusStart, std::string(prefix) + ":");
    const std::string dip =
        town.way_of(packet().ipv6(kNas6, kAnyProtocolVip6).udp(1813, kRadius).payload(message));
    used.insert(dip);
    for (const char* host : {":1", "aaaa:bbbb:cccc:dddd"}) {
      EXPECT_EQ(town.way_of(packet().ipv6(std::string(prefix) + host, kAnyProtocolVip6).tcp(1, 80)), dip);
    }
  }
  EXPECT_EQ(used.size(), 3u);
  EXPECT_EQ(town.flows(), 3u);
}

TEST(Subscribers, WhoIsAskedForByDhcpGoesWhereTheRequestWent) {
  Town town(one_service(FlowStart::kDhcp, kDhcp));
  std::set<std::string> used;
  for (unsigned n = 1; n <= 3; ++n) {
    const std::string dip = town.dhcp(kDhcpRequest, subscriber(n));
    used.insert(dip);
    EXPECT_EQ(town.traffic(subscriber(n)), dip);
    EXPECT_EQ(town.dhcp(kDhcpRequest, "", subscriber(n)), dip) << "it renews";
  }
  EXPECT_EQ(used.size(), 3u);
  town.dhcp(kDhcpRelease, "", subscriber(1));
  town.outlive_closing();
  EXPECT_EQ(town.flows(), 2u);
}

TEST(Subscribers, WhoseDipDiesMoveWithAllTheySendAndOthersDoNotNotice) {
  World w = one_service(FlowStart::kRadius, kRadius);
  Town town(w);
  std::vector<std::string> before;
  for (unsigned n = 0; n < 6; ++n) before.push_back(town.account(kRadiusStart, subscriber(n)));
  w.change(kAnyProtocolVip).down(kDips[1]);
  town.publish(w);
  for (unsigned n = 0; n < 6; ++n) {
    const std::string now = town.traffic(subscriber(n), 80);
    EXPECT_NE(now, kDips[1]);
    if (before[n] != kDips[1]) {
      EXPECT_EQ(now, before[n]);
    }
    EXPECT_EQ(town.traffic(subscriber(n), 443), now);
    EXPECT_EQ(town.account(kRadiusStart, subscriber(n)), now);
  }
}

TEST(Subscribers, AnErrorAboutAStartGoesToItsSender) {
  Town town(one_service(FlowStart::kRadius, kRadius));
  town.receive(packet()
                   .ipv4(kNas, kAnyProtocolVip)
                   .ttl(1)
                   .udp(1813, kRadius)
                   .payload(radius_accounting(kRadiusStart, subscriber(1))));
  const Outcome out = town.turn();
  ASSERT_EQ(out.sent.size(), 1u);
  EXPECT_EQ(read_ip(read_frame(out.sent[0].frame).l3).destination, kNas);
}

TEST(Subscribers, AResetGoesToTheHostAndNotToItsPrefix) {
  World w;
  by_source(w, kAnyProtocolVip6).flows_start_by(FlowStart::kRadius, kRadius).only_type1(UnknownFlow::kReset);
  Town town(w);
  town.receive(packet().ipv6("2001:db8:51:1::42", kAnyProtocolVip6).tcp(1, 80));
  const Outcome out = town.turn();
  ASSERT_EQ(out.sent.size(), 1u);
  EXPECT_EQ(read_ip(read_frame(out.sent[0].frame).l3).destination, "2001:db8:51:1::42");
}

TEST(SourceFlows, AllThatAClientSendsIsOneFlow) {
  Town town(clients_town());
  std::set<std::string> used;
  for (unsigned n = 1; n <= 3; ++n) {
    const std::string dip = town.traffic(subscriber(n), 80);
    used.insert(dip);
    for (const unsigned port : {81u, 82u, 83u}) EXPECT_EQ(town.traffic(subscriber(n), port), dip);
  }
  EXPECT_EQ(used.size(), 3u);
  EXPECT_EQ(town.flows(), 3u);
}

TEST(SourceFlows, ExplainFindsTheEntryOfTheClient) {
  Town town(clients_town());
  town.traffic(subscriber(9), 80);
  FlowKey key;
  key.source = *parse_address(subscriber(9));
  key.destination = *parse_address(kAnyProtocolVip);
  key.protocol = kUdp;
  const Explanation e = town.explain(key);
  EXPECT_TRUE(e.known_flow);
  EXPECT_EQ(e.table, Explanation::Table::kFlow);
}

World gtp_town(UnknownFlow unknown) {
  World w;
  w.service(kDns, kUdp, kGtpC)
      .group(kDips)
      .remembers_flows()
      .flows_start_by(FlowStart::kGtpC, kGtpC)
      .only_type1(unknown);
  return w;
}

Packet gtp(unsigned port, const Bytes& message) {
  return packet().ipv4(kNas, kDns).udp(port, kGtpC).payload(message);
}

TEST(GtpC, ACreateRequestOpensAFlowAndWhatFollowsStaysWithIt) {
  Town town(gtp_town(UnknownFlow::kDrop));
  std::set<std::string> used;
  for (unsigned n = 0; n < 6; ++n) {
    const std::string dip =
        town.way_of(gtp(n + 1, n % 2 ? gtp1_message(kCreatePdpContext) : gtp2_message(kCreateSession)));
    used.insert(dip);
    EXPECT_EQ(town.way_of(gtp(n + 1, gtp2_message(34))), dip) << "Modify Bearer Request";
    EXPECT_EQ(town.way_of(gtp(n + 1, gtp2_message(kCreateSession))), dip) << "sent again";
    EXPECT_EQ(town.way_of(gtp(n + 1, gtp2_message(36))), dip) << "Delete Session Request: others go on";
  }
  EXPECT_EQ(used.size(), 3u);
  EXPECT_EQ(town.flows(), 6u);
}

TEST(GtpC, WhatOpensNothingAndBelongsToNothingIsUnknown) {
  Town town(gtp_town(UnknownFlow::kDrop));
  town.receive(gtp(1, gtp2_message(34)));
  town.receive(gtp(2, gtp1_message(18)));
  town.receive(gtp(3, Bytes{}));
  EXPECT_EQ(town.turn().drops(DropReason::kUnknownFlow), 3u);
  EXPECT_EQ(town.flows(), 0u);
}

}  // namespace
}  // namespace sluice::test
