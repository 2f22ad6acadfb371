// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Bad input: the grammar, the section control, and several slips at once.
#include "tests/unit/config/bad_input.h"

namespace sluice::config::test {
namespace {

TEST_P(BadInput, IsAnsweredWordByWord) {
  const Result result = parse_text(GetParam().text, "f");
  EXPECT_FALSE(result.model.has_value());
  std::vector<std::string> lines;
  for (const Problem& problem : result.problems) lines.push_back(to_string(problem));
  EXPECT_EQ(lines, GetParam().problems);
}

std::string many_keys(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text.append("k").append(std::to_string(i)).append(" = 1;\n");
  return text;
}

const Case kGrammar[] = {
    {"an empty file", "", {"f:1: " + kNoPorts, "f:1: " + kNoWorkers}},
    {"a setting without a value",
     "control: {\n socket = ;\n};\n",
     {"f:2: a value is missing after socket =; a setting is NAME = VALUE;"}},
    {"two equals signs", "a = = 1;", {"f:1: a value is missing after a =; a setting is NAME = VALUE;"}},
    {"prose", "Hello, world!\n", {"f:1: = is missing after Hello; a setting is NAME = VALUE;"}},
    {"a value where a key belongs",
     "control: {\n \"socket\" = 1; };\n",
     {"f:2: \"socket\" is not the name of a key; a setting is NAME = VALUE;"}},
    {"two semicolons", "control: { };\n;\n", {"f:2: ; is not the name of a key; a setting is NAME = VALUE;"}},
    {"two values", "a = 1 2;", {"f:1: 2 stands behind the value of a; end a setting with ;"}},
    {"a word without quotes",
     with_service("protocol = tcp;"),
     {"f:4: tcp is a word without quotes; write \"tcp\", or true or false"}},
    {"a file that ends in a setting",
     "control: { };\n\nservices =\n\n",
     {"f:3: a value is missing after services =; a setting is NAME = VALUE;"}},
    {"a number with letters",
     with_service("port = 80tcp;"),
     {"f:4: 80tcp is not a number; write digits, or text in quotes"}},
    {"an exponent that is none",
     with_service("port = 59ex091;"),
     {"f:4: 59ex091 is not a number; write digits, or text in quotes"}},
    {"an address without quotes",
     with_services("{ name = \"web\"; vip = 203.0.113.10; }"),
     {"f:3: 203.0.113.10 is not a number; write digits, or text in quotes"}},
    {"a path without quotes",
     with_control("socket = /run/s;"),
     {"f:3: \"/\" has no meaning here; put text in quotes"}},
    {"an include in the middle of a line",
     "control: { @include \"a\" };\n",
     {"f:1: @ has a meaning in @include only, at the beginning of a line; put text in quotes"}},
    {"a list that begins with a comma",
     "services: ( , );\n",
     {"f:1: a value is missing before ,; write one or remove the comma"}},
    {"a group in a list of values",
     with_dataplane("ports = [ { name = \"up\"; } ];"),
     {"f:2: { stands inside [ ], which holds plain values; write ( ) around a list of groups"}},
    {"more keys than any section has",
     many_keys(1001),
     {"f:1001: a group has more than 1000 keys; no section has as many"}},
    {"a quotation that is not closed",
     "control: {\n socket = \"/run/s;\n};\n",
     {"f:2: a quotation is not closed on its line; end it with \""}},
    {"a comment that never ends",
     "a = 1;\n/* so\n on\n",
     {"f:2: the comment that begins here never ends; close it with */"}},
    {"a bracket that is not closed",
     "control: {\n socket = \"/run/s\";\n",
     {"f:1: the { that opens here is never closed; add the bracket that closes it"}},
    {"a bracket that closes another kind",
     "services: (\n { name = \"a\"; ) }\n",
     {"f:2: this ) cannot close the { of line 2; write }"}},
    {"a bracket that closes nothing",
     "a = 1;\n};\n",
     {"f:2: this } closes nothing; remove it or open it before"}},
    {"a comma before the end of a list",
     with_dips("{ address = \"10.1.0.11\"; },"),
     {"f:5: a comma stands before ); remove it"}},
    {"a comma missing between groups",
     with_dips("{ address = \"10.1.0.11\"; }\n{ address = \"10.1.0.12\"; }"),
     {"f:6: a comma is missing before {; the elements of a list are separated by commas"}},
    {"brackets without end",
     "a = " + std::string(40, '('),
     {"f:1: brackets are nested deeper than 32; no key needs that"}},
    {"a number that no computer holds",
     with_service("port = 99999999999999999999;"),
     {"f:4: the number 99999999999999999999 is too large for any key; write a smaller one"}},
    {"a zero byte", std::string("a = 1;\n\0", 8), {"f:2: a zero byte; a configuration is plain text"}},
    {"a key given twice",
     "control: {\n socket = \"/run/s\";\n socket = \"/run/t\";\n};\n",
     {"f:3: socket is given already at line 2; keep one of the two"}},
    {"a list of numbers and text",
     with_dataplane("eal = [ \"-m\", 512 ];"),
     {"f:2: 512 is of another type than the values before it in [ ]; make them all texts or all numbers"}},
    {"an include in text that came from elsewhere",
     "@include \"/etc/passwd\"\n",
     {"f:1: @include works in files only; put the text itself here"}},
};

const Case kControl[] = {
    {"an unknown section",
     after_dataplane("service: ();"),
     {"f:2: unknown key \"service\"; the nearest one that the file has is \"services\""}},
    {"an unknown key of control",
     with_control("sockt = \"/run/s\";"),
     {"f:3: unknown key \"sockt\"; the nearest one that control has is \"socket\""}},
    {"a section that is a number",
     after_dataplane("control = 1;"),
     {"f:2: control is a number; write a group, as in { … }"}},
    {"a socket that is a number",
     with_control("socket = 1;"),
     {"f:3: socket is a number; write an absolute path in quotes"}},
    {"a relative socket",
     with_control("socket = \"s.sock\";"),
     {"f:3: socket = \"s.sock\" is not the path of a socket; write one that begins with / and ends with a "
      "name"}},
    {"a socket path that no kernel takes",
     with_control("socket = \"/" + std::string(107, 's') + "\";"),
     {"f:3: socket is 108 bytes long; write a path of at most 107"}},
    {"a mode as a number",
     with_control("socket_mode = 0660;"),
     {"f:3: socket_mode is a number; write an octal mode from 000 to 777 in quotes, as in \"0660\""}},
    {"a mode that is not octal",
     with_control("socket_mode = \"0680\";"),
     {"f:3: socket_mode = \"0680\" is not an octal mode from 000 to 777; write one as in \"0660\""}},
    {"a group with a blank",
     with_control("admin_group = \"net admin\";"),
     {"f:3: admin_group = \"net admin\" holds a blank; remove it"}},
    {"a metrics endpoint without a port",
     with_control("metrics = \"127.0.0.1\";"),
     {"f:3: metrics = \"127.0.0.1\" is not ADDRESS:PORT; write one as in \"127.0.0.1:9107\" or "
      "\"[::1]:9107\""}},
    {"a fence command without a path",
     with_control("fence_command = [ \"fence\" ];"),
     {"f:3: fence_command begins with \"fence\"; write the whole path of a program, as in "
      "\"/usr/local/sbin/fence\""}},
    {"a fence command as one text",
     with_control("fence_command = \"/bin/fence --now\";"),
     {"f:3: fence_command is text; write a list, as in [ \"/usr/local/sbin/fence\" ]"}},
    {"a route table that is the kernel's own",
     with_control("route_table = 255;"),
     {"f:3: route_table = 255 is the kernel's own table of local addresses; write another, as in 202"}},
    {"a route protocol of a routing daemon",
     with_control("route_protocol = 12;"),
     {"f:3: route_protocol = 12 is that of a routing daemon; write another, as in 202"}},
    {"a route protocol that marks something else of Sluice",
     with_control("route_protocol = 201;"),
     {"f:3: route_protocol = 201 is that of Sluice's own default routes; write another, as in 202"}},
    {"an unknown end of a stuck worker",
     with_control("on_stall = \"reboot\";"),
     {"f:3: on_stall = \"reboot\" is unknown; write one of: exit, abort, log"}},
    {"a state file without a directory",
     with_control("state_file = \"state\";"),
     {"f:3: state_file = \"state\" is not the path of a file; write one that begins with / and ends with a "
      "name, \"auto\", or \"\""}},
    {"a capability that the kernel does not know",
     with_control("capabilities = \"auto net_adm\";"),
     {"f:3: capabilities = \"auto net_adm\": there is no capability \"net_adm\"; write names as in "
      "capabilities(7), as "
      "in \"auto net_bind_service\""}},
    {"a user of two words",
     with_control("user = \"load balancer\";"),
     {"f:3: user = \"load balancer\" holds a blank; remove it"}},
    {"an unknown answer to a system call",
     with_control("seccomp = \"on\";"),
     {"f:3: seccomp = \"on\" is unknown; write one of: kill, log, off"}},
    {"an unknown log level",
     with_control("log_level = \"loud\";"),
     {"f:3: log_level = \"loud\" is unknown; write one of: trace, debug, info, warn, error"}},
};

const Case kMany[] = {
    {"several slips in one file, in the order of the lines",
     "control: {\n  log_level = \"loud\";\n};\ndataplane: {\n  slots = 6;\n  " + kPorts + "\n  " + kWorkers +
         "\n};\nservices: (\n  { name = \"web\"; vip = \"nowhere\"; port = 70000;\n    dips = ( { address = "
         "\"10.1.0.1\"; "
         "wieght = 2; } ); }\n);\n",
     {"f:2: log_level = \"loud\" is unknown; write one of: trace, debug, info, warn, error",
      "f:5: slots = 6 is out of range; write 7 to 4294967",
      "f:10: vip = \"nowhere\" is not an address or a prefix without host bits; write one as in "
      "\"203.0.113.10\"",
      "f:10: port = 70000 is out of range; write 0 to 65535",
      "f:11: unknown key \"wieght\"; the nearest one that a DIP has is \"weight\""}},
    {"two bad VIPs which are not the same VIP for that",
     with_services("{ name = \"a\"; vip = \"x\"; },\n{ name = \"b\"; vip = \"y\"; }"),
     {"f:3: vip = \"x\" is not an address or a prefix without host bits; write one as in \"203.0.113.10\"",
      "f:4: vip = \"y\" is not an address or a prefix without host bits; write one as in \"203.0.113.10\""}},
    {"a bad protocol which is not tcp for that",
     with_services("{ name = \"a\"; vip = \"203.0.113.10\"; port = 53; },\n{ name = \"b\"; vip = "
                   "\"203.0.113.10\"; port "
                   "= 53;\nprotocol = \"udb\"; }"),
     {"f:5: protocol = \"udb\" is unknown; write one of: tcp, udp, sctp, icmp, esp, ah, any"}},
    {"a bad subnet which does not make the gateway wrong",
     with_port("address = [ \"10.0.0.10/240\" ];\ngateway = \"10.0.0.1\";"),
     {"f:3: address = \"10.0.0.10/240\" is not an address with the length of its subnet; write one as in "
      "\"10.0.0.10/24\""}},
};

INSTANTIATE_TEST_SUITE_P(Grammar, BadInput, testing::ValuesIn(kGrammar), test_name);
INSTANTIATE_TEST_SUITE_P(Control, BadInput, testing::ValuesIn(kControl), test_name);
INSTANTIATE_TEST_SUITE_P(Many, BadInput, testing::ValuesIn(kMany), test_name);

}  // namespace
}  // namespace sluice::config::test
