// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What the probe doctor says to what was seen; and what it makes of packets and of an agent's status.
#include "control/health/diagnosis.h"

#include <gtest/gtest.h>

#include "control/health/observer.h"
#include "dataplane/wire/headers.h"

namespace sluice::health {
namespace {

const Answer kGood{.judgement = Judgement::kGood, .text = "HTTP status 200", .heard = true};
const Answer kSilence{
    .judgement = Judgement::kBad, .text = "waited 1500 ms for the connection", .silent = true};
const Answer kHungUp{.judgement = Judgement::kBad, .text = "no HTTP answer: end of stream"};
const Answer kNotAsked{.judgement = Judgement::kNone, .text = "not asked: no port is free"};
const Answer kWrong{.judgement = Judgement::kBad, .text = "HTTP status 404", .heard = true};

IpAddress address(const char* text) {
  return *parse_address(text);
}

AgentFacts agent(std::uint64_t rx = 10, std::uint64_t tx = 10) {
  return {
      .state = "alive", .vip_known = true, .held = true, .rp_filter = 2, .rx_packets = rx, .tx_packets = tx};
}

// A server that is well; each case spoils something.
Observations well() {
  Observations seen;
  seen.dip = "10.1.0.11";
  seen.vip = "203.0.113.10:80";
  seen.dip_address = address("10.1.0.11");
  seen.vip_address = address("203.0.113.10");
  seen.resolved = true;
  seen.path = "via 10.0.0.1";
  seen.ping = {Judgement::kGood, "echo reply"};
  seen.direct = kGood;
  seen.before = agent();
  seen.tunnel = Answer{.judgement = Judgement::kGood, .text = "connected"};
  seen.answer = seen.large = kGood;
  seen.sent = seen.returned = true;
  return seen;
}

// The tunnel brings nothing.
Observations silent() {
  Observations seen = well();
  seen.tunnel = kSilence;
  seen.answer.reset();
  seen.large.reset();
  seen.returned = false;
  return seen;
}

Refusal refusal(const char* from, std::uint8_t type, std::uint8_t code, bool about_tunnel,
                std::uint32_t mtu = 0) {
  return {address(from), type, code, about_tunnel, mtu};
}

struct Case {
  const char* what;
  std::function<Observations()> seen;
  const char* verdict;  // the beginning
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.what;
}

class Verdicts : public testing::TestWithParam<Case> {};

TEST_P(Verdicts, NameTheCause) {
  const Diagnosis diagnosis = diagnose(GetParam().seen());
  EXPECT_TRUE(diagnosis.verdict.starts_with(GetParam().verdict)) << diagnosis.verdict;
  EXPECT_EQ(diagnosis.well, std::string(GetParam().verdict).starts_with("all is well"));
  ASSERT_EQ(diagnosis.steps.size(), 6u);
}

template <class Change>
std::function<Observations()> with(Observations (*base)(), Change change) {
  return [base, change] {
    Observations seen = base();
    change(seen);
    return seen;
  };
}

const Case kCases[] = {
    {"a server that is well", well, "all is well"},
    {"an agent that is not ours does not matter", with(well, [](auto& s) { s.before.reset(); }),
     "all is well"},
    {"no next hop",
     with(silent,
          [](auto& s) { s.resolved = false, s.path = "10.0.0.1 does not answer ARP", s.tunnel.reset(); }),
     "no next hop to the server: 10.0.0.1 does not answer ARP"},
    {"no kernel interface",
     with(silent, [](auto& s) { s.no_way = "no port has a kernel_interface", s.tunnel.reset(); }),
     "the clients' way cannot be tried: no port has a kernel_interface"},
    {"no tunnel, no agent",
     with(silent,
          [](auto& s) {
            s.refusal = refusal("10.1.0.11", 3, 2, true);
            s.before.reset();
            s.agent = "asked on port 9110: connection refused";
          }),
     "the tunnel is not decapsulated on the server: no agent answers there (asked on port 9110: connection "
     "refused)"},
    {"no tunnel, an agent that does not know the VIP",
     with(silent, [](auto& s) { s.refusal = refusal("10.1.0.11", 3, 2, true), s.before->vip_known = false; }),
     "the tunnel is not decapsulated on the server: its agent runs, but the VIP is not among its vips"},
    {"no tunnel over IPv6", with(silent, [](auto& s) { s.refusal = refusal("2001:db8:1::11", 4, 1, true); }),
     "the tunnel is not decapsulated on the server: its agent runs and knows the VIP"},
    {"no socket for GUE", with(silent, [](auto& s) { s.refusal = refusal("10.1.0.11", 3, 3, true); }),
     "the tunnel is not decapsulated"},
    {"nothing listens", with(silent, [](auto& s) { s.reset = s.returned = true; }),
     "nothing listens on 203.0.113.10:80 on the server"},
    {"nothing listens for datagrams",
     with(silent, [](auto& s) { s.refusal = refusal("203.0.113.10", 3, 3, false); }),
     "nothing listens on 203.0.113.10:80"},
    {"a wrong source", with(silent, [](auto& s) { s.stranger = address("10.1.0.11"); }),
     "the reply came from the wrong source 10.1.0.11 in place of 203.0.113.10:80"},
    {"a firewall", with(silent, [](auto& s) { s.refusal = refusal("10.0.0.1", 3, 13, true); }),
     "a firewall at 10.0.0.1 forbids tunnel packets"},
    {"a router that does not reach the server",
     with(silent, [](auto& s) { s.refusal = refusal("10.0.0.1", 3, 1, true); }),
     "no route to the server behind 10.0.0.1"},
    {"a loop", with(silent, [](auto& s) { s.refusal = refusal("10.0.0.1", 11, 0, true); }),
     "packets go in a circle"},
    {"our own rp_filter", with(silent, [](auto& s) { s.returned = true, s.own_rp_filter = 1; }),
     "the answer from the VIP came back, and this MUX's own kernel refused it: rp_filter is 1"},
    {"our own firewall", with(silent, [](auto& s) { s.returned = true; }),
     "the answer from the VIP came back, and this MUX's own kernel did not take it"},
    {"our own kernel sends nothing", with(silent, [](auto& s) { s.sent = false; }),
     "this MUX's own kernel sent nothing to the VIP"},
    {"a dead server", with(silent, [](auto& s) { s.ping = kSilence, s.before.reset(), s.direct = kSilence; }),
     "the server does not answer at all"},
    {"silence without an agent", with(silent, [](auto& s) { s.before.reset(); }),
     "the server is there, but the tunnel is silent, and no agent answers"},
    {"an answer that is lost", with(silent, [](auto& s) { s.after = agent(12, 12); }),
     "the server answered, and its answer was lost on the way back"},
    {"no VIP on the server", with(silent, [](auto& s) { s.after = agent(12, 10), s.after->held = false; }),
     "the VIP is not on the server"},
    {"rp_filter on the server",
     with(silent, [](auto& s) { s.after = agent(12, 10), s.after->rp_filter = 1; }),
     "the server's kernel drops what was decapsulated: rp_filter is 1 there"},
    {"a firewall on the server", with(silent, [](auto& s) { s.after = agent(12, 10); }),
     "the server decapsulated and nothing came of it, though the VIP is there"},
    {"an older agent cannot tell",
     with(silent,
          [](auto& s) { s.after = agent(12, 10), s.after->held.reset(), s.after->rp_filter.reset(); }),
     "the server's kernel drops what was decapsulated; one of: the VIP is not on its loopback, rp_filter is "
     "1"},
    {"tunnel packets of an unknown VIP",
     with(silent, [](auto& s) { s.after = agent(), s.after->other_tunnel = 2; }),
     "tunnel packets reach the server, but for a VIP that its agent does not know"},
    {"tunnel packets in pieces",
     with(silent, [](auto& s) { s.after = agent(), s.after->outer_fragment = 1; }),
     "tunnel packets arrive in pieces"},
    {"tunnel packets that never arrive", with(silent, [](auto& s) { s.after = agent(); }),
     "tunnel packets do not reach the server, while others do; one of: "},
    {"a wrong answer", with(well, [](auto& s) { s.answer = kWrong; }),
     "the way is good, the answer is wrong: HTTP status 404; asked at its own address the server answers "
     "well"},
    {"a wrong answer everywhere", with(well, [](auto& s) { s.answer = s.direct = kWrong; }),
     "the way is good, the answer is wrong: HTTP status 404; at its own address the server says the same"},
    {"large packets lost", with(well, [](auto& s) { s.large = kSilence; }),
     "small packets arrive, large ones are lost between here and the server: some network there"},
    {"large packets refused",
     with(well, [](auto& s) { s.large = kSilence, s.refusal = refusal("10.0.0.1", 3, 4, true, 1400); }),
     "small packets arrive, large ones are lost between here and the server: 10.0.0.1 passes only 1400 "
     "bytes"},
};

INSTANTIATE_TEST_SUITE_P(Doctor, Verdicts, testing::ValuesIn(kCases));

// --- what keeps a new DIP out, and what does not ---------------------------------------------------------

struct Trouble {
  const char* what;
  std::function<Observations()> seen;
  bool unclear;
};

class Troubles : public testing::TestWithParam<Trouble> {};

TEST_P(Troubles, AreHeldAgainstTheDipOrNot) {
  const Diagnosis diagnosis = diagnose(GetParam().seen());
  EXPECT_FALSE(diagnosis.well) << diagnosis.verdict;
  EXPECT_EQ(diagnosis.unclear, GetParam().unclear) << diagnosis.verdict;
}

INSTANTIATE_TEST_SUITE_P(
    Doctor, Troubles,
    testing::Values(
        Trouble{"no next hop", with(well, [](auto& s) { s.resolved = false; }), false},
        Trouble{"no way to ask", with(well, [](auto& s) { s.no_way = "no port has a kernel_interface"; }),
                true},
        Trouble{"no way to ask, and no next hop either",
                with(well, [](auto& s) { s.no_way = "x", s.resolved = false; }), true},
        Trouble{"a tunnel that is silent", silent, false},
        Trouble{"our own kernel sends nothing", with(silent, [](auto& s) { s.sent = false; }), true},
        Trouble{"nothing seen to leave, but the agent does not know the VIP",
                with(silent, [](auto& s) { s.sent = false, s.before->vip_known = false; }), false},
        Trouble{"nothing could be seen, and the agent counted nothing",
                with(silent, [](auto& s) { s.sent = false, s.blind = "no socket", s.after = agent(); }),
                true},
        Trouble{"nothing could be seen, and the agent counted our packets",
                with(silent, [](auto& s) { s.sent = false, s.blind = "no socket", s.after = agent(12, 10); }),
                false},
        Trouble{"our own kernel refuses the answer", with(silent, [](auto& s) { s.returned = true; }), true},
        Trouble{"a reset", with(silent, [](auto& s) { s.returned = s.reset = true; }), false},
        Trouble{"a wrong source", with(silent, [](auto& s) { s.stranger = address("10.1.0.11"); }), false},
        Trouble{"a wrong answer", with(well, [](auto& s) { s.answer = kWrong; }), false},
        Trouble{"large packets lost", with(well, [](auto& s) { s.large = kSilence; }), false},
        Trouble{"no socket left for the tunnel", with(silent, [](auto& s) { s.tunnel = kNotAsked; }), true},
        Trouble{"no socket left for the question", with(well, [](auto& s) { s.answer = kNotAsked; }), true},
        Trouble{"no socket left for large packets", with(well, [](auto& s) { s.large = kNotAsked; }), true}));

TEST(Diagnosis, AServerThatHangsUpOnALongRequestIsNoNetworkThatLosesPackets) {
  Observations seen = well();
  seen.large = kHungUp;
  const Diagnosis diagnosis = diagnose(seen);
  EXPECT_TRUE(diagnosis.well) << diagnosis.verdict;
  EXPECT_FALSE(diagnosis.steps[5].ok.has_value());
}

TEST(Diagnosis, AServerThatIsSilentToALongRequestInSmallPacketsTooIsNoNetworkThatLosesPackets) {
  Observations seen = well();
  seen.large = seen.cut_up = kSilence;
  EXPECT_TRUE(diagnose(seen).well) << diagnose(seen).verdict;
  seen.cut_up = kWrong;
  EXPECT_FALSE(diagnose(seen).well) << "the server has something to say to it";
  seen.cut_up = kNotAsked;
  EXPECT_TRUE(diagnose(seen).unable);
}

TEST(Diagnosis, SaysWhyThereWasNoQuestion) {
  Observations seen = well();
  seen.answer.reset();
  seen.large.reset();
  seen.no_question = "the health section asks port 8080, which is not the service's";
  const Diagnosis diagnosis = diagnose(seen);
  EXPECT_TRUE(diagnosis.well);
  EXPECT_EQ(diagnosis.steps[4].text,
            "not tried: the health section asks port 8080, which is not the service's");
}

TEST(Diagnosis, ShowsEachStep) {
  Observations seen = silent();
  seen.before->held = false;
  const Diagnosis diagnosis = diagnose(seen);
  std::vector<std::string> names;
  for (const Step& step : diagnosis.steps) names.push_back(step.name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"next hop", "server", "agent", "tunnel", "answer", "large packets"}));
  EXPECT_EQ(diagnosis.steps[0].ok, true);
  EXPECT_EQ(diagnosis.steps[1].text, "ping: echo reply; asked directly: HTTP status 200");
  EXPECT_EQ(diagnosis.steps[2].ok, false);
  EXPECT_EQ(diagnosis.steps[2].text, "alive, knows the VIP, which is not on the server");
  EXPECT_EQ(diagnosis.steps[3].ok, false);
  EXPECT_FALSE(diagnosis.steps[4].ok.has_value());
  EXPECT_EQ(diagnosis.steps[4].text, "not tried");
}

// --- the agent's status --------------------------------------------------------------------------------

TEST(AgentFacts, AreReadFromTheStatus) {
  const auto facts = read_agent_facts(R"({"state": "draining", "interfaces": [{"name": "a", "rp_filter": 2},
      {"name": "b", "rp_filter": 1}], "left_alone_packets": {"other-tunnel": 3, "bad-tunnel": 4, "outer-fragment": 5},
      "vips": [{"address": "198.51.100.1", "rx_packets": 9},
               {"address": "203.0.113.0/24", "rx_packets": 7, "tx_packets": 8, "held": false}]})",
                                      address("203.0.113.10"));
  ASSERT_TRUE(facts.has_value());
  EXPECT_EQ(facts->state, "draining");
  EXPECT_TRUE(facts->vip_known);
  EXPECT_EQ(facts->held, false);
  EXPECT_EQ(facts->rp_filter, 1u);
  EXPECT_EQ(facts->rx_packets, 7u);
  EXPECT_EQ(facts->tx_packets, 8u);
  EXPECT_EQ(facts->other_tunnel, 3u);
  EXPECT_EQ(facts->bad_tunnel, 4u);
  EXPECT_EQ(facts->outer_fragment, 5u);
}

TEST(AgentFacts, OfNonsenseAreNone) {
  for (const char* body : {"", "{", "[]", "7", R"({"vips": 7})", R"({"state": "alive"})"})
    EXPECT_FALSE(read_agent_facts(body, address("203.0.113.10")).has_value()) << body;
  const auto lies = read_agent_facts(
      R"({"state": 7, "interfaces": 1, "left_alone_packets": [], "vips": [1, {"address": "x"}, {"address":
          "203.0.113.10", "rx_packets": -4, "tx_packets": "many", "held": 1}]})",
      address("203.0.113.10"));
  ASSERT_TRUE(lies.has_value());
  EXPECT_TRUE(lies->vip_known);
  EXPECT_EQ(lies->rx_packets, 0u);
  EXPECT_EQ(lies->tx_packets, 0u);
  EXPECT_FALSE(lies->held.has_value());
  EXPECT_FALSE(lies->rp_filter.has_value());
}

// --- packets -------------------------------------------------------------------------------------------

using Bytes = std::vector<std::uint8_t>;

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Bytes ip4(const char* from, const char* to, std::uint8_t protocol) {
  Ipv4Header ip{};
  ip.version_ihl = 0x45;
  ip.protocol = protocol;
  ip.source = address(from).v4();
  ip.destination = address(to).v4();
  Bytes bytes(sizeof ip);
  std::memcpy(bytes.data(), &ip, sizeof ip);
  return bytes;
}

Bytes ip6(const char* from, const char* to, std::uint8_t next) {
  Ipv6Header ip{};
  ip.version_class_flow.set(6u << 28);
  ip.next_header = next;
  ip.source = address(from).byte;
  ip.destination = address(to).byte;
  Bytes bytes(sizeof ip);
  std::memcpy(bytes.data(), &ip, sizeof ip);
  return bytes;
}

Bytes tcp(std::uint16_t from, std::uint16_t to, std::uint8_t flags) {
  TcpHeader header{};
  header.source.set(from);
  header.destination.set(to);
  header.flags = flags;
  Bytes bytes(sizeof header);
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

Bytes icmp(std::uint8_t type, std::uint8_t code, std::uint16_t last = 0) {
  return {type, code, 0, 0, 0, 0, static_cast<std::uint8_t>(last >> 8), static_cast<std::uint8_t>(last)};
}

TEST(Sightings, OfATcpAnswer) {
  const auto seen = read_packet(
      ip4("203.0.113.10", "10.0.0.11", kProtoTcp) + tcp(80, 61440, TcpHeader::kSyn | TcpHeader::kAck), false);
  ASSERT_TRUE(seen.has_value());
  EXPECT_EQ(seen->key.source, address("203.0.113.10"));
  EXPECT_EQ(seen->key.destination_port.value(), 61440);
  EXPECT_EQ(seen->tcp_flags, TcpHeader::kSyn | TcpHeader::kAck);
  EXPECT_FALSE(seen->error.has_value());
}

TEST(Sightings, OfErrorsAboutATunnel) {
  const auto four =
      read_packet(ip4("10.1.0.11", "10.0.0.11", kProtoIcmp) + icmp(3, 2) +
                      ip4("10.0.0.11", "10.1.0.11", kProtoIpv4) + ip4("10.0.0.11", "203.0.113.10", 6),
                  false);
  ASSERT_TRUE(four && four->error);
  EXPECT_EQ(four->error->type, 3);
  EXPECT_EQ(four->error->code, 2);
  EXPECT_EQ(four->error->about.protocol, kProtoIpv4);
  EXPECT_EQ(four->error->about.destination, address("10.1.0.11"));
  const auto six = read_packet(ip6("2001:db8:1::11", "2001:db8:a::11", kProtoIcmpv6) + icmp(2, 0, 1400) +
                                   ip6("2001:db8:a::11", "2001:db8:1::11", kProtoIpv6),
                               false);
  ASSERT_TRUE(six && six->error);
  EXPECT_EQ(six->error->mtu, 1400u);
}

TEST(Sightings, OfNothingThatIsCutShort) {
  const Bytes whole = ip4("10.1.0.11", "10.0.0.11", kProtoIcmp) + icmp(3, 3) +
                      ip4("10.0.0.11", "203.0.113.10", 17) + Bytes{0xf0, 0, 0, 53, 0, 8, 0, 0};
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes));
    const auto seen = read_packet(cut, false);
    EXPECT_EQ(seen.has_value(), bytes >= 48) << bytes;
  }
  EXPECT_FALSE(read_packet(ip4("10.1.0.11", "10.0.0.11", kProtoIcmp) + icmp(8, 0), false).has_value())
      << "no error";
  EXPECT_FALSE(read_packet(Bytes(40, 0xff), false).has_value());
}

}  // namespace
}  // namespace sluice::health
