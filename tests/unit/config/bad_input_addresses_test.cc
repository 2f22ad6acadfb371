// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Bad input: IIPs and pools.
#include "tests/unit/config/bad_input.h"

namespace sluice::config::test {
namespace {

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
    {"a pool whose probes leave no time for answers",
     with_pool(kSecret + "\nprobe_ms = 10;", kSelf),
     {"f:4: probe_ms = 10 leaves no time for answers; write 50 to 60000, or 0 for never"}},
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

INSTANTIATE_TEST_SUITE_P(Iips, BadInput, testing::ValuesIn(kIips), test_name);
INSTANTIATE_TEST_SUITE_P(Pool, BadInput, testing::ValuesIn(kPool), test_name);

}  // namespace
}  // namespace sluice::config::test
