// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/forms.h"
#include "control/config/keys.h"
#include "control/config/kinds.h"
#include "control/config/rules.h"

namespace sluice::config {

using namespace kind;

const Section<Control>& control_keys() {
  static const Section<Control> table{
      "control",
      {
          with_rule(text("socket", &Control::socket, "an absolute path",
                         "Where `sluicectl` finds the appliance: a Unix socket, made at the start."),
                    [](const Control& c) { return rules::socket_path("socket", c.socket); }),
          with_rule(
              text("socket_group", &Control::socket_group, "the name of a group",
                   "The Unix group that owns the socket; its members may read. Empty: the group that sluiced "
                   "runs with."),
              [](const Control& c) { return rules::one_word("socket_group", c.socket_group); }),
          parsed("socket_mode", &Control::socket_mode, form::kMode,
                 "The permissions of the socket, in octal, as text: libconfig has no octal numbers."),
          with_rule(text("admin_group", &Control::admin_group, "the name of a group",
                         "The Unix group whose members may change what runs. Empty: only root may."),
                    [](const Control& c) { return rules::one_word("admin_group", c.admin_group); }),
          with_rule(text("metrics", &Control::metrics, "ADDRESS:PORT",
                         "Where Prometheus fetches `/metrics`: ADDRESS:PORT. Empty: nowhere."),
                    [](const Control& c) { return rules::endpoint("metrics", c.metrics); }),
          with_rule(text("state_file", &Control::state_file, "an absolute path, auto, or nothing",
                         "Where a process that stops leaves its state to the next, so that a restart breaks "
                         "no flow; on a tmpfs. `auto`: the socket's path and `.state`, but nowhere when a "
                         "port reads a capture file. Empty: nowhere."),
                    [](const Control& c) { return rules::state_file("state_file", c.state_file); }),
          with_rule(text("log_level", &Control::log_level, "a log level",
                         "How much goes to stderr: trace, debug, info, warn or error."),
                    [](const Control& c) {
                      for (const char* level : {"trace", "debug", "info", "warn", "error"})
                        if (c.log_level == level) return std::string();
                      return "log_level = " + quote(c.log_level) +
                             " is unknown; write one of: trace, debug, info, warn, error";
                    }),
          with_rule(parsed_list("fence_command", &Control::fence_command, form::kWord,
                                "A program and its arguments, run without a shell when another host defends "
                                "an IIP of ours; its environment has `ADDRESS`, `MAC` and `PORT`. Empty: "
                                "only the log tells."),
                    [](const Control& c) { return rules::command("fence_command", c.fence_command); }),
          with_rule(number("route_table", &Control::route_table, 0, 0xffffffff,
                           "The kernel table that holds a route for each announced VIP, for a routing daemon "
                           "to pick up. 0: none. Nothing is put there while no port has a "
                           "`kernel_interface`."),
                    [](const Control& c) { return rules::route_table(c.route_table); }),
          with_rule(number("route_protocol", &Control::route_protocol, 5, 255,
                           "The protocol number of these routes: what bears it in that table is Sluice's to "
                           "remove."),
                    [](const Control& c) { return rules::route_protocol(c.route_protocol); }),
          number("leave_ms", &Control::leave_ms, 0, 3600000,
                 "On SIGTERM the routes are withdrawn first; packets are forwarded for so long after that, "
                 "while routers turn to other MUXes."),
          number("stall_s", &Control::stall_s, 0, 3600,
                 "A worker that has not turned for so long is stuck. 0: nobody looks."),
          word("on_stall", &Control::on_stall,
               "What follows: routes are withdrawn and the process ends with 1, or with a core dump, so that "
               "its supervisor starts it afresh; or only the log tells."),
          word("on_stop", &Control::on_stop,
               "What SIGTERM leaves in the kernel: nothing, or, for a next process that comes at once, the "
               "ports' interfaces with their addresses and the routes of the VIPs, so that routers and "
               "routing daemons notice nothing. SIGINT withdraws in any case."),
          with_rule(text("user", &Control::user, "the name of a user",
                         "Whom the process becomes once packets flow: its user, with the groups of that "
                         "user. Empty: it stays who started it."),
                    [](const Control& c) { return rules::one_word("user", c.user); }),
          with_rule(text("capabilities", &Control::capabilities, "names of capabilities",
                         "What the process keeps of root's rights then: names as in capabilities(7), with "
                         "blanks between. `auto`: what this file needs."),
                    [](const Control& c) { return rules::capabilities("capabilities", c.capabilities); }),
          word("seccomp", &Control::seccomp,
               "What becomes of a system call that Sluice never makes: the process is killed, the kernel "
               "logs it, or nobody looks."),
      },
      {}};
  return table;
}

const Section<Dataplane>& dataplane_keys() {
  static const Section<Dataplane> table{
      "dataplane",
      {
          with_rule(parsed_list("eal", &Dataplane::eal, form::kText,
                                "Arguments for DPDK's EAL, passed as they are: cores, memory, devices."),
                    [](const Dataplane& d) {
                      for (const std::string& argument : d.eal)
                        if (auto what = rules::plain("an argument of eal", argument, false); !what.empty())
                          return what;
                      return std::string();
                    }),
          word("idle", &Dataplane::idle,
               "What a worker does without packets: `adaptive` sleeps and wakes within 100 µs, `busy` polls "
               "on."),
          with_rule(
              parsed(
                  "hash_key", &Dataplane::hash_key, form::kHashKey,
                  "The secret key of tier 1's Toeplitz hash; all MUXes of a cluster need the same. Empty: a "
                  "random one at the start, told apart by the `hash_key_id` of `sluicectl status`. Never use "
                  "the published key "
                  "outside of tests: whoever knows the key can aim at one server."),
              [](const Dataplane& d) {
                for (const std::uint8_t byte : d.hash_key)
                  if (byte != 0) return std::string();
                return d.hash_key.empty()
                           ? std::string()
                           : "hash_key is all zeros, which sends every flow to one slot; write "
                             "random bytes, or \"\" for a random key";
              }),
          with_rule(
              number("slots", &Dataplane::slots, rules::kMinSlots, rules::kMaxSlots,
                     "Slots in every VipMap; a prime, the same on all MUXes. With 65537, 100 equal DIPs "
                     "differ by at most 2 %."),
              [](const Dataplane& d) { return rules::slots(d.slots); }),
          number(
              "flows", &Dataplane::flows, rules::kMinFlows, 1'000'000'000,
              "Entries that the flow tables of all groups share: each gets this number divided by the number "
              "of groups, at least 16384 and at most 1048576, but where the service has its own `flows`."),
          word(
              "flow_memory", &Dataplane::flow_memory,
              "When flow tables take their memory: `as-needed`, as flows come, or `at-once`, when a table is "
              "made (0.1 s a GiB), so that no worker ever waits for the kernel to clear a page."),
          number("buffers", &Dataplane::buffers, 0, 0x7fffffff,
                 "Packet buffers (mbufs). 0: computed from ports and workers."),
          sections("ports", &Dataplane::ports, port_keys, false, "The ports that packets come and go by."),
          sections("workers", &Dataplane::workers, worker_keys, true,
                   "The cores that carry packets; at least one for each tier."),
      },
      {}};
  return table;
}

const Section<Port>& port_keys() {
  static const Section<Port> table{
      "a port",
      {
          needed(with_rule(text("name", &Port::name, "a name", "The port's name in commands and metrics."),
                           [](const Port& p) { return rules::name("name", p.name); }),
                 "\"uplink\""),
          needed(with_rule(text("device", &Port::device, "a DPDK device",
                                "A PCI address (`0000:3b:00.0`), or a virtual device with its arguments "
                                "(`net_af_packet0,iface=eth1`)."),
                           [](const Port& p) { return rules::plain("device", p.device, false); }),
                 "\"net_af_packet0,iface=eth1\""),
          parsed_list("address", &Port::addresses, form::kInterfaceAddress,
                      "The MUX's own addresses on this port, each with the length of its subnet."),
          parsed("gateway", &Port::gateway, form::kIpv4,
                 "The IPv4 next hop for what lies in no subnet of the port."),
          parsed("gateway6", &Port::gateway6, form::kIpv6,
                 "The IPv6 next hop; a link-local address will do."),
          with_rule(
              parsed("gateway_mac", &Port::gateway_mac, form::kMac,
                     "The next hop's Ethernet address: no resolution, no kernel needed."),
              [](const Port& p) {
                return !p.gateway_mac || ((p.gateway_mac->byte[0] & 1) == 0 && p.gateway_mac != MacAddress{})
                           ? std::string()
                           : "gateway_mac = " + quote(to_string(*p.gateway_mac)) +
                                 " is no host's address; write the router's own, as in \"02:00:00:00:00:01\"";
              }),
          number("mtu", &Port::mtu, 576, 9600,
                 "The largest IP packet, without the Ethernet header. At least 1280 when the port has an "
                 "IPv6 address "
                 "or gateway."),
          number("vlan", &Port::vlan, 0, 4094, "The 802.1Q tag of all packets. 0: untagged."),
          with_rule(
              text("kernel_interface", &Port::kernel_interface, "the name of an interface",
                   "The TAP through which the kernel gets ARP, ND and all that is for the MUX itself. Empty: "
                   "no "
                   "exception path."),
              [](const Port& p) { return rules::interface_name("kernel_interface", p.kernel_interface); }),
          number("queues", &Port::queues, 0, 1024, "Receive queues. 0: one for each tier-1 worker."),
      },
      {}};
  return table;
}

const Section<Worker>& worker_keys() {
  static const Section<Worker> table{
      "a worker",
      {
          needed(number("lcore", &Worker::lcore, 0, 127,
                        "The EAL lcore it runs on; not the main lcore, which EAL's arguments choose."),
                 "1"),
          flag("tier1", &Worker::tier1, "Picks groups, without state."),
          with_rule(
              flag("tier2", &Worker::tier2,
                   "Picks DIPs and keeps flows. With both tiers a packet runs to completion on one core."),
              [](const Worker& w) {
                return w.tier1 || w.tier2 ? std::string()
                                          : "worker " + std::to_string(w.lcore) +
                                                " has neither tier; set tier1 or tier2 to true, or remove it";
              }),
      },
      {}};
  return table;
}

}  // namespace sluice::config
