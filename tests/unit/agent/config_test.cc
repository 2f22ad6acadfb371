// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The agent's file: what a good one says, the sentence for each bad one, and that the docs tell the same.
#include "control/agent/config.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace sluice::agent::test {
namespace {

using Errors = std::vector<std::string>;

Parsed parse(const std::string& text) {
  return read_config_text(text, "f");
}

// A file whose line 2 is `line`, and which is good without it.
Parsed with(const std::string& line) {
  return parse(
      "agent: { interface = \"eth0\"; listen = \"10.1.0.11:9110\"; vips = ( { address = \"203.0.113.1\"; } "
      ");\n" +
      line + "\n};\n");
}

Parsed with_vips(const std::string& vips) {
  return parse("agent: { interface = \"eth0\"; listen = \"10.1.0.11:9110\"; vips = (\n" + vips + "\n); };\n");
}

TEST(AgentConfig, ASmallFileHasDefaultsForTheRest) {
  const auto parsed = with("");
  ASSERT_EQ(parsed.errors, Errors{});
  Config expected;
  expected.interfaces = {"eth0"};
  expected.listen = {*parse_address("10.1.0.11"), 9110};
  expected.vips = {{*parse_prefix("203.0.113.1"), {Service{}}}};
  EXPECT_EQ(*parsed.config, expected);
  EXPECT_EQ(expected.magic, "sluice-ok");
}

TEST(AgentConfig, EveryKeyIsRead) {
  const auto parsed = parse(R"(agent: {
    interface = [ "eth0", "eth1.100" ]; listen = "[2001:db8::11]:9110"; magic = "open sesame"; gue_port = 0;
    clamp_mss = false; mtu_overhead = 20; advertised_mtu = 1400; drain_hook = [ "/usr/bin/on-drain", "now" ];
    drain_hook_timeout_s = 3; muxes = [ "10.0.0.0/24", "2001:db8::10" ]; leave_s = 30;
    decapsulation = "compatible"; tc_priority = 77; state = "/run/a.json"; capabilities = "auto kill"; seccomp = "log"; log_level = "debug";
    health = { url = "http://[::1]:8080/ok?now"; expect = "fine"; interval_ms = 500; timeout_ms = 200; failures = 2; };
    vips = ( { address = "203.0.113.10"; protocol = "tcp"; port = 80; dip_port = 8080; },
             { address = "203.0.113.10"; protocol = "udp"; port = 53; dip_port = 53; },
             { address = "2001:db8:cb::/48"; } );
  };)");
  ASSERT_EQ(parsed.errors, Errors{});
  Config expected;
  expected.interfaces = {"eth0", "eth1.100"};
  expected.listen = {*parse_address("2001:db8::11"), 9110};
  expected.magic = "open sesame";
  expected.gue_port = 0;
  expected.clamp_mss = false;
  expected.mtu_overhead_bytes = 20;
  expected.advertised_mtu_bytes = 1400;
  expected.drain_hook = {"/usr/bin/on-drain", "now"};
  expected.drain_hook_timeout_s = 3;
  expected.muxes = {*parse_prefix("10.0.0.0/24"), *parse_prefix("2001:db8::10")};
  expected.muxes_on_link = false;
  expected.leave_s = 30;
  expected.decapsulation = Decapsulation::kCompatible;
  expected.tc_priority = 77;
  expected.state = "/run/a.json";
  expected.capabilities = "auto kill";
  expected.seccomp = config::Seccomp::kLog;
  expected.log_level = "debug";
  expected.health =
      HealthCheck{{{*parse_address("::1"), 8080}, "[::1]:8080", "/ok?now"}, "fine", 500, 200, 2};
  expected.vips = {{*parse_prefix("203.0.113.10"), {{Protocol::kTcp, 80, 8080}, {Protocol::kUdp, 53, 0}}},
                   {*parse_prefix("2001:db8:cb::/48"), {Service{}}}};
  EXPECT_EQ(*parsed.config, expected);
}

TEST(AgentConfig, MuxesAreThoseOnTheLinkUnlessNamed) {
  const auto muxes = [](const char* line) {
    const auto parsed = with(line);
    EXPECT_EQ(parsed.errors, Errors{});
    return print_muxes(parsed.config.value_or(Config{}));
  };
  EXPECT_EQ(muxes(""), R"([ "link" ])");
  EXPECT_EQ(muxes("muxes = [ ];"), "[]");
  EXPECT_EQ(muxes(R"(muxes = [ "10.0.0.11" ];)"), R"([ "10.0.0.11" ])");
  EXPECT_EQ(muxes(R"(muxes = [ "10.0.0.11", "link" ];)"), R"([ "link", "10.0.0.11" ])");
}

TEST(AgentConfig, AUrlWithoutPortAndPathAsksForTheRootOnPort80) {
  const auto parsed = with(R"(health = { url = "http://127.0.0.1"; };)");
  ASSERT_EQ(parsed.errors, Errors{});
  EXPECT_EQ(parsed.config->health->url, (Url{{*parse_address("127.0.0.1"), 80}, "127.0.0.1", "/"}));
}

struct Bad {
  const char* line;
  const char* sentence;
};

class BadKey : public testing::TestWithParam<Bad> {};

TEST_P(BadKey, IsNamedWithItsLineAndWhatWouldBeRight) {
  const auto parsed = with(GetParam().line);
  EXPECT_FALSE(parsed.config);
  EXPECT_EQ(parsed.errors, Errors{std::string("f:2: ") + GetParam().sentence});
}

INSTANTIATE_TEST_SUITE_P(
    All, BadKey,
    testing::Values(
        Bad{"lisen = 1;", R"(unknown key "lisen"; the nearest one that agent has is "listen")"},
        Bad{"magic = 1;", "magic is a number; write the word that monitors expect in quotes"},
        Bad{R"(magic = "";)", "magic is empty; write something between the quotes"},
        Bad{"gue_port = 65536;", "gue_port = 65536 is out of range; write 0 to 65535"},
        Bad{"clamp_mss = 1;", "clamp_mss is a number; write true or false, without quotes"},
        Bad{"advertised_mtu = 500;",
            "advertised_mtu = 500 is too small; write 576 or more, or 0 for the interface's "
            "MTU less mtu_overhead"},
        Bad{"tc_priority = 0;", "tc_priority = 0 is out of range; write 1 to 65535"},
        Bad{R"(drain_hook = "on-drain";)", R"(drain_hook = "on-drain" is no whole path; begin it with /)"},
        Bad{R"(drain_hook = [ "", "x" ];)", "drain_hook names no program; begin with its whole path"},
        Bad{"drain_hook = [ 1 ];",
            R"(drain_hook is a number; write a program in quotes, or [ "PROGRAM", "ARGUMENT" ])"},
        Bad{"drain_hook_timeout_s = 0;", "drain_hook_timeout_s = 0 is out of range; write 1 to 600"},
        Bad{R"(muxes = [ "10.0.0.1/24" ];)",
            R"(muxes = "10.0.0.1/24" is not an address or a prefix without host bits; write one as in "203.0.113.10")"},
        Bad{R"(decapsulation = "kernel";)",
            R"(decapsulation = "kernel" is unknown; write one of: auto, compatible)"},
        Bad{R"(log_level = "loud";)",
            R"(log_level = "loud" is unknown; write one of: trace, debug, info, warn, error)"},
        Bad{"health = 1;", R"(health is a number; write a group, as in { url = "http://127.0.0.1:80/"; })"},
        Bad{"health = { failures = 1; };",
            R"(health has no url; add one, as in url = "http://127.0.0.1:80/";)"},
        Bad{R"(health = { url = "http://localhost/"; };)",
            R"(url = "http://localhost/" is not http://ADDRESS[:PORT]/PATH with a numeric address; write one as in "http://127.0.0.1:80/")"},
        Bad{R"(health = { url = "http://127.0.0.1/a b"; };)",
            R"(url = "http://127.0.0.1/a b" is not http://ADDRESS[:PORT]/PATH with a numeric address; write one as in "http://127.0.0.1:80/")"}));

class BadVip : public testing::TestWithParam<Bad> {};

TEST_P(BadVip, IsNamedWithItsLineAndWhatWouldBeRight) {
  const auto parsed = with_vips(GetParam().line);
  EXPECT_FALSE(parsed.config);
  EXPECT_EQ(parsed.errors, Errors{std::string("f:") + GetParam().sentence});
}

INSTANTIATE_TEST_SUITE_P(
    All, BadVip,
    testing::Values(
        Bad{R"({ address = "203.0.113.300"; })",
            R"(2: address = "203.0.113.300" is not an address or a prefix without host bits; write one as in "203.0.113.10")"},
        Bad{R"({ address = "127.0.0.1"; })",
            R"(2: address = "127.0.0.1" is a loopback address; write an address that one host has)"},
        Bad{R"({ address = "0.0.0.0/0"; })",
            R"(2: address = "0.0.0.0/0" is every address; write the VIPs alone)"},
        Bad{R"({ address = "fe80::1"; })",
            R"(2: address = "fe80::1" is link-local; write an address that clients reach)"},
        Bad{R"({ port = 80; protocol = "tcp"; })",
            R"(2: VIP has no address; add one, as in address = "203.0.113.10";)"},
        Bad{R"({ address = "203.0.113.1"; port = 80; })",
            R"(2: port = 80 of protocol any; add protocol = "tcp", "udp" or "sctp")"},
        Bad{R"({ address = "203.0.113.1"; protocol = "tcp"; dip_port = 8080; })",
            "2: dip_port without port; name the port that clients use"},
        Bad{R"({ address = "203.0.113.1"; protocol = "sctp"; port = 1; dip_port = 2; })",
            "2: dip_port of protocol sctp; ports are translated for tcp and udp"},
        Bad{"{ address = \"203.0.113.1\"; },\n{ address = \"203.0.113.1\"; }",
            "3: VIP 203.0.113.1 with this protocol and port is given already at line 2; give it once"},
        Bad{"{ address = \"203.0.113.1\"; protocol = \"tcp\"; port = 80; dip_port = 8080; },\n"
            "{ address = \"203.0.113.1\"; protocol = \"tcp\"; port = 8080; }",
            "3: VIP 203.0.113.1 uses port 8080 of the server already at line 2; give each service a dip_port "
            "of its own"},
        Bad{"{ address = \"203.0.113.1\"; protocol = \"tcp\"; port = 80; dip_port = 8080; },\n"
            "{ address = \"203.0.113.1\"; protocol = \"tcp\"; port = 81; dip_port = 8080; }",
            "3: VIP 203.0.113.1 uses port 8080 of the server already at line 2; give each service a dip_port "
            "of its own"},
        Bad{"", R"(1: vips is empty; name at least one, as in ( { address = "203.0.113.10"; } ))"}));

TEST(AgentConfig, PortsOfDifferentVipsAndProtocolsDoNotCollide) {
  EXPECT_EQ(with_vips(R"({ address = "203.0.113.1"; protocol = "tcp"; port = 80; dip_port = 8080; },
                         { address = "203.0.113.1"; protocol = "udp"; port = 80; dip_port = 8080; },
                         { address = "203.0.113.2"; protocol = "tcp"; port = 80; dip_port = 8080; },
                         { address = "203.0.113.1"; protocol = "tcp"; port = 8080; dip_port = 80; })")
                .errors,
            Errors{});
}

TEST(AgentConfig, AllErrorsOfAFileAreNamedAtOnce) {
  const auto parsed = parse("agent: {\n interface = \"a/b\";\n listen = \"10.1.0.11\";\n};\nother = 1;\n");
  EXPECT_EQ(
      parsed.errors,
      (Errors{R"(f:1: agent has no vips; add one, as in vips = ( { address = "203.0.113.10"; } );)",
              R"(f:2: interface = "a/b" is no name for an interface; write letters and digits)",
              R"(f:3: listen = "10.1.0.11" is not ADDRESS:PORT; write one as in "10.1.0.11:9110")",
              R"(f:5: unknown key "other"; the nearest one that a file of sluice-agent has is "agent")"}));
}

TEST(AgentConfig, InterfacesAreNamesGivenOnce) {
  const auto with_interfaces = [](const std::string& value) {
    return parse(
               "agent: { listen = \"10.1.0.11:9110\"; vips = ( { address = \"203.0.113.1\"; } );\ninterface "
               "= " +
               value + ";\n};\n")
        .errors;
  };
  EXPECT_EQ(with_interfaces(R"([ "a", "b" ])"), Errors{});
  EXPECT_EQ(with_interfaces(R"([ "a", "a" ])"), Errors{R"(f:2: interface "a" is given twice; give it once)"});
  EXPECT_EQ(with_interfaces("1"),
            Errors{R"(f:2: interface is a number; write a name in quotes, as in "eth0")"});
  EXPECT_EQ(with_interfaces("[]"),
            Errors{R"(f:2: interface is an empty list; name at least one, as in "eth0")"});
}

std::string docs_path() {
  const char* root = std::getenv("SLUICE_SOURCE_ROOT");
  return root == nullptr ? std::string() : std::string(root) + "/docs/agent.md";
}

std::string docs() {
  std::ostringstream text;
  text << std::ifstream(docs_path()).rdbuf();
  return text.str();
}

TEST(AgentDocs, TablesOfKeysAreNotStale) {
  ASSERT_FALSE(docs_path().empty()) << "run this by meson test, or set SLUICE_SOURCE_ROOT";
  const std::string begin = "<!-- keys: written by the program, SLUICE_REGENERATE=1 meson test agent -->\n",
                    end = "<!-- end of keys -->";
  std::string text = docs();
  const auto from = text.find(begin), to = text.find(end);
  ASSERT_TRUE(from != std::string::npos && to != std::string::npos);
  text.replace(from + begin.size(), to - from - begin.size(), config_reference() + "\n");
  if (std::getenv("SLUICE_REGENERATE") != nullptr) std::ofstream(docs_path()) << text;
  EXPECT_TRUE(docs() == text) << "stale; write it anew with SLUICE_REGENERATE=1 meson test agent";
}

TEST(AgentDocs, ExamplesLoad) {
  const std::string text = docs(), fence = "```libconfig\n";
  int examples = 0;
  for (auto at = text.find(fence); at != std::string::npos; at = text.find(fence, at + 1), ++examples) {
    const auto begin = at + fence.size();
    const std::string example = text.substr(begin, text.find("```", begin) - begin);
    EXPECT_EQ(parse(example).errors, Errors{}) << example;
  }
  EXPECT_GE(examples, 2);
}

}  // namespace
}  // namespace sluice::agent::test
