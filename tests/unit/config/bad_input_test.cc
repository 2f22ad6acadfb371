// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What an operator may get wrong, and every word of what Sluice answers.
#include <gtest/gtest.h>

#include <cctype>

#include "tests/unit/config/text.h"

namespace sluice::config::test {
namespace {

struct Case {
  std::string sentence, text;
  std::vector<std::string> problems;
};

void PrintTo(const Case& bad, std::ostream* out) {
  *out << bad.sentence;
}

std::string test_name(const testing::TestParamInfo<Case>& info) {
  std::string name;
  for (const char c : info.param.sentence) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

class BadInput : public testing::TestWithParam<Case> {};

TEST_P(BadInput, IsAnsweredWordByWord) {
  const Result result = parse_text(GetParam().text, "f");
  EXPECT_FALSE(result.model.has_value());
  std::vector<std::string> lines;
  for (const Problem& problem : result.problems) lines.push_back(to_string(problem));
  EXPECT_EQ(lines, GetParam().problems);
}

const std::string kNoPorts =
    "the dataplane has no ports; add one, as in ports = ( { name = \"uplink\"; device = "
    "\"net_af_packet0,iface=eth1\"; } );";
const std::string kNoWorkers = "the dataplane has no workers; add one, as in workers = ( { lcore = 1; } );";
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

const std::string kWithIips =
    "dataplane: { ports = ( { name = \"up\"; device = \"d\"; address = [ \"10.0.0.10/24\" ]; "
    "kernel_interface = "
    "\"s\"; } );\n" +
    kWorkers + " };\n";

const Case kIips[] = {
    {"an IIP without an address",
     kWithIips + "iips: (\n{ } );",
     {"f:4: an IIP has no address; add one, as in address = \"10.0.0.100/24\";"}},
    {"an IIP that is no address",
     kWithIips + "iips: (\n{ address = \"10.0.0\"; } );",
     {"f:4: address = \"10.0.0\" is not an address, alone or with the length of its subnet; write one as in "
      "\"10.0.0.100/24\""}},
    {"an IIP that no host can have",
     kWithIips + "iips: (\n{ address = \"224.0.0.1\"; } );",
     {"f:4: address = \"224.0.0.1\" is a multicast address; write an address that one host has"}},
    {"an IIP given twice",
     kWithIips + "iips: (\n{ address = \"10.0.0.100\"; },\n{ address = \"10.0.0.100/24\"; } );",
     {"f:5: the IIP 10.0.0.100 is given already at line 4; keep one"}},
    {"an IIP that is a port's own",
     kWithIips + "iips: (\n{ address = \"10.0.0.10\"; } );",
     {"f:4: the IIP 10.0.0.10 is the own address of port up, which it has without more; write another"}},
    {"an IIP that is a VIP",
     kWithIips + "services: ( { name = \"web\"; vip = \"10.0.0.96/28\"; } );\niips: (\n{ address = "
                 "\"10.0.0.100\"; } );",
     {"f:5: the IIP 10.0.0.100 is a VIP, of service web; write an address of the subnet between routers and "
      "MUXes"}},
    {"an IIP that is a DIP",
     kWithIips + "iips: ( { address = \"10.0.0.100\"; } );\nservices: ( { name = \"web\"; vip = "
                 "\"203.0.113.1\"; dips = (\n{ "
                 "address = \"10.0.0.100\"; } ); } );",
     {"f:5: the DIP 10.0.0.100 is the MUX's own address; write the server's"}},
    {"an IIP on a port without a kernel",
     after_dataplane("iips: (\n{ address = \"10.0.0.100\"; } );"),
     {"f:3: the IIP 10.0.0.100 needs a port with a kernel_interface, through which it is answered for; give "
      "one"}},
    {"an IIP on a port that is not there",
     kWithIips + "iips: (\n{ address = \"10.0.0.100\"; port = \"down\"; } );",
     {"f:4: port = \"down\" is no port of the dataplane; write one of: up"}},
};

std::string with_pool(const std::string& keys, const std::string& members, const std::string& more = "") {
  return kWithIips + "pool: { name = \"edge\"; " + keys + "\n members = (" + members + "); };\n" + more;
}
const std::string kSecret = "secret = \"0123456789abcdef\";";
const std::string kSelf = "{ name = \"mux1\"; address = \"10.0.0.10\"; }";

const Case kPool[] = {
    {"a pool without members",
     kWithIips + "pool: { name = \"edge\"; " + kSecret + " };",
     {"f:3: a pool has no members; add one, as in members = ( { name = \"mux1\"; address = \"10.0.0.11\"; } "
      ");"}},
    {"a secret that can be guessed",
     with_pool("secret = \"x\";", kSelf),
     {"f:3: secret has 1 characters; write 16 to 256, as from `openssl rand -hex 32`"}},
    {"a pool in which this MUX is not",
     with_pool(kSecret, "{ name = \"mux2\"; address = \"10.0.0.12\"; }"),
     {"f:3: no member, or more than one, has an address that a port of this MUX has; say which it is, as in "
      "member = \"mux1\";"}},
    {"a pool whose own member is none",
     with_pool(kSecret + " member = \"mux9\";", kSelf),
     {"f:3: member = \"mux9\" is not among the members; add it, or name one of them"}},
    {"two members of one name",
     with_pool(kSecret, kSelf + ",\n{ name = \"mux1\"; address = \"10.0.0.12\"; }"),
     {"f:5: name = \"mux1\" is given already at line 4; give each member its own name"}},
    {"two members with one address",
     with_pool(kSecret + " member = \"mux1\";", kSelf + ",\n{ name = \"mux2\"; address = \"10.0.0.10\"; }"),
     {"f:5: address = \"10.0.0.10\" is given already at line 4; give each member its own address"}},
    {"members of both families",
     with_pool(kSecret, kSelf + ",\n{ name = \"mux2\"; address = \"2001:db8::1\"; }"),
     {"f:5: the member mux2 has an address of another family than the first; adverts go from one address to "
      "all "
      "others"}},
    {"an IIP whose home is no member",
     with_pool(kSecret, kSelf, "iips: ( { address = \"10.0.0.100\"; home = \"mux3\"; } );"),
     {"f:5: home = \"mux3\" is no member of the pool; write the name of one, or leave it out"}},
};

const Case kDataplane[] = {
    {"no ports", with_dataplane(kWorkers), {"f:1: " + kNoPorts}},
    {"no workers", with_dataplane(kPorts), {"f:1: " + kNoWorkers}},
    {"empty lists of ports and workers",
     with_dataplane("ports = ();\nworkers = ();"),
     {"f:2: " + kNoPorts, "f:3: " + kNoWorkers}},
    {"EAL arguments as one text",
     with_dataplane("eal = \"--no-pci\";\n" + kPorts + kWorkers),
     {"f:2: eal is text; write a list, as in [ \"--in-memory\" ]"}},
    {"an EAL argument that is a number",
     with_dataplane("eal = ( \"-m\",\n 512 );\n" + kPorts + kWorkers),
     {"f:3: eal is a number; write an argument for EAL in quotes, as in \"--in-memory\""}},
    {"an empty EAL argument",
     with_dataplane("eal = [ \"\" ];\n" + kPorts + kWorkers),
     {"f:2: an argument of eal is empty; write something between the quotes"}},
    {"an unknown idle policy",
     with_dataplane("idle = \"lazy\";\n" + kPorts + kWorkers),
     {"f:2: idle = \"lazy\" is unknown; write one of: adaptive, busy"}},
    {"a hash key that is too short",
     with_dataplane("hash_key = \"6d5a\";\n" + kPorts + kWorkers),
     {"f:2: hash_key = \"6d5a\" is not 40 bytes in hex (80 digits) or empty; write one as in "
      "\"6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa\""}},
    {"a hash key of zeros",
     with_dataplane("hash_key = \"" + std::string(80, '0') + "\";\n" + kPorts + kWorkers),
     {"f:2: hash_key is all zeros, which sends every flow to one slot; write random bytes, or \"\" for a "
      "random key"}},
    {"slots that are no prime",
     with_dataplane("slots = 65536;\n" + kPorts + kWorkers),
     {"f:2: slots = 65536 is not a prime; the nearest one is 65537"}},
    {"slots just above a prime",
     with_dataplane("slots = 8;\n" + kPorts + kWorkers),
     {"f:2: slots = 8 is not a prime; the nearest one is 7"}},
    {"too few slots",
     with_dataplane("slots = 5;\n" + kPorts + kWorkers),
     {"f:2: slots = 5 is out of range; write 7 to 4294967"}},
    {"too many slots",
     with_dataplane("slots = 4294968;\n" + kPorts + kWorkers),
     {"f:2: slots = 4294968 is out of range; write 7 to 4294967"}},
    {"slots with a fraction",
     with_dataplane("slots = 65537.0;\n" + kPorts + kWorkers),
     {"f:2: slots is a number with a fraction; write a number from 7 to 4294967"}},
    {"a worker without an lcore",
     with_dataplane(kPorts + "\nworkers = (\n{ tier1 = true; } );"),
     {"f:4: a worker has no lcore; add one, as in lcore = 1;"}},
    {"an lcore that DPDK does not have",
     with_dataplane(kPorts + "\nworkers = ( { lcore = 128; } );"),
     {"f:3: lcore = 128 is out of range; write 0 to 127"}},
    {"two workers on one lcore",
     with_dataplane(kPorts + "\nworkers = ( { lcore = 1; },\n{ lcore = 2; },\n { lcore = 1; } );"),
     {"f:5: lcore = 1 is given already at line 3; give each worker its own lcore"}},
    {"a tier that is a number",
     with_dataplane(kPorts + "\nworkers = ( { lcore = 1; tier1 = 1; } );"),
     {"f:3: tier1 is a number; write true or false, without quotes"}},
    {"nobody for tier 1",
     with_dataplane(kPorts + "\nworkers = ( { lcore = 1; tier1 = false; } );"),
     {"f:3: no worker carries tier 1; set tier1 = true for at least one"}},
    {"nobody for tier 2",
     with_dataplane(kPorts + "\nworkers = ( { lcore = 1; tier2 = false; } );"),
     {"f:3: no worker carries tier 2; set tier2 = true for at least one"}},
    {"a worker without a tier",
     with_dataplane(kPorts +
                    "\nworkers = ( { lcore = 1; },\n { lcore = 2; tier1 = false; tier2 = false; } );"),
     {"f:4: worker 2 has neither tier; set tier1 or tier2 to true, or remove it"}},
};

const Case kPort[] = {
    {"ports as one group",
     with_dataplane("ports = { name = \"up\"; };\n" + kWorkers),
     {"f:2: ports is a group; write a list of groups, as in ( { … } )"}},
    {"a port that is text",
     with_dataplane("ports = (\n\"net_null0\" );\n" + kWorkers),
     {"f:3: an element of ports is text; write a group, as in { … }"}},
    {"a port without name and device",
     with_dataplane("ports = ( { mtu = 1500; } );\n" + kWorkers),
     {"f:2: a port has no name; add one, as in name = \"uplink\";",
      "f:2: a port has no device; add one, as in device = \"net_af_packet0,iface=eth1\";"}},
    {"a port with a blank in its name",
     with_dataplane("ports = ( { name = \"up link\"; device = \"net_null0\"; } );\n" + kWorkers),
     {"f:2: name = \"up link\" is no name; write 1 to 63 letters, digits, '.', '_' or '-', and not '-' "
      "first"}},
    {"an empty device",
     with_dataplane("ports = ( { name = \"up\"; device = \"\"; } );\n" + kWorkers),
     {"f:2: device is empty; write something between the quotes"}},
    {"a port name given twice",
     with_dataplane(
         "ports = ( { name = \"up\"; device = \"net_null0\"; },\n\n{ name = \"up\"; device = \"net_null1\"; "
         "} );\n" +
         kWorkers),
     {"f:4: name = \"up\" is given already at line 2; give each port its own name"}},
    {"a device given twice",
     with_dataplane(
         "ports = ( { name = \"a\"; device = \"net_null0\"; },\n{ name = \"b\"; device = \"net_null0\"; } "
         ");\n" +
         kWorkers),
     {"f:3: device = \"net_null0\" is given already at line 2; give each port its own device"}},
    {"a kernel interface given twice",
     with_dataplane(
         "ports = ( { name = \"a\"; device = \"d0\"; kernel_interface = \"sluice0\"; },\n{ name = \"b\"; "
         "device = \"d1\"; kernel_interface = \"sluice0\"; } );\n" +
         kWorkers),
     {"f:3: kernel_interface = \"sluice0\" is given already at line 2; give each port its own interface"}},
    {"an own address given twice",
     with_port("address = [ \"10.0.0.10/24\",\n\"10.0.0.10/16\" ];"),
     {"f:4: address = \"10.0.0.10\" is given already at line 3; keep one"}},
    {"an own address without its subnet",
     with_port("address = [ \"10.0.0.10\" ];"),
     {"f:3: address = \"10.0.0.10\" is not an address with the length of its subnet; write one as in "
      "\"10.0.0.10/24\""}},
    {"an own address in a subnet that is too long",
     with_port("address = [ \"10.0.0.10/33\" ];"),
     {"f:3: address = \"10.0.0.10/33\" is not an address with the length of its subnet; write one as in "
      "\"10.0.0.10/24\""}},
    {"an own address as plain text",
     with_port("address = \"10.0.0.10/24\";"),
     {"f:3: address is text; write a list, as in [ \"10.0.0.10/24\" ]"}},
    {"a loopback address as own",
     with_port("address = [ \"127.0.0.1/8\" ];"),
     {"f:3: address = \"127.0.0.1\" is a loopback address; write an address that one host has"}},
    {"a gateway outside of all subnets",
     with_port("address = [ \"10.0.0.10/24\" ];\ngateway = \"10.0.1.1\";"),
     {"f:4: gateway = \"10.0.1.1\" is in none of the port's subnets; write a router that is, add its subnet "
      "to "
      "address, or give gateway_mac"}},
    {"an IPv6 gateway outside of all subnets",
     with_port("address = [ \"2001:db8::10/64\" ];\ngateway6 = \"2001:db8:0:1::1\";"),
     {"f:4: gateway6 = \"2001:db8:0:1::1\" is in none of the port's subnets; write a router that is, add its "
      "subnet to "
      "address, or give gateway_mac"}},
    {"a gateway that is the MUX itself",
     with_port("address = [ \"10.0.0.10/24\" ];\ngateway = \"10.0.0.10\";"),
     {"f:4: gateway = \"10.0.0.10\" is the MUX's own address; write the router's"}},
    {"an IPv6 address as IPv4 gateway",
     with_port("gateway = \"2001:db8::1\";"),
     {"f:3: gateway = \"2001:db8::1\" is not an IPv4 address; write one as in \"10.0.0.1\""}},
    {"an IPv4 address as IPv6 gateway",
     with_port("gateway6 = \"10.0.0.1\";"),
     {"f:3: gateway6 = \"10.0.0.1\" is not an IPv6 address; write one as in \"2001:db8::1\""}},
    {"a gateway that is a number",
     with_port("gateway = 10;"),
     {"f:3: gateway is a number; write an IPv4 address in quotes, as in \"10.0.0.1\""}},
    {"a MAC address that is too short",
     with_port("gateway_mac = \"02:00:00\";"),
     {"f:3: gateway_mac = \"02:00:00\" is not a MAC address; write one as in \"02:00:00:00:00:01\""}},
    {"a multicast MAC address as gateway",
     with_port("gateway_mac = \"01:00:5e:00:00:01\";"),
     {"f:3: gateway_mac = \"01:00:5e:00:00:01\" is no host's address; write the router's own, as in "
      "\"02:00:00:00:00:01\""}},
    {"an MTU below what IPv4 needs",
     with_port("mtu = 575;"),
     {"f:3: mtu = 575 is out of range; write 576 to 9600"}},
    {"an MTU above all jumbo frames",
     with_port("mtu = 9601;"),
     {"f:3: mtu = 9601 is out of range; write 576 to 9600"}},
    {"an MTU below what IPv6 needs",
     with_port("address = [ \"2001:db8::10/64\" ];\nmtu = 1279;"),
     {"f:4: mtu = 1279 is too small for IPv6; write 1280 to 9600"}},
    {"a VLAN beyond 4094", with_port("vlan = 4095;"), {"f:3: vlan = 4095 is out of range; write 0 to 4094"}},
    {"a kernel interface of 16 characters",
     with_port("kernel_interface = \"sluice0123456789\";"),
     {"f:3: kernel_interface = \"sluice0123456789\" has 16 characters; the kernel takes at most 15"}},
    {"a kernel interface with a slash",
     with_port("kernel_interface = \"sluice/0\";"),
     {"f:3: kernel_interface = \"sluice/0\" is no name for an interface; write letters and digits"}},
    {"more queues than any port has",
     with_port("queues = 4000000000;"),
     {"f:3: queues = 4000000000 is out of range; write 0 to 1024"}},
};

const Case kService[] = {
    {"services as one group",
     after_dataplane("services: { name = \"web\"; };"),
     {"f:2: services is a group; write a list of groups, as in ( { … } )"}},
    {"a service without name and VIP",
     with_services("{ port = 80; }"),
     {"f:3: a service has no name; add one, as in name = \"web\";",
      "f:3: a service has no vip; add one, as in vip = \"203.0.113.10\";"}},
    {"an empty name",
     with_services("{ name = \"\"; vip = \"203.0.113.10\"; }"),
     {"f:3: name = \"\" is no name; write 1 to 63 letters, digits, '.', '_' or '-', and not '-' first"}},
    {"a name that looks like an option",
     with_services("{ name = \"--json\"; vip = \"203.0.113.10\"; }"),
     {"f:3: name = \"--json\" is no name; write 1 to 63 letters, digits, '.', '_' or '-', and not '-' "
      "first"}},
    {"an unknown key of a service",
     with_service("protokol = \"tcp\";"),
     {"f:4: unknown key \"protokol\"; the nearest one that a service has is \"protocol\""}},
    {"a VIP that is no address",
     with_services("{ name = \"web\"; vip = \"203.0.113.256\"; }"),
     {"f:3: vip = \"203.0.113.256\" is not an address or a prefix without host bits; write one as in "
      "\"203.0.113.10\""}},
    {"a VIP prefix with host bits",
     with_services("{ name = \"web\"; vip = \"203.0.113.10/24\"; }"),
     {"f:3: vip = \"203.0.113.10/24\" is not an address or a prefix without host bits; write one as in "
      "\"203.0.113.10\""}},
    {"a multicast VIP",
     with_services("{ name = \"web\"; vip = \"224.0.0.1\"; }"),
     {"f:3: vip = \"224.0.0.1\" is a multicast address; write an address that one host has"}},
    {"the unspecified address as VIP",
     with_services("{ name = \"web\"; vip = \"0.0.0.0\"; }"),
     {"f:3: vip = \"0.0.0.0\" is the unspecified address; write an address that one host has"}},
    {"an unknown protocol",
     with_service("protocol = \"quic\";"),
     {"f:4: protocol = \"quic\" is unknown; write one of: tcp, udp, sctp, icmp, esp, ah, any"}},
    {"a protocol as a number",
     with_service("protocol = 6;"),
     {"f:4: protocol is a number; write one of these in quotes: tcp, udp, sctp, icmp, esp, ah, any"}},
    {"a port beyond 65535",
     with_service("port = 65536;"),
     {"f:4: port = 65536 is out of range; write 0 to 65535"}},
    {"a negative port", with_service("port = -1;"), {"f:4: port = -1 is out of range; write 0 to 65535"}},
    {"a port that would wrap to 80",
     with_service("port = 4294967376;"),
     {"f:4: port = 4294967376 is out of range; write 0 to 65535"}},
    {"a port in hex that would wrap",
     with_service("port = 0x100000050;"),
     {"f:4: port = 4294967376 is out of range; write 0 to 65535"}},
    {"a port as text", with_service("port = \"80\";"), {"f:4: port is text; write a number from 0 to 65535"}},
    {"a port with a protocol that has none",
     with_service("protocol = \"esp\";\nport = 80;"),
     {"f:5: port = 80 means nothing with protocol = \"esp\"; write port = 0, or protocol = \"tcp\""}},
    {"an unknown stickiness",
     with_service("stickiness = \"cookie\";"),
     {"f:4: stickiness = \"cookie\" is unknown; write one of: flow, none"}},
    {"unknown hash fields",
     with_service("hash_fields = \"4-tuple\";"),
     {"f:4: hash_fields = \"4-tuple\" is unknown; write one of: 5-tuple, 3-tuple, source"}},
    {"an unknown scheduler",
     with_service("scheduler = \"rr\";"),
     {"f:4: scheduler = \"rr\" is unknown; write one of: hash, round-robin, random, weighted-round-robin, "
      "weighted-random, least-flows, least-load"}},
    {"an unknown encapsulation",
     with_service("encapsulation = \"vxlan\";"),
     {"f:4: encapsulation = \"vxlan\" is unknown; write one of: ipip, gue"}},
    {"a GUE port of zero",
     with_service("gue_port = 0;"),
     {"f:4: gue_port = 0 is out of range; write 1 to 65535"}},
    {"an unknown outer source",
     with_service("outer_source = \"any\";"),
     {"f:4: outer_source = \"any\" is unknown; write one of: mux, client, prefix"}},
    {"an outer prefix that is missing",
     with_service("outer_source = \"prefix\";"),
     {"f:4: outer_source = \"prefix\" needs a prefix; add one, as in outer_prefix4 = \"10.255.0.0/16\";"}},
    {"an outer prefix that is missing for IPv6 DIPs",
     with_service("outer_source = \"prefix\"; outer_prefix4 = \"10.255.0.0/16\";\ndips = ( { address = "
                  "\"2001:db8::1\"; } );"),
     {"f:4: outer_source = \"prefix\" needs a prefix; add one, as in outer_prefix6 = \"2001:db8:ff::/64\";"}},
    {"an IPv6 prefix where IPv4 belongs",
     with_service("outer_source = \"prefix\";\nouter_prefix4 = \"2001:db8:ff::/64\";"),
     {"f:5: outer_prefix4 = \"2001:db8:ff::/64\" is not an IPv4 prefix without host bits; write one as in "
      "\"10.255.0.0/16\""}},
    {"the client as outer source towards another family",
     with_service("outer_source = \"client\";\ndips = ( { address = \"2001:db8::1\"; } );"),
     {"f:4: outer_source = \"client\" needs DIPs of the VIP's address family; write \"mux\" or \"prefix\""}},
    {"an unknown policy for unknown flows",
     with_service("unknown_flow = \"guess\";"),
     {"f:4: unknown_flow = \"guess\" is unknown; write one of: hash, drop, reset"}},
    {"a service name given twice",
     with_services(
         "{ name = \"web\"; vip = \"203.0.113.10\"; },\n{ name = \"dns\"; vip = \"203.0.113.11\"; },\n{ vip "
         "= \"203.0.113.12\";\n  name = \"web\"; }"),
     {"f:6: name = \"web\" is given already at line 3; give each service its own name"}},
    {"a VIP given twice",
     with_services("{ name = \"a\"; vip = \"203.0.113.10\"; port = 80; },\n{ name = \"b\"; vip = "
                   "\"203.0.113.10\"; port "
                   "= 80; }"),
     {"f:4: the VIP 203.0.113.10 with protocol tcp and port 80 is given already at line 3; change the "
      "address, the "
      "protocol or the port of one"}},
    {"a VIP without ports given twice",
     with_services("{ name = \"a\"; vip = \"203.0.113.10\"; protocol = \"esp\"; },\n{ name = \"b\"; vip = "
                   "\"203.0.113.10/32\"; protocol = \"esp\"; }"),
     {"f:4: the VIP 203.0.113.10 with protocol esp is given already at line 3; change the address, the "
      "protocol or the "
      "port of one"}},
};

const Case kDips[] = {
    {"dips beside groups",
     with_service("groups = ();\ndips = ();"),
     {"f:5: dips stands beside groups; give the DIPs in one of the two"}},
    {"a group without a name",
     with_service("groups = (\n{ weight = 1; } );"),
     {"f:5: a group has no name; add one, as in name = \"a\";"}},
    {"a group name given twice",
     with_service("groups = ( { name = \"a\"; },\n{ name = \"a\"; } );"),
     {"f:5: name = \"a\" is given already at line 4; give each group of the service its own name"}},
    {"a group on a worker that is not there",
     with_service("groups = ( { name = \"a\"; worker = 2; } );"),
     {"f:4: worker = 2 is no worker of tier 2; write one of: 1"}},
    {"a group on a worker without tier 2",
     with_dataplane(kPorts +
                    "\nworkers = ( { lcore = 1; tier2 = false; }, { lcore = 2; }, { lcore = 3; } );") +
         "services: ( { name = \"web\"; vip = \"203.0.113.10\"; groups = ( { name = \"a\";\nworker = 1; } ); "
         "} );",
     {"f:6: worker = 1 is no worker of tier 2; write one of: 2, 3"}},
    {"the worker of a group as text",
     with_service("groups = ( { name = \"a\"; worker = \"1\"; } );"),
     {"f:4: worker is text; write a number from 0 to 127"}},
    {"a group weight out of range",
     with_service("groups = ( { name = \"a\"; weight = 1000001; } );"),
     {"f:4: weight = 1000001 is out of range; write 0 to 1000000"}},
    {"a DIP that is text",
     with_dips("\"10.1.0.11\""),
     {"f:5: an element of dips is text; write a group, as in { … }"}},
    {"a DIP without an address",
     with_dips("{ weight = 1; }"),
     {"f:5: a DIP has no address; add one, as in address = \"10.1.0.11\";"}},
    {"a DIP that is no address",
     with_dips("{ address = \"dip1\"; }"),
     {"f:5: address = \"dip1\" is not an address or ADDRESS:PORT; write one as in \"10.1.0.11\""}},
    {"an IPv6 DIP with a port but without brackets",
     with_dips("{ address = \"2001:db8:1:2:3:4:5:6:8080\"; }"),
     {"f:5: address = \"2001:db8:1:2:3:4:5:6:8080\" is not an address or ADDRESS:PORT; write one as in "
      "\"10.1.0.11\""}},
    {"a DIP with a port of zero in its address",
     with_dips("{ address = \"10.1.0.11:0\"; }"),
     {"f:5: address = \"10.1.0.11:0\" is not an address or ADDRESS:PORT; write one as in \"10.1.0.11\""}},
    {"a loopback DIP",
     with_dips("{ address = \"127.0.0.1\"; }"),
     {"f:5: address = \"127.0.0.1\" is a loopback address; write an address that one host has"}},
    {"a broadcast DIP",
     with_dips("{ address = \"255.255.255.255\"; }"),
     {"f:5: address = \"255.255.255.255\" is the broadcast address; write an address that one host has"}},
    {"two ports for one DIP",
     with_dips("{ port = 8081;\naddress = \"10.1.0.11:8080\"; }"),
     {"f:5: port = 8081 is not the port in address = \"10.1.0.11:8080\"; give it once"}},
    {"a weight beyond 65535",
     with_dips("{ address = \"10.1.0.11\"; weight = 65536; }"),
     {"f:5: weight = 65536 is out of range; write 0 to 65535"}},
    {"an unknown key of a DIP",
     with_dips("{ adress = \"10.1.0.11\"; address = \"10.1.0.12\"; }"),
     {"f:5: unknown key \"adress\"; the nearest one that a DIP has is \"address\""}},
    {"a DIP given twice",
     with_dips("{ address = \"10.1.0.11\"; },\n{ address = \"10.1.0.12\"; },\n{ address = \"10.1.0.11\"; }"),
     {"f:7: the DIP 10.1.0.11:80 is given already at line 5; keep one, with the weight of both"}},
    {"a DIP given once with and once without the port of the service",
     with_dips("{ address = \"10.1.0.11\"; },\n{ address = \"10.1.0.11:80\"; }"),
     {"f:6: the DIP 10.1.0.11:80 is given already at line 5; keep one, with the weight of both"}},
    {"a DIP that is the VIP",
     with_dips("{ address = \"203.0.113.10\"; }"),
     {"f:5: the DIP 203.0.113.10 is a VIP, of service web at line 3; write the server's own address"}},
    {"a DIP inside the prefix of another service",
     with_services("{ name = \"web\"; vip = \"203.0.113.10\"; dips = ( { address = \"10.1.0.11\"; } ); },\n"
                   "{ name = \"all\"; vip = \"10.1.0.0/16\"; }"),
     {"f:3: the DIP 10.1.0.11 is a VIP, of service all at line 4; write the server's own address"}},
    {"a DIP that is the MUX",
     with_dataplane(
         "ports = ( { name = \"up\"; device = \"net_null0\"; address = [ \"10.1.0.11/24\" ]; } );\n" +
         kWorkers) +
         "services: ( { name = \"web\"; vip = \"203.0.113.10\"; dips = ( { address = \"10.1.0.11\"; } ); } "
         ");",
     {"f:5: the DIP 10.1.0.11 is the MUX's own address; write the server's"}},
};

const Case kPolicy[] = {
    {"an unknown kind of probe",
     with_service("health = { type = \"ping\"; };"),
     {"f:4: type = \"ping\" is unknown; write one of: none, icmp, tcp, http, https, udp, agent, "
      "agent-check"}},
    {"an unknown key of health",
     with_service("health = { interval = 2000; };"),
     {"f:4: unknown key \"interval\"; the nearest one that health has is \"interval_ms\""}},
    {"a probe without a port",
     with_service("dips = ( { address = \"10.1.0.11\"; } );\nhealth = { type = \"http\"; };"),
     {"f:5: health of type \"http\" needs a port, and the service takes every port; add one, as in port = "
      "80;"}},
    {"pings through the data path",
     with_service("health = { type = \"icmp\"; through = \"vip\"; };"),
     {"f:4: through = \"vip\" does not go with type = \"icmp\"; write type = \"tcp\", \"http\", \"https\" or "
      "\"udp\", or through = \"dip\""}},
    {"datagrams through the data path of a TCP service",
     with_service("port = 80;\nhealth = { type = \"udp\"; through = \"vip\"; };"),
     {"f:5: through = \"vip\" sends packets of protocol udp, which the service does not take; write another "
      "type, or through = \"dip\""}},
    {"a probe through the data path that is no packet of the service",
     with_service("port = 80;\nhealth = { type = \"tcp\"; port = 81; through = \"vip\"; };"),
     {"f:5: through = \"vip\" asks the service's port, not 81; leave port out, or write through = \"dip\""}},
    {"a probe through the data path without a kernel interface",
     with_service("port = 80;\nhealth = { type = \"tcp\"; through = \"vip\"; };"),
     {"f:5: through = \"vip\" needs a port with a kernel_interface and an IPv4 address to send from; add "
      "them, "
      "or write through = \"dip\""}},
    {"a path without a slash",
     with_service("health = { path = \"healthz\"; };"),
     {"f:4: path = \"healthz\" does not begin with /; write \"/healthz\""}},
    {"a path that would add a header",
     with_service("health = { path = \"/a\\r\\nX: y\"; };"),
     {"f:4: path = \"/a\\x0d\\x0aX: y\" holds a blank; remove it"}},
    {"a host with a line feed",
     with_service("health = { host = \"a\\nb\"; };"),
     {"f:4: host = \"a\\x0ab\" holds a control character; remove it"}},
    {"probes without a pause",
     with_service("health = { interval_ms = 0; };"),
     {"f:4: interval_ms = 0 is out of range; write 10 to 3600000"}},
    {"no failures at all",
     with_service("health = { failures = 0; };"),
     {"f:4: failures = 0 is out of range; write 1 to 1000"}},
    {"a transition as text",
     with_service("transition = \"keep\";"),
     {"f:4: transition is text; write a group, as in { … }"}},
    {"an unknown end of a transition",
     with_service("transition = { at_deadline = \"kill\"; };"),
     {"f:4: at_deadline = \"kill\" is unknown; write one of: timeout, reset, keep"}},
    {"a deadline of more than a week",
     with_service("transition = { deadline_s = 604801; };"),
     {"f:4: deadline_s = 604801 is out of range; write 0 to 604800"}},
};

const Case kFlows[] = {
    {"a scheduler that nothing remembers",
     with_service("stickiness = \"none\";\nscheduler = \"weighted-random\";"),
     {"f:5: scheduler = \"weighted-random\" needs stickiness = \"flow\", since only a table remembers its "
      "choices; write scheduler = \"hash\", or stickiness = \"flow\""}},
    {"a flow table that is too small",
     with_service("flows = 1023;"),
     {"f:4: flows = 1023 is too few for a table; write 1024 or more, or 0 for a share of dataplane.flows"}},
    {"a flow table that is too large",
     with_service("flows = 100000001;"),
     {"f:4: flows = 100000001 is out of range; write 0 to 100000000"}},
    {"too few flows for the whole dataplane",
     with_dataplane("flows = 1000;\n" + kPorts + kWorkers),
     {"f:2: flows = 1000 is out of range; write 1024 to 1000000000"}},
    {"unknown types of flows",
     with_service("flow_types = \"type3\";"),
     {"f:4: flow_types = \"type3\" is unknown; write one of: both, type1, type2"}},
    {"a flow that is less than what is hashed",
     with_service("hash_fields = \"3-tuple\";\nflow_key = \"source\";"),
     {"f:5: flow_key = \"source\" is less than hash_fields = \"3-tuple\" chooses a slot by; write "
      "hash_fields = \"source\""}},
    {"an unknown way to begin a flow",
     with_service("flow_start = \"diameter\";"),
     {"f:4: flow_start = \"diameter\" is unknown; write one of: handshake, gtp-c, radius, dhcp"}},
    {"GTP over TCP",
     with_service("flow_start = \"gtp-c\";"),
     {"f:4: flow_start = \"gtp-c\" needs protocol = \"udp\"; write that, or flow_start = \"handshake\""}},
    {"subscribers of one protocol",
     with_service("flow_start = \"radius\"; flow_key = \"source\"; hash_fields = \"source\";"),
     {"f:4: flow_start = \"radius\" needs protocol = \"any\", which takes its messages and all that "
      "subscribers send"}},
    {"subscribers whose flows are something else",
     with_service("protocol = \"any\"; flow_start = \"dhcp\"; hash_fields = \"source\";"),
     {"f:4: flow_start = \"dhcp\" makes a flow of all that a subscriber sends; write flow_key = \"source\" "
      "and "
      "hash_fields = \"source\" too"}},
    {"subscribers as outer sources",
     with_service("protocol = \"any\"; flow_start = \"radius\"; flow_key = \"source\";\n"
                  "hash_fields = \"source\"; outer_source = \"client\";"),
     {"f:5: outer_source = \"client\" does not go with flow_start = \"radius\", whose messages are not sent "
      "by "
      "the client; write \"mux\" or \"prefix\""}},
    {"DHCP for IPv6",
     with_services("{ name = \"web\"; vip = \"2001:db8::1\"; protocol = \"any\"; flow_start = \"dhcp\";\n"
                   "flow_key = \"source\"; hash_fields = \"source\"; }"),
     {"f:3: flow_start = \"dhcp\" needs an IPv4 VIP; for IPv6 write flow_start = \"radius\""}},
    {"a timeout of zero",
     with_service("timeouts = { syn_s = 0; };"),
     {"f:4: syn_s = 0 is out of range; write 1 to 86400"}},
    {"a timeout of more than a day",
     with_service("timeouts = { established_s = 86401; };"),
     {"f:4: established_s = 86401 is out of range; write 1 to 86400"}},
    {"an unknown timeout",
     with_service("timeouts = { tcp_s = 5; };"),
     {"f:4: unknown key \"tcp_s\"; the nearest one that timeouts has is \"udp_s\""}},
    {"weights that follow reports which nobody makes",
     with_service("weights = \"adaptive\";"),
     {"f:4: weights = \"adaptive\" needs reports of load; add health = { type = \"agent\"; }, or write "
      "weights = "
      "\"configured\""}},
    {"groups that are balanced by reports which nobody makes",
     with_service("balance_groups = true; health = { type = \"agent-check\"; port = 1; };"),
     {"f:4: balance_groups = true needs reports of load; add health = { type = \"agent\"; }, or write "
      "balance_groups = false"}},
    {"a bound that is none",
     with_service("load = { lowest_percent = 0; };"),
     {"f:4: lowest_percent = 0 is out of range; write 1 to 100"}},
    {"an elephant of a negative rate",
     with_service("elephant = { bytes_per_s = -1; };"),
     {"f:4: bytes_per_s = -1 is out of range; write 0 to 1000000000000"}},
    {"an elephant with a fraction",
     with_service("elephant = { packets_per_s = 1.5; };"),
     {"f:4: packets_per_s is a number with a fraction; write a number from 0 to 1000000000"}},
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
INSTANTIATE_TEST_SUITE_P(Dataplane, BadInput, testing::ValuesIn(kDataplane), test_name);
INSTANTIATE_TEST_SUITE_P(Iips, BadInput, testing::ValuesIn(kIips), test_name);
INSTANTIATE_TEST_SUITE_P(Pool, BadInput, testing::ValuesIn(kPool), test_name);
INSTANTIATE_TEST_SUITE_P(Port, BadInput, testing::ValuesIn(kPort), test_name);
INSTANTIATE_TEST_SUITE_P(Service, BadInput, testing::ValuesIn(kService), test_name);
INSTANTIATE_TEST_SUITE_P(Dips, BadInput, testing::ValuesIn(kDips), test_name);
INSTANTIATE_TEST_SUITE_P(Policy, BadInput, testing::ValuesIn(kPolicy), test_name);
INSTANTIATE_TEST_SUITE_P(Flows, BadInput, testing::ValuesIn(kFlows), test_name);
INSTANTIATE_TEST_SUITE_P(Many, BadInput, testing::ValuesIn(kMany), test_name);

}  // namespace
}  // namespace sluice::config::test
