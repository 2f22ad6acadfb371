// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/reference.h"

#include "control/config/keys.h"

namespace sluice::config {
namespace {

constexpr const char* kIntroduction =
    R"(<!-- Written by the program (control/config/reference.cc). A test fails when it is stale; run that test with
SLUICE_REGENERATE=1 to write it anew. -->
# The configuration file

One file says everything: `control`, how the appliance is reached; `dataplane`, its ports and cores; `services`, what
is balanced; `iips`, addresses that routers send to; `pool`, MUXes that take them from each other. It is [libconfig](https://hyperrealm.github.io/libconfig/) text: `NAME = VALUE;` with `{ }` around a group
of keys, `[ ]` around a list of values, `( )` around a list of groups, and comments after `#`, `//` or in `/* */`.

```libconfig
control:   { metrics = "127.0.0.1:9107"; };
dataplane: {
  eal     = [ "--in-memory", "--no-pci", "--lcores", "0@0,1@1" ];
  ports   = ( { name = "uplink"; device = "net_af_packet0,iface=eth1"; address = [ "10.0.0.10/24" ];
                gateway = "10.0.0.1"; kernel_interface = "sluice0"; } );
  workers = ( { lcore = 1; } );                           // both tiers on one core
};
services: (
  { name = "web"; vip = "203.0.113.10"; port = 80;        // protocol = "tcp" goes without saying
    dips = ( { address = "10.1.0.11"; weight = 2; }, { address = "10.2.0.12:8080"; } );
    health = { type = "http"; path = "/healthz"; expect = "sluice-ok"; }; }
);
```

`sluiced -c FILE --check` reads a file, touches no port, and exits with 0, or with 2 after one line for each problem:
`FILE:LINE: what is wrong; what would be right`. All problems of a file are reported at once, but only the first against
libconfig's grammar. A key that is not known is a problem, and so is a name, VIP or DIP that is given twice.

`@include "other.conf"` at the start of a line reads another file at that place, relative to the file that says so.

## What changes while packets flow

`sluicectl config reload` compares the file with what runs and does what differs: services, groups and DIPs come, go and
change their weights without a lost packet. Of `control`, all but `socket`, `route_table` and `route_protocol` changes
at once. What differs in those or in `dataplane` is named and waits for the next start. A file with a problem changes
nothing.

Services are known by name, DIPs by address and port; the order in which they stand means nothing. A service whose
`vip`, `protocol` or `port` changes is a new service: its flows end.

`sluicectl config show` prints what runs as a file that can be loaded again, with all defaults.
)";

constexpr const char* kRules = R"(
## Rules that span several keys

- At least one port, one worker with `tier1` and one with `tier2`; every `lcore` once.
- Port names, devices, kernel interfaces and the MUX's own addresses differ.
- A `gateway` lies in one of the port's subnets, a `gateway6` too or is link-local, unless there is a `gateway_mac`.
- Service names differ, and so does each VIP with protocol and port; a prefix and an address within it are two VIPs,
  and the longest wins. Group names differ within a service, DIPs within a group. A DIP may be in several groups.
- Names in `dip_lists` differ, and so do the DIPs of a list; `dips = "NAME"` names one of them.
- A DIP is no VIP of this file and no address of the MUX.
- Protocols without ports (`icmp`, `esp`, `ah`, `any`) take `port = 0` only.
- `outer_source = "prefix"` needs a prefix for each address family among the DIPs, `"client"` needs DIPs of the VIP's
  family.
- A `scheduler` other than `hash` needs `stickiness = "flow"`: only a flow table remembers its choices.
- `flow_key` takes at least what `hash_fields` takes. `flow_start = "gtp-c"` needs `protocol = "udp"`; `"radius"` and
  `"dhcp"` need `protocol = "any"`, `flow_key = "source"`, and another `outer_source` than `"client"`; `"dhcp"` is for IPv4.
- `weights = "adaptive"` and `balance_groups = true` need `health` of type `agent`, since only an agent reports load;
  the former takes `agent-check` as well.
- The `worker` of a group is the lcore of a worker with `tier2`.
- Names and addresses of a pool's members differ, and one of them is this MUX. At most 16 members and 48 IIPs.
- An IIP is no VIP and no port's own address, is given once, and is on a port with a `kernel_interface`.
- A probe by `tcp`, `udp`, `http`, `https` or `agent-check` finds its port in `health`, in the service, or in every DIP.
)";

constexpr const char* kExamples = R"(
## Examples

A capture file in, a capture file out: how a configuration behaves on recorded traffic, without a network.

```libconfig
dataplane: {
  eal     = [ "--no-pci", "--no-huge", "-m", "512" ];    // --in-memory needs hugepages, so not with --no-huge
  ports   = ( { name = "file"; device = "net_pcap0,rx_pcap=in.pcap,tx_pcap=out.pcap";
                address = [ "10.0.0.10/24", "2001:db8::10/64" ]; gateway_mac = "02:00:00:00:00:01"; } );
  workers = ( { lcore = 1; } );
};
services: ( { name = "any"; vip = "203.0.113.0/24"; protocol = "any"; dips = ( { address = "10.1.0.11"; } ); } );
```

Two tiers on cores of their own, groups, both address families, and an outer source that spreads over the queues of the
servers' network cards.

```libconfig
control: {
  socket_group = "netops"; admin_group = "netadmin"; log_level = "info";
};
dataplane: {
  eal      = [ "--lcores", "0-4", "-a", "0000:3b:00.0" ];
  idle     = "busy";
  slots    = 131071;
  ports    = ( { name = "uplink"; device = "0000:3b:00.0";
                 address = [ "10.0.0.10/24", "2001:db8::10/64" ]; gateway = "10.0.0.1"; gateway6 = "fe80::1";
                 mtu = 9000; vlan = 12; kernel_interface = "sluice0"; } );
  workers  = ( { lcore = 1; tier2 = false; }, { lcore = 2; tier2 = false; },
               { lcore = 3; tier1 = false; }, { lcore = 4; tier1 = false; } );
};
services: (
  { name = "web"; vip = "203.0.113.10"; protocol = "tcp"; port = 443; scheduler = "least-flows";
    outer_source = "prefix"; outer_prefix4 = "10.255.0.0/16";
    groups = ( { name = "hall1"; dips = ( { address = "10.1.0.11:8443"; }, { address = "10.1.0.12:8443"; } ); },
               { name = "hall2"; weight = 1; dips = ( { address = "10.2.0.11:8443"; weight = 3; } ); } );
    health = { type = "https"; path = "/healthz"; host = "www.example.net"; interval_ms = 1000; };
    transition = { deadline_s = 3600; at_deadline = "keep"; }; },
  { name = "dns6"; vip = "2001:db8:cb::53"; protocol = "udp"; port = 53; stickiness = "none"; hash_fields = "source";
    encapsulation = "gue";
    dips = ( { address = "2001:db8:1::53"; }, { address = "2001:db8:2::53"; } ); }
);
```
)";

std::string cell(const std::string& text) {
  std::string safe;
  for (const char c : text) (safe += c == '|' ? "\\" : "") += c;
  return safe;
}

template <class T>
std::string default_of(const Key<T>& key) {
  if (!key.example.empty()) return "needed, as in `" + key.example + '`';
  const std::string printed = key.print(T{}, 0);
  if (printed.empty() || printed == "()" || printed == "[]" || printed == "\"\"") return "none";
  return printed.front() == '{' ? "the defaults below" : '`' + printed + '`';
}

template <class T>
std::string table(const std::string& title, const Section<T>& section) {
  std::string text = "\n### " + title + "\n\n| key | value | default | what it is |\n|---|---|---|---|\n";
  for (const Key<T>& key : section.keys)
    text += "| `" + key.name + "` | " + cell(key.kind) + " | " + cell(default_of(key)) + " | " +
            cell(key.sentence) + " |\n";
  return text;
}

}  // namespace

std::string reference_markdown() {
  return kIntroduction + std::string("\n## All keys\n") + table("The file", model_keys()) +
         table("control", control_keys()) + table("dataplane", dataplane_keys()) +
         table("dataplane.ports", port_keys()) + table("dataplane.workers", worker_keys()) +
         table("dip_lists", dip_list_keys()) + table("services", service_keys()) +
         table("services.groups", group_keys()) +
         table("services.dips, services.groups.dips, dip_lists.dips", dip_keys()) +
         table("services.health", health_keys()) + table("services.transition", transition_keys()) +
         table("services.timeouts", timeouts_keys()) + table("services.elephant", elephant_keys()) +
         table("services.load", load_keys()) + table("iips", iip_keys()) + table("pool", pool_keys()) +
         table("pool.members", pool_member_keys()) + kRules + kExamples;
}

}  // namespace sluice::config
