// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Bad input: services, DIPs, and what is decided about flows.
#include "tests/unit/config/bad_input.h"

namespace sluice::config::test {
namespace {

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

INSTANTIATE_TEST_SUITE_P(Service, BadInput, testing::ValuesIn(kService), test_name);
INSTANTIATE_TEST_SUITE_P(Dips, BadInput, testing::ValuesIn(kDips), test_name);
INSTANTIATE_TEST_SUITE_P(Policy, BadInput, testing::ValuesIn(kPolicy), test_name);
INSTANTIATE_TEST_SUITE_P(Flows, BadInput, testing::ValuesIn(kFlows), test_name);

}  // namespace
}  // namespace sluice::config::test
