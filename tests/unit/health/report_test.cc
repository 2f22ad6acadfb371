// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What agents say, honest ones and others.
#include "control/health/report.h"

#include <gtest/gtest.h>

#include "control/health/spec.h"
#include "control/health/word_finder.h"

namespace sluice::health {
namespace {

// As docs/agent.md shows it.
constexpr const char* kStatus =
    R"({"version": "0.1.0", "state": "alive", "healthy": true, "health": "HTTP status 200",
  "uptime_s": 812.5, "connections": 1234, "load": {"average_1min": 0.42, "average_5min": 0.3, "average_15min": 0.2},
  "cpu": {"count": 8, "busy_percent": 12.5}, "memory": {"total_bytes": 1000, "available_bytes": 250},
  "interfaces": [], "vips": [], "left_alone_packets": {}})";

TEST(Status, AnAgentsFiguresAreRead) {
  const Answer answer = read_status(kStatus);
  EXPECT_EQ(answer.judgement, Judgement::kGood);
  EXPECT_EQ(answer.text, "state alive");
  ASSERT_TRUE(answer.report);
  EXPECT_EQ(answer.report->life, Life::kAlive);
  EXPECT_EQ(answer.report->connections, 1234u);
  EXPECT_EQ(answer.report->load_1min, 0.42);
  EXPECT_EQ(answer.report->cpus, 8u);
  EXPECT_EQ(answer.report->cpu_busy_percent, 12.5);
  EXPECT_EQ(answer.report->memory_used_percent, 75.0);
  EXPECT_FALSE(answer.report->temperature_c);
}

struct Said {
  const char* what;
  std::string body;
  Judgement judgement;
  std::string text;
};

class Statuses : public testing::TestWithParam<Said> {};

TEST_P(Statuses, AreJudged) {
  const Answer answer = read_status(GetParam().body);
  EXPECT_EQ(answer.judgement, GetParam().judgement) << GetParam().what;
  EXPECT_EQ(answer.text, GetParam().text) << GetParam().what;
}

INSTANTIATE_TEST_SUITE_P(
    Report, Statuses,
    testing::Values(
        Said{"draining serves on", R"({"state": "draining"})", Judgement::kGood, "state draining"},
        Said{"so do leaving", R"({"state": "leaving"})", Judgement::kGood, "state leaving"},
        Said{"and joining", R"({"state": "joining"})", Judgement::kGood, "state joining"},
        Said{"restarting does not", R"({"state": "restarting"})", Judgement::kBad,
             "the server is restarting"},
        Said{"an agent whose server is ill",
             R"({"state": "alive", "healthy": false, "health": "HTTP status 500"})", Judgement::kBad,
             "the agent finds its server ill: HTTP status 500"},
        Said{"health that is no truth value is not believed", R"({"state": "alive", "healthy": 0})",
             Judgement::kGood, "state alive"},
        Said{"no state", R"({"healthy": true})", Judgement::kBad,
             "the status has no state that is known: \"\""},
        Said{"a state of another trade", R"({"state": "a\u0001b"})", Judgement::kBad,
             "the status has no state that is known: \"a?b\""},
        Said{"a state that is no text", R"({"state": 1})", Judgement::kBad,
             "the status has no state that is known: \"\""},
        Said{"no JSON", "<html>", Judgement::kBad, "the status is no JSON object"},
        Said{"half of it", R"({"state": "ali)", Judgement::kBad, "the status is no JSON object"},
        Said{"a list", R"(["alive"])", Judgement::kBad, "the status is no JSON object"},
        Said{"nothing", "", Judgement::kBad, "the status is no JSON object"},
        Said{"no UTF-8", "{\"state\": \"\xff\xfe\"}", Judgement::kBad, "the status is no JSON object"},
        Said{"nested without end", std::string(100000, '['), Judgement::kBad,
             "the status is no JSON object"}));

struct Lie {
  const char* what;
  std::string figures;
};

class Lies : public testing::TestWithParam<Lie> {};

TEST_P(Lies, AreAsIfTheyHadNotBeenSaid) {
  const Answer answer = read_status("{\"state\": \"alive\", " + GetParam().figures + "}");
  EXPECT_EQ(answer.judgement, Judgement::kGood) << GetParam().what;
  ASSERT_TRUE(answer.report);
  EXPECT_FALSE(answer.report->connections || answer.report->load_1min || answer.report->cpus ||
               answer.report->cpu_busy_percent || answer.report->memory_used_percent ||
               answer.report->temperature_c)
      << GetParam().what;
}

INSTANTIATE_TEST_SUITE_P(
    Report, Lies,
    testing::Values(
        Lie{"negative",
            R"("connections": -1, "load": {"average_1min": -0.1}, "cpu": {"count": 0, "busy_percent": -1})"},
        Lie{"huge", R"("connections": 18446744073709551615, "load": {"average_1min": 1e300},
                       "cpu": {"count": 4294967297, "busy_percent": 100.1}, "temperature_c": 5000)"},
        Lie{"no numbers",
            R"("connections": "many", "load": 3, "cpu": [], "memory": null, "temperature_c": true)"},
        Lie{"more memory free than there is", R"("memory": {"total_bytes": 10, "available_bytes": 11})"},
        Lie{"no memory at all", R"("memory": {"total_bytes": 0, "available_bytes": 0})"},
        Lie{"half a figure", R"("memory": {"total_bytes": 10})"}));

struct Line {
  std::string line;
  Judgement judgement;
  std::string text;
};

class AgentChecks : public testing::TestWithParam<Line> {};

TEST_P(AgentChecks, AreJudged) {
  const Answer answer = read_agent_check(GetParam().line);
  EXPECT_EQ(answer.judgement, GetParam().judgement) << GetParam().line;
  EXPECT_EQ(answer.text, GetParam().text) << GetParam().line;
}

INSTANTIATE_TEST_SUITE_P(
    Report, AgentChecks,
    testing::Values(Line{"up\n", Judgement::kGood, "agent-check"},
                    Line{"ready\r\n", Judgement::kGood, "agent-check"},
                    Line{"75%\n", Judgement::kGood, "agent-check"},
                    Line{"maxconn:10, up 50%\n", Judgement::kGood, "agent-check"},
                    Line{"drain\n", Judgement::kGood, "agent-check"},
                    Line{"down\n", Judgement::kBad, "agent-check says down"},
                    Line{"down#disk is full\n", Judgement::kBad, "agent-check says down: disk is full"},
                    Line{"75% failed #two words\n", Judgement::kBad, "agent-check says failed: two words"},
                    Line{"maint\n", Judgement::kBad, "agent-check says maint"},
                    Line{"stopped", Judgement::kBad, "agent-check says stopped"},
                    Line{"hello\n", Judgement::kBad, "no agent-check word in the answer"},
                    Line{"-5%\n", Judgement::kBad, "no agent-check word in the answer"},
                    Line{"99999999999%\n", Judgement::kBad, "no agent-check word in the answer"},
                    Line{"%\n", Judgement::kBad, "no agent-check word in the answer"},
                    Line{"# up\n", Judgement::kBad, "no agent-check word in the answer"},
                    Line{"\nup\n", Judgement::kBad, "no agent-check word in the answer"},
                    Line{"", Judgement::kBad, "no agent-check word in the answer"}));

TEST(AgentCheck, TellsWeightAndDrain) {
  EXPECT_EQ(read_agent_check("up 75%\n").report->weight_percent, 75.0);
  EXPECT_EQ(read_agent_check("drain\n").report->life, Life::kDraining);
  EXPECT_FALSE(read_agent_check("up 257%\n").report->weight_percent);
}

TEST(Text, OfAStrangerIsOneShortLine) {
  EXPECT_EQ(one_line("a\nb\x1b[31m\xc3\xa9"), "a?b?[31m??");
  EXPECT_EQ(one_line(std::string(200, 'x'), 5), "xxxxx...");
}

TEST(WordFinder, FindsAWordHoweverItIsCut) {
  const std::string text = "so sluice-o sluice-ok then";
  for (std::size_t first = 0; first <= text.size(); ++first) {
    for (std::size_t second = first; second <= text.size(); ++second) {
      WordFinder finder("sluice-ok"), other("sluice-okay");
      for (const std::string& piece :
           {text.substr(0, first), text.substr(first, second - first), text.substr(second)}) {
        finder.feed(piece);
        other.feed(piece);
      }
      ASSERT_TRUE(finder.found()) << first << ' ' << second;
      ASSERT_FALSE(other.found()) << first << ' ' << second;
    }
  }
  EXPECT_TRUE(WordFinder("").found());
  WordFinder letter("x");
  letter.feed("ab");
  EXPECT_FALSE(letter.found());
  letter.feed("x");
  EXPECT_TRUE(letter.found());
}

// --- what to ask of whom -------------------------------------------------------------------------------

config::Service service(config::Health health) {
  config::Service s;
  s.name = "web";
  s.vip = *parse_prefix("203.0.113.10");
  s.port = 80;
  s.health = std::move(health);
  return s;
}

struct Asked {
  config::Health health;
  const char* dip;
  std::uint16_t dip_port;
  std::string probe;
};

TEST(Spec, TheProbeGoesToThePortThatServes) {
  using config::HealthType;
  const Asked table[] = {
      {{.type = HealthType::kTcp}, "10.1.0.11", 0, "tcp 10.1.0.11:80"},
      {{.type = HealthType::kTcp}, "10.1.0.11", 8080, "tcp 10.1.0.11:8080"},
      {{.type = HealthType::kTcp, .port = 99}, "10.1.0.11", 8080, "tcp 10.1.0.11:99"},
      {{.type = HealthType::kIcmp, .port = 99}, "10.1.0.11", 8080, "icmp 10.1.0.11"},
      {{.type = HealthType::kHttp, .path = "/healthz"}, "2001:db8::1", 0, "http [2001:db8::1]:80/healthz"},
      {{.type = HealthType::kAgent}, "10.1.0.11", 8080, "agent 10.1.0.11:9110/status"},
      {{.type = HealthType::kAgent, .port = 1, .path = "/s"}, "10.1.0.11", 0, "agent 10.1.0.11:1/s"},
      {{.type = HealthType::kAgentCheck, .port = 5}, "10.1.0.11", 0, "agent-check 10.1.0.11:5"},
  };
  for (const Asked& row : table) {
    const config::Dip dip{.address = *parse_address(row.dip), .port = row.dip_port};
    EXPECT_EQ(describe(spec_of(service(row.health), dip)), row.probe);
  }
}

TEST(Spec, TwoServicesThatAskTheSameShareTheProbe) {
  using config::HealthType;
  const config::Dip dip{.address = *parse_address("10.1.0.11")};
  config::Service web = service({.type = HealthType::kTcp, .port = 80, .failures = 3});
  config::Service tls = service({.type = HealthType::kTcp, .port = 80, .path = "/x", .failures = 5});
  tls.vip = *parse_prefix("203.0.113.11");
  EXPECT_EQ(spec_of(web, dip), spec_of(tls, dip))
      << "a TCP probe looks at no path, and counting is not asking";
  web.health.type = tls.health.type = HealthType::kHttp;
  tls.health.path = web.health.path;
  EXPECT_NE(spec_of(web, dip), spec_of(tls, dip)) << "another VIP is another Host";
  web.health.host = tls.health.host = "www.example.net";
  EXPECT_EQ(spec_of(web, dip), spec_of(tls, dip));
  tls.health.interval_ms = 1000;
  EXPECT_NE(spec_of(web, dip), spec_of(tls, dip)) << "another pace is another probe";
}

TEST(Spec, HexadecimalDigitsAreBytes) {
  EXPECT_EQ(bytes_of("0x00ff41"), std::string("\x00\xff\x41", 3));
  for (const char* text : {"", "ping", "0x", "0x0", "0x0g", "1x00", "0x00 "}) EXPECT_EQ(bytes_of(text), text);
}

}  // namespace
}  // namespace sluice::health
