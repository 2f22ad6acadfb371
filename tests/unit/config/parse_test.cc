// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What good files mean, and what files may be made of.
#include "control/config/parse.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "control/config/address_port.h"
#include "control/config/iip.h"
#include "control/config/pool.h"
#include "control/config/words.h"
#include "tests/unit/config/text.h"

namespace sluice::config::test {
namespace {

Model parsed(const std::string& text) {
  const Result result = parse_text(text, "f");
  EXPECT_EQ(problems_of(text), std::vector<std::string>{});
  return result.model.value_or(Model{});
}

IpAddress address(const std::string& text) {
  return parse_address(text).value();
}

TEST(Parse, WhatIsNotGivenHasItsDefault) {
  const Model model = parsed(with_services("{ name = \"web\"; vip = \"203.0.113.10\"; }"));
  Model expected;
  expected.dataplane.ports.push_back({});
  expected.dataplane.ports[0].name = "up";
  expected.dataplane.ports[0].device = "net_null0";
  expected.dataplane.workers.push_back({1, true, true});
  expected.services.push_back({});
  expected.services[0].name = "web";
  expected.services[0].vip = Prefix::host(address("203.0.113.10"));
  EXPECT_EQ(model, expected);
}

TEST(Parse, EveryKeyReachesItsField) {
  const Model model = parsed(
      "control: { socket = \"/run/s\"; socket_group = \"g\"; socket_mode = \"0600\"; admin_group = \"a\";\n"
      "  metrics = \"[::1]:9107\"; state_file = \"/run/x\"; log_level = \"debug\"; route_table = 7; "
      "route_protocol = 8; leave_ms = 9; "
      "stall_s = "
      "10; on_stall = \"abort\"; on_stop = \"keep\"; user = \"nobody\"; capabilities = \"auto cap_kill\"; "
      "seccomp = \"log\"; };\n"
      "dataplane: { eal = [ \"-m\", \"512\" ]; idle = \"busy\"; slots = 251; buffers = 4096; flows = "
      "4096;\n"
      "  hash_key = \"" +
      std::string(78, '0') +
      "Ff\";\n"
      "  ports = ( { name = \"up\"; device = \"d\"; address = [ \"10.0.0.10/24\", \"2001:db8::10/64\" ];\n"
      "    gateway = \"10.0.0.1\"; gateway6 = \"fe80::1\"; gateway_mac = \"02:00:00:00:00:01\"; mtu = 9000; "
      "vlan = 7;\n"
      "    kernel_interface = \"sluice0\"; queues = 3; } );\n"
      "  workers = ( { lcore = 3; tier1 = false; }, { lcore = 4; tier2 = false; } ); };\n"
      "services: ( { name = \"web\"; vip = \"203.0.113.0/24\"; protocol = \"udp\"; port = 53; stickiness = "
      "\"none\";\n"
      "  hash_fields = \"source\"; encapsulation = \"gue\"; gue_port = 5555;\n"
      "  outer_source = \"prefix\"; outer_prefix4 = \"10.9.0.0/16\"; outer_prefix6 = \"2001:db8:9::/48\";\n"
      "  groups = ( { name = \"a\"; weight = 5; worker = 3; dips = ( { address = \"10.1.0.11\"; port = 54; "
      "weight = 7; } "
      "); } );\n"
      "  health = { type = \"udp\"; port = 55; path = \"/p\"; host = \"h\"; expect = \"e\"; interval_ms = "
      "100;\n"
      "    timeout_ms = 50; failures = 4; successes = 5; payload = \"0x00ff\"; persistent = true; panic = "
      "false; through = \"dip\"; admit = \"probe\"; };\n"
      "  transition = { deadline_s = 6; at_deadline = \"keep\"; }; announce = \"always\"; unknown_flow = "
      "\"reset\";\n"
      "  flow_types = \"type2\"; flows = 2048; timeouts = { syn_s = 1; established_s = 2; closing_s = 3; "
      "udp_s = 4; "
      "other_s = 5; };\n"
      "  elephant = { bytes_per_s = 3000000000L; packets_per_s = 0; };\n"
      "  load = { lowest_percent = 50; highest_percent = 200; interval_s = 7; group_difference_percent = 8; "
      "group_interval_s = 9; group_least_dips = 1; }; } );\n");
  EXPECT_EQ(model.control, (Control{"/run/s",
                                    "g",
                                    0600,
                                    "a",
                                    "[::1]:9107",
                                    "/run/x",
                                    "debug",
                                    {},
                                    7,
                                    8,
                                    9,
                                    10,
                                    OnStall::kAbort,
                                    "nobody",
                                    "auto cap_kill",
                                    OnStop::kKeep,
                                    Seccomp::kLog}));
  const Dataplane& dataplane = model.dataplane;
  EXPECT_EQ(dataplane.eal, (std::vector<std::string>{"-m", "512"}));
  EXPECT_EQ(dataplane.idle, Idle::kBusy);
  EXPECT_EQ(dataplane.slots, 251u);
  EXPECT_EQ(dataplane.buffers, 4096u);
  EXPECT_EQ(dataplane.flows, 4096u);
  ASSERT_EQ(dataplane.hash_key.size(), 40u);
  EXPECT_EQ(dataplane.hash_key[39], 0xff);
  const Port port{"up",
                  "d",
                  {{address("10.0.0.10"), 24}, {address("2001:db8::10"), 64}},
                  address("10.0.0.1"),
                  address("fe80::1"),
                  MacAddress{{2, 0, 0, 0, 0, 1}},
                  9000,
                  7,
                  "sluice0",
                  3};
  EXPECT_EQ(dataplane.ports, std::vector<Port>{port});
  EXPECT_EQ(dataplane.workers, (std::vector<Worker>{{3, false, true}, {4, true, false}}));
  Service service;
  service.name = "web";
  service.vip = {address("203.0.113.0"), 24};
  service.protocol = Protocol::kUdp;
  service.port = 53;
  service.stickiness = Stickiness::kNone;
  service.hash_fields = HashFields::kSource;
  service.encapsulation = Encapsulation::kGue;
  service.gue_port = 5555;
  service.outer_source = OuterSource::kPrefix;
  service.outer_prefix4 = parse_prefix("10.9.0.0/16");
  service.outer_prefix6 = parse_prefix("2001:db8:9::/48");
  service.groups = {{"a", 5, {{address("10.1.0.11"), 54, 7}}, 3u}};
  service.health = {HealthType::kUdp, 55,           "/p", "h", "e", 100, 50, 4, 5, "0x00ff", true, false,
                    ProbeWay::kDip,   Admit::kProbe};
  service.transition = {6, AtDeadline::kKeep};
  service.announce = Announce::kAlways;
  service.unknown_flow = UnknownFlow::kReset;
  service.flow_types = FlowTypes::kType2;
  service.flows = 2048;
  service.timeouts = {1, 2, 3, 4, 5};
  service.elephant = {3'000'000'000, 0};
  service.load = {50, 200, 7, 8, 9, 1};
  EXPECT_EQ(model.services, std::vector<Service>{service});
}

const std::string kTwoPorts =
    "dataplane: { workers = ( { lcore = 1; } ); ports = (\n"
    "  { name = \"up\"; device = \"a\"; address = [ \"10.0.0.10/24\" ]; kernel_interface = \"sluice0\"; },\n"
    "  { name = \"down\"; device = \"b\"; address = [ \"10.9.0.10/16\" ]; kernel_interface = \"sluice1\"; "
    "},\n"
    "  { name = \"bare\"; device = \"c\"; } ); };\n";

TEST(Parse, AnIipHasItsKeys) {
  const Model model = parsed(kTwoPorts +
                             "iips: ( { address = \"10.0.0.100/32\"; port = \"down\"; probe_ms = 1000; "
                             "announce_s = 7; } );");
  ASSERT_EQ(model.iips.size(), 1u);
  EXPECT_EQ(model.iips[0], (Iip{{address("10.0.0.100"), 32}, "down", 1000, 7}));
  EXPECT_EQ(model.iips[0].line, 5u);
}

TEST(Parse, APoolHasItsKeysAndFindsItself) {
  const Model model =
      parsed(kTwoPorts +
             "pool: { name = \"edge\"; secret = \"0123456789abcdef\"; port = 7; advert_ms = 50; members = (\n"
             "  { name = \"a\"; address = \"10.0.0.9\"; priority = 3; }, { name = \"b\"; address = "
             "\"10.9.0.10\"; } );\n"
             "  exchange_busy_percent = 80; exchange_after_s = 5; exchange_pause_s = 6; };\n"
             "iips: ( { address = \"10.0.0.100\"; home = \"a\"; } );");
  EXPECT_EQ(model.pool, (Pool{"edge",
                              "0123456789abcdef",
                              "",
                              7,
                              50,
                              {{"a", address("10.0.0.9"), 3}, {"b", address("10.9.0.10"), 100}},
                              80,
                              5,
                              6}));
  EXPECT_EQ(model.iips.at(0).home, "a");
  EXPECT_EQ(self_of(model), "b") << "a port has its address";
}

TEST(Iip, FindsItsPortAndLengthBySubnet) {
  const Dataplane dataplane = parsed(kTwoPorts).dataplane;
  const auto place = [&](const std::string& text, std::uint8_t length, const std::string& port) {
    std::string why;
    const auto found = place_of(dataplane, {{address(text), length}, port}, why);
    return found ? dataplane.ports[found->port].name + ' ' + std::to_string(found->address.prefix_length)
                 : why;
  };
  EXPECT_EQ(place("10.0.0.100", 0, ""), "up 24");
  EXPECT_EQ(place("10.9.7.100", 0, ""), "down 16");
  EXPECT_EQ(place("10.0.0.100", 0, "down"), "down 32") << "no subnet of that port: the address alone";
  EXPECT_EQ(place("10.0.0.100", 28, ""), "up 28");
  EXPECT_EQ(place("10.0.0.100", 0, "bare"),
            "port bare has no kernel_interface, through which an address is answered for; give it one");
  EXPECT_EQ(place("192.0.2.1", 0, ""),
            "the IIP 192.0.2.1 is in no port's subnet; say which port it is on, as in port = \"uplink\"");
}

TEST(Parse, LoadIsFollowedWhereAgentsReportIt) {
  const Service service = parsed(with_service("health = { type = \"agent\"; }; weights = \"adaptive\"; "
                                              "balance_groups = true;"))
                              .services.at(0);
  EXPECT_EQ(service.weights, Weights::kAdaptive);
  EXPECT_TRUE(service.balance_groups);
  EXPECT_EQ(parsed(with_service("health = { type = \"agent-check\"; port = 1; }; weights = \"adaptive\";"))
                .services.at(0)
                .weights,
            Weights::kAdaptive);
}

TEST(Parse, EverySchedulerGoesWithAFlowTable) {
  for (const auto& [scheduler, word] : words<Scheduler>())
    EXPECT_EQ(parsed(with_service("scheduler = \"" + std::string(word) + "\";")).services.at(0).scheduler,
              scheduler);
}

TEST(Parse, DipsWithoutGroupsAreOneGroupNamedDefault) {
  const Model model =
      parsed(with_dips("{ address = \"10.1.0.11\"; weight = 2; },\n{ address = \"10.1.0.12\"; }"));
  ASSERT_EQ(model.services.size(), 1u);
  const std::vector<Group> expected = {
      {"default", 0, {{address("10.1.0.11"), 0, 2}, {address("10.1.0.12"), 0, 1}}}};
  EXPECT_EQ(model.services[0].groups, expected);
}

TEST(Parse, ADipMayCarryItsPortInTheAddress) {
  const Model model =
      parsed(with_dips("{ address = \"10.1.0.11:8080\"; }, { address = \"[2001:db8::1]:8081\"; },\n"
                       "{ port = 8082; address = \"10.1.0.11:8082\"; }"));
  ASSERT_EQ(model.services.size(), 1u);
  const std::vector<Dip> expected = {
      {address("10.1.0.11"), 8080, 1}, {address("2001:db8::1"), 8081, 1}, {address("10.1.0.11"), 8082, 1}};
  EXPECT_EQ(model.services[0].groups.at(0).dips, expected);
}

TEST(Parse, ADipOnTheServicesOwnPortIsTheDipWithoutAPort) {
  EXPECT_EQ(parsed(with_dips("{ address = \"10.1.0.11:80\"; }")),
            parsed(with_dips("{ address = \"10.1.0.11\"; }")));
}

TEST(Parse, AServiceWithoutDipsIsAllowed) {
  EXPECT_TRUE(parsed(with_service("port = 80;")).services.at(0).groups.empty());
  EXPECT_TRUE(parsed(with_service("port = 80; dips = ();")).services.at(0).groups.at(0).dips.empty());
}

TEST(Parse, ADipMayBeInSeveralGroupsAndServices) {
  const std::string dips = "dips = ( { address = \"10.1.0.11\"; } ); ";
  const std::string groups = "groups = ( { name = \"a\"; " + dips + "}, { name = \"b\"; " + dips + "} ); ";
  EXPECT_EQ(parsed(with_services("{ name = \"a\"; vip = \"203.0.113.10\"; " + groups +
                                 "},\n{ name = \"b\"; vip = \"203.0.113.11\"; " + groups + '}'))
                .services.size(),
            2u);
}

TEST(Parse, AGatewayMacMakesAnyGatewayGood) {
  EXPECT_EQ(parsed(with_port("gateway = \"10.9.9.9\"; gateway_mac = \"02:00:00:00:00:01\";"))
                .dataplane.ports.size(),
            1u);
}

TEST(Parse, ServicesAndDipsRememberTheirLines) {
  const Model model =
      parsed(with_dips("{ address = \"10.1.0.11\"; },\n\n/* a\n comment */ { address = \"10.1.0.12\"; }"));
  ASSERT_EQ(model.services.size(), 1u);
  EXPECT_EQ(model.services[0].line, 3u);
  EXPECT_EQ(model.services[0].groups.at(0).dips.at(0).line, 5u);
  EXPECT_EQ(model.services[0].groups.at(0).dips.at(1).line, 8u);
}

TEST(Parse, CommentsWindowsLinesAndAByteOrderMarkDoNoHarm) {
  std::string text =
      "\xef\xbb\xbf# hash\n// slashes\n/* stars { \" */ " +
      with_control("log_level = // now\n \"debug\"; metrics = \"\"; # \"{(\n socket = \"/a//b#c/*d\";");
  std::string windows;
  for (const char c : text) (windows += c == '\n' ? "\r" : "") += c;
  EXPECT_EQ(parsed(text).control.log_level, "debug");
  EXPECT_EQ(parsed(text).control.socket, "/a//b#c/*d");
  EXPECT_EQ(parsed(windows), parsed(text));
}

TEST(Parse, NumbersMayBeHexSignedOrLong) {
  EXPECT_EQ(parsed(with_service("port = 0x50;")).services.at(0).port, 80);
  EXPECT_EQ(parsed(with_service("port = +80;")).services.at(0).port, 80);
  EXPECT_EQ(parsed(with_service("port = 80L;")).services.at(0).port, 80);
  EXPECT_EQ(parsed(with_service("port = 080;")).services.at(0).port, 80);
}

TEST(Parse, TenThousandServicesAreReadAndJudged) {
  std::string services;
  for (int i = 0; i < 10000; ++i) {
    const std::string tail = std::to_string(i / 250) + '.' + std::to_string(i % 250 + 1);
    services += std::string(i == 0 ? "" : ",\n") + "{ name = \"s" + std::to_string(i) +
                "\"; vip = \"198.18." + tail + "\"; port = 80; dips = ( { address = \"10.1." + tail +
                "\"; }, { address = \"10.2." + tail + "\"; } ); }";
  }
  EXPECT_EQ(parsed(with_services(services)).services.size(), 10000u);
  EXPECT_EQ(problems_of(with_services(services + ",\n{ name = \"s9\"; vip = \"198.19.0.1\"; }")),
            std::vector<std::string>{
                "f:10003: name = \"s9\" is given already at line 12; give each service its own name"});
}

TEST(Parse, MorePortsThanCountersAreRefused) {
  std::string ports;
  for (int i = 0; i < 17; ++i) {
    const std::string n = std::to_string(i);
    ports += std::string(i == 0 ? "" : ", ") + "{ name = \"p" + n + "\"; device = \"d" + n + "\"; }";
  }
  EXPECT_EQ(problems_of(with_dataplane(kWorkers + "\nports = ( " + ports + " );")),
            std::vector<std::string>{"f:3: 17 ports are too many; at most 16 have room"});
}

class ParseFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "sluice-config-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = directory_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
  }
  std::string path(const std::string& name) const { return (directory_ / name).string(); }
  std::vector<std::string> problems(const std::string& file) {
    std::vector<std::string> lines;
    for (const Problem& problem : parse_file(file).problems) lines.push_back(to_string(problem));
    return lines;
  }

  std::filesystem::path directory_;
};

using Lines = std::vector<std::string>;

TEST_F(ParseFiles, AFileThatIsNotThereIsNamed) {
  EXPECT_EQ(problems(path("none.conf")),
            Lines{path("none.conf") +
                  ": cannot be read (No such file or directory); name a file that exists and may be read"});
}

TEST_F(ParseFiles, ADirectoryIsNoFile) {
  EXPECT_EQ(problems(directory_.string()),
            Lines{directory_.string() + ": cannot be read (Is a directory); name a file "
                                        "that exists and may be read"});
}

TEST_F(ParseFiles, AnEndlessFileIsRefused) {
  EXPECT_EQ(problems("/dev/zero"),
            Lines{"/dev/zero: makes the configuration longer than 64 MiB; name a file of libconfig text"});
}

TEST_F(ParseFiles, AnIncludeIsReadRelativeToItsFileAndKeepsItsLines) {
  write("more/dip.conf", "{ address = \"10.1.0.11\"; }");
  write("more/services.conf",
        "services: (\n  { name = \"web\"; vip = \"203.0.113.10\"; },\n  { name = \"dns\"; vip = "
        "\"203.0.113.11\"; }\n);");
  const std::string file =
      write("main.conf", after_dataplane("  @include \"more/services.conf\"\ncontrol: {};\n"));
  const Result result = parse_file(file);
  ASSERT_EQ(problems(file), Lines{});
  EXPECT_EQ(result.model->services.at(1).name, "dns");
  EXPECT_EQ(result.model->services.at(1).line, 3u);
}

TEST_F(ParseFiles, ProblemsOfAnIncludedFileNameThatFileAndTheLineOfTheOther) {
  write("control.conf", "# first line\nlog_level = \"loud\";\n");
  write("ports.conf",
        "\nports = ( { name = \"up\"; device = \"d0\";\n address = [ \"203.0.113.10/24\" ]; } );\n");
  const std::string file = write("main.conf",
                                 "control: {\n  @include \"control.conf\"\n  metrics = \"x\";\n};\n"
                                 "dataplane: {\n@include \"ports.conf\"\nworkers = ( { lcore = 1; } ); };\n"
                                 "services: ( { name = \"a\"; vip = \"203.0.113.20\"; dips = ( { address = "
                                 "\"203.0.113.10\"; } ); } );\n");
  EXPECT_EQ(
      problems(file),
      (Lines{
          path("control.conf") +
              ":2: log_level = \"loud\" is unknown; write one of: trace, debug, info, warn, error",
          file +
              ":3: metrics = \"x\" is not ADDRESS:PORT; write one as in \"127.0.0.1:9107\" or \"[::1]:9107\"",
          file + ":8: the DIP 203.0.113.10 is the MUX's own address; write the server's"}));
}

TEST_F(ParseFiles, TwiceInTwoFilesNamesBoth) {
  write("more.conf", "kernel_interface = \"sluice0\"; } );\n");
  write("ports.conf",
        "ports = ( { name = \"a\"; device = \"d0\"; },\n { name = \"b\";\n device = \"d0\"; } );\n");
  write("workers.conf", "workers = ( { lcore = 1; } );");
  const std::string file =
      write("main.conf", "dataplane: {\n@include \"workers.conf\"\n@include \"ports.conf\"\n};\n");
  EXPECT_EQ(problems(file),
            Lines{path("ports.conf") +
                  ":3: device = \"d0\" is given already at line 1; give each port its own device"});
}

TEST_F(ParseFiles, AnIncludeThatIsNotThereIsAnErrorOfTheLineThatAsks) {
  const std::string file = write("main.conf", "control: {\n  @include \"none.conf\"\n};\n");
  EXPECT_EQ(problems(file),
            Lines{file + ":2: the included file " + path("none.conf") +
                  " cannot be read (No such file or directory); name a file that exists and may be read"});
}

TEST_F(ParseFiles, AnIncludeOfADirectoryDoesNotEndTheProcess) {
  const std::string file = write("main.conf", "@include \"/\"\n");
  EXPECT_EQ(problems(file),
            Lines{file + ":1: the included file / cannot be read (Is a directory); name a file that "
                         "exists and may be read"});
}

TEST_F(ParseFiles, AnIncludeOfItselfEnds) {
  const std::string file = write("main.conf", "# again\n@include \"main.conf\"\n");
  EXPECT_EQ(problems(file), Lines{file + ":2: files include each other more than 10 deep; does " + file +
                                  " include itself?"});
}

TEST_F(ParseFiles, TenIncludesDeepAreReadAndElevenAreNot) {
  auto chain = [this](int depth) {
    for (int i = 0; i < depth; ++i)
      write(std::to_string(i) + ".conf", "@include \"" + std::to_string(i + 1) + ".conf\"\n");
    write(std::to_string(depth) + ".conf", after_dataplane(""));
    return problems(path("0.conf"));
  };
  EXPECT_EQ(chain(10), Lines{});
  EXPECT_EQ(chain(11), Lines{path("10.conf") + ":1: files include each other more than 10 deep; does " +
                             path("11.conf") + " include itself?"});
}

TEST_F(ParseFiles, AnIncludeWithoutAQuotedNameIsRefused) {
  const std::string file = write("main.conf", "@include more.conf\n");
  EXPECT_EQ(problems(file),
            Lines{file + ":1: @include needs a file name in quotes, as in @include \"services.conf\""});
}

TEST_F(ParseFiles, AnIncludeInsideAListIsRefused) {
  const std::string file = write("main.conf", "services: (\n@include \"web.conf\"\n);\n");
  EXPECT_EQ(
      problems(file),
      Lines{
          file +
          ":2: @include stands inside a list or a setting; include whole settings, as in services: ( … );"});
}

TEST_F(ParseFiles, AnIncludeMayNotCloseWhatItDidNotOpen) {
  write("more.conf", "metrics = \"\";\n};\n");
  const std::string file = write("main.conf", "control: {\n@include \"more.conf\"\n");
  EXPECT_EQ(problems(file),
            Lines{path("more.conf") + ":2: this } closes nothing in this file; brackets may not span files"});
}

TEST_F(ParseFiles, AKeyGivenInTwoFilesNamesBoth) {
  write("more.conf", "\nmetrics = \"\";\n");
  const std::string file = write("main.conf", "control: {\n@include \"more.conf\"\nmetrics = \"\"; };\n");
  EXPECT_EQ(problems(file), Lines{file + ":3: metrics is given already at line 2 of " + path("more.conf") +
                                  "; keep one of the two"});
}

TEST(AddressPort, IsReadAndPrinted) {
  for (const char* text : {"10.1.0.11", "10.1.0.11:8080", "2001:db8::1", "[2001:db8::1]:65535"}) {
    const auto value = parse_address_port(text);
    ASSERT_TRUE(value.has_value()) << text;
    EXPECT_EQ(to_string(*value), text);
  }
  for (const char* text :
       {"", ":", "10.1.0.11:", "10.1.0.11:0", "10.1.0.11:65536", "10.1.0.11:80x", "[10.1.0.11]:80",
        "[2001:db8::1]", "[2001:db8::1]:", "[2001:db8::1:80", "dip1:80", "10.1.0.11:+80"})
    EXPECT_FALSE(parse_address_port(text).has_value()) << text;
}

TEST(Words, ReadBackWhatTheyPrint) {
  for (const auto& each : words<Scheduler>())
    EXPECT_EQ(from_word<Scheduler>(to_word(each.value)), each.value);
  for (const auto& each : words<HealthType>())
    EXPECT_EQ(from_word<HealthType>(to_word(each.value)), each.value);
  EXPECT_EQ(list_words<AtDeadline>(), "timeout, reset, keep");
  EXPECT_FALSE(from_word<Protocol>("TCP").has_value());
}

}  // namespace
}  // namespace sluice::config::test
