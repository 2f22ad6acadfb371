// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Bad input: dataplane, ports and workers.
#include "tests/unit/config/bad_input.h"

namespace sluice::config::test {
namespace {

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

INSTANTIATE_TEST_SUITE_P(Dataplane, BadInput, testing::ValuesIn(kDataplane), test_name);
INSTANTIATE_TEST_SUITE_P(Port, BadInput, testing::ValuesIn(kPort), test_name);

}  // namespace
}  // namespace sluice::config::test
