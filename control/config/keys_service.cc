// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/address_port.h"
#include "control/config/forms.h"
#include "control/config/keys.h"
#include "control/config/kinds.h"
#include "control/config/rules.h"
#include "control/config/validate.h"

namespace sluice::config {

using namespace kind;

namespace {

constexpr const char* kDefaultGroup = "default";

// "10.1.0.11", "10.1.0.11:8080": fills address and port.
Key<Dip> dip_address() {
  Key<Dip> key = base("address", &Dip::address, "an address, or ADDRESS:PORT",
                      "The server. `10.1.0.11:8080` and `[2001:db8::1]:8080` give its port too.");
  key.read = [](Report& report, const Node& node, Dip& out) {
    const Form<AddressPort> form{"an address or ADDRESS:PORT", "10.1.0.11", parse_address_port, nullptr};
    if (const auto value = form.read(report, "address", node)) {
      out.address = value->address;
      if (value->port != 0) out.port = value->port;
    }
  };
  key.print = [](const Dip& dip, unsigned) { return quote(to_string(dip.address)); };
  key.rule = [](const Dip& dip) {
    return rules::host_address("address = " + quote(to_string(dip.address)), dip.address);
  };
  return needed(std::move(key), "\"10.1.0.11\"");
}

// The port may stand in the address and beside it, in either order, but must be the same.
void settle_dip(Report& report, const Node& node, Dip& dip) {
  dip.line = node.row;
  const Node* address = node.find("address");
  const Node* port = node.find("port");
  if (address == nullptr || port == nullptr || address->kind != Node::Kind::kText) return;
  const auto both = parse_address_port(address->text);
  if (both && both->port != 0 && port->kind == Node::Kind::kNumber && port->number != both->port)
    report.add_below("port", "port = " + std::to_string(port->number) +
                                 " is not the port in address = " + quote(address->text) + "; give it once");
}

// A list of groups, or in quotes the name of a list that is shared.
void read_dips(Report& report, const Node& node, Group& group) {
  if (node.kind == Node::Kind::kText)
    group.dip_list = node.text;
  else
    read_list(report, "dips", node, dip_keys(), group.dips);
}

std::string print_dips(const Group& group, unsigned indent) {
  return group.dip_list.empty() ? print_list(group.dips, dip_keys(), indent, true) : quote(group.dip_list);
}

void judge_dips(Report& report, const Group& group) {
  if (group.dip_list.empty()) judge_list(report, group.dips, dip_keys());
}

bool is_plain_list(const Service& service) {
  return service.groups.size() == 1 && service.groups[0].name == kDefaultGroup &&
         service.groups[0].weight == 0 && !service.groups[0].worker;
}

Key<Service> groups() {
  Key<Service> key =
      sections("groups", &Service::groups, group_keys, false,
               "The DIPs in groups; tier 1 picks the group, tier 2 the DIP. A service without DIPs drops "
               "its packets (`no-live-dip`).");
  key.print = [](const Service& service, unsigned indent) {
    return service.groups.empty() || is_plain_list(service)
               ? std::string()
               : print_list(service.groups, group_keys(), indent, false);
  };
  return key;
}

Key<Service> dips() {
  Key<Service> key = base("dips", &Service::groups, "list of groups, or a name",
                          "The DIPs, when the grouping is left to Sluice, or in quotes the name of one of "
                          "`dip_lists`; not together with `groups`.");
  key.read = [](Report& report, const Node& node, Service& out) {
    out.groups.resize(1);
    out.groups[0].name = kDefaultGroup;
    const auto scope = report.instead("groups[0].dips");
    report.place(node.row);
    read_dips(report, node, out.groups[0]);
  };
  key.print = [](const Service& service, unsigned indent) {
    return is_plain_list(service) ? print_dips(service.groups[0], indent) : std::string();
  };
  return key;
}

Key<Group> dips_of_group() {
  Key<Group> key = base("dips", &Group::dips, "list of groups, or a name",
                        "The servers of the group, or in quotes the name of one of `dip_lists`.");
  key.read = read_dips;
  key.print = print_dips;
  key.judge = judge_dips;
  return key;
}

void settle_service(Report& report, const Node& node, Service& service) {
  service.line = node.row;
  settle_ports(service);
  if (node.find("groups") != nullptr && node.find("dips") != nullptr)
    report.add_below("dips", "dips stands beside groups; give the DIPs in one of the two");
}

}  // namespace

const Section<Model>& model_keys() {
  static const Section<Model> table{
      "the file",
      {
          section("control", &Model::control, control_keys, "How the appliance is reached and what it says."),
          section("dataplane", &Model::dataplane, dataplane_keys, "Ports and cores. Read at the start only."),
          sections("dip_lists", &Model::dip_lists, dip_list_keys, false,
                   "Servers that several services or groups share: `dips = \"farm\";` there. A command about "
                   "one of them, in whatever service, concerns all."),
          sections("services", &Model::services, service_keys, false,
                   "What is balanced, and over which servers."),
          sections("iips", &Model::iips, iip_keys, true,
                   "Addresses that routers send to, which this MUX takes and defends."),
          pool_key(),
      },
      {}};
  return table;
}

const Section<Service>& service_keys() {
  static const Section<Service> table{
      "a service",
      {
          needed(
              with_rule(text("name", &Service::name, "a name", "The service's name in commands and metrics."),
                        [](const Service& s) { return rules::name("name", s.name); }),
              "\"web\""),
          needed(with_rule(parsed("vip", &Service::vip, form::kVip,
                                  "The address that clients use, or a whole prefix as one service."),
                           [](const Service& s) {
                             return rules::host_address("vip = " + quote(to_string(s.vip)), s.vip.address);
                           }),
                 "\"203.0.113.10\""),
          word("protocol", &Service::protocol,
               "The transport protocol; `any` takes what no other service takes."),
          number("port", &Service::port, 0, 65535, "The port that clients use. 0: every port."),
          word("stickiness", &Service::stickiness,
               "`flow`: a flow table keeps every flow on its DIP. `none`: no state but for transitions."),
          word("hash_fields", &Service::hash_fields,
               "What of a packet picks the slot: addresses, protocol and ports; without the ports; the "
               "client's address."),
          word("scheduler", &Service::scheduler, "How a new flow gets its DIP within the group."),
          word("encapsulation", &Service::encapsulation,
               "`ipip`: IP in IP. `gue`: UDP around it, for networks that pass nothing else."),
          number("gue_port", &Service::gue_port, 1, 65535, "The destination port of `gue`."),
          word("outer_source", &Service::outer_source,
               "The outer source address: the MUX's, the client's, or one from a prefix by the flow's hash, "
               "so that "
               "the receiver's queues share the work."),
          parsed("outer_prefix4", &Service::outer_prefix4, form::kPrefix4,
                 "The prefix of `outer_source = \"prefix\"` for DIPs with IPv4 addresses."),
          parsed("outer_prefix6", &Service::outer_prefix6, form::kPrefix6, "The same for IPv6."),
          dips(),
          groups(),
          section("health", &Service::health, health_keys, "How servers are watched."),
          word("announce", &Service::announce,
               "When the VIP has its route: while one DIP is alive, always, or never. Of several services on "
               "one VIP, one that wants the route is enough."),
          section("transition", &Service::transition, transition_keys,
                  "How a change of DIPs comes into force."),
          word("unknown_flow", &Service::unknown_flow,
               "A packet in the middle of a flow that no table knows: goes by the hash, is dropped, or is "
               "answered by "
               "a reset."),
          word("flow_types", &Service::flow_types,
               "Which flows get an entry: `type1`, those that open by a packet that says so (TCP SYN, SCTP "
               "INIT, …); `type2`, those whose first packet looks like any other (UDP, …); or both."),
          word("flow_key", &Service::flow_key,
               "What of a packet tells flows apart: the same words as for `hash_fields`, and at least as "
               "much. "
               "With `source` all that a client sends is one flow."),
          word("flow_start", &Service::flow_start,
               "Which packets say that a flow begins: `handshake` (TCP SYN, SCTP INIT), besides these the "
               "create requests of `gtp-c`; or the accounting of `radius` and the requests of `dhcp`, and "
               "then "
               "a flow is a subscriber's."),
          with_rule(number("flows", &Service::flows, 0, rules::kMaxFlows,
                           "Entries of each group's flow table. 0: a share of `dataplane.flows`."),
                    [](const Service& s) { return rules::flow_entries(s.flows); }),
          section("timeouts", &Service::timeouts, timeouts_keys, "How long a silent flow is remembered."),
          section("elephant", &Service::elephant, elephant_keys,
                  "From which rate on a flow skips tier 2; either figure makes it an elephant."),
          word("weights", &Service::weights,
               "`adaptive`: weights follow the servers' load, as their agents report it, around what is "
               "configured."),
          flag("balance_groups", &Service::balance_groups,
               "A group with little load lends a DIP to one with much."),
          section("load", &Service::load, load_keys,
                  "Bounds of `weights = \"adaptive\"`, `scheduler = \"least-load\"` and `balance_groups`."),
      },
      settle_service};
  return table;
}

const Section<Group>& group_keys() {
  static const Section<Group> table{
      "a group",
      {
          needed(with_rule(text("name", &Group::name, "a name", "The group's name within its service."),
                           [](const Group& g) { return rules::name("name", g.name); }),
                 "\"a\""),
          number("weight", &Group::weight, 0, 1000000,
                 "Its share of the service's flows. 0: the sum of its DIPs' weights."),
          optional_number("worker", &Group::worker, 0, 127,
                          "The lcore of the tier-2 worker that owns the group. Not given: Sluice chooses."),
          dips_of_group(),
      },
      {}};
  return table;
}

const Section<DipList>& dip_list_keys() {
  static const Section<DipList> table{
      "a list of DIPs",
      {
          needed(with_rule(text("name", &DipList::name, "a name", "The name by which `dips` refers to it."),
                           [](const DipList& l) { return rules::name("name", l.name); }),
                 "\"farm\""),
          sections("dips", &DipList::dips, dip_keys, true, "The servers."),
      },
      {}};
  return table;
}

const Section<Dip>& dip_keys() {
  static const Section<Dip> table{
      "a DIP",
      {
          dip_address(),
          number("port", &Dip::port, 0, 65535,
                 "The port it serves on; the agent translates. 0: the VIP's port."),
          number("weight", &Dip::weight, 0, 65535, "Its share of the group's flows. 0: no new flows."),
      },
      settle_dip};
  return table;
}

const Section<Health>& health_keys() {
  static const Section<Health> table{
      "health",
      {
          word("type", &Health::type,
               "The kind of probe; `agent` asks the server's agent, `agent-check` one that speaks HAProxy's "
               "protocol of that name."),
          number("port", &Health::port, 0, 65535,
                 "The port to probe. 0: the DIP's or the service's; for `agent`, 9110."),
          with_rule(text("path", &Health::path, "a path",
                         "The path that `http` and `https` get. `agent` gets /status unless told otherwise."),
                    [](const Health& h) {
                      return h.path.starts_with('/')
                                 ? rules::one_word("path", h.path)
                                 : "path = " + quote(h.path) + " does not begin with /; write " +
                                       quote("/" + h.path);
                    }),
          with_rule(text("host", &Health::host, "a host name", "The Host header. Empty: the VIP."),
                    [](const Health& h) { return rules::one_word("host", h.host); }),
          with_rule(
              text("expect", &Health::expect, "a magic word",
                   "A magic word that the answer of `http`, `https` or `udp` must hold. Empty: any good "
                   "answer will do. For `udp`, \"0x…\" gives bytes in hexadecimal digits."),
              [](const Health& h) { return rules::plain("expect", h.expect, true); }),
          number("interval_ms", &Health::interval_ms, 10, 3600000, "Time from probe to probe."),
          number("timeout_ms", &Health::timeout_ms, 10, 3600000, "How long an answer may take."),
          number("failures", &Health::failures, 1, 1000, "Failed probes in a row that make a DIP down."),
          number("successes", &Health::successes, 1, 1000, "Good probes in a row that make it up again."),
          with_rule(text("payload", &Health::payload, "what to send",
                         "What `udp` and `agent-check` send; \"0x…\" gives bytes in hexadecimal digits."),
                    [](const Health& h) { return rules::plain("payload", h.payload, true); }),
          flag("persistent", &Health::persistent,
               "`http`, `https` and `agent`: one connection for many probes. One that the server closes is "
               "renewed at once and is no failure."),
          word(
              "through", &Health::through,
              "`dip`: the probe goes to the server's own address. `vip`: to the VIP on that server, "
              "encapsulated as a client's packet is, so that it proves tunnel, agent and VIP too; for `tcp`, "
              "`http`, `https` and `udp`."),
          word("admit", &Health::admit,
               "What a DIP that comes later needs before its first packet. `probe`: one good answer. "
               "`doctor`: the doctor, too, has walked the whole way and found nothing wrong, where he can "
               "try it."),
          flag("panic", &Health::panic,
               "When all DIPs die at once, the probes are doubted: the DIPs that were up stay in use."),
      },
      {}};
  return table;
}

const Section<Transition>& transition_keys() {
  static const Section<Transition> table{"transition",
                                         {
                                             number("deadline_s", &Transition::deadline_s, 0, 604800,
                                                    "How long old flows may stay on a leaving DIP."),
                                             word("at_deadline", &Transition::at_deadline,
                                                  "What then happens to them: they time out, get a reset, or "
                                                  "stay until their DIP reports them closed."),
                                         },
                                         {}};
  return table;
}

const Section<Timeouts>& timeouts_keys() {
  constexpr std::int64_t kDay = 86400;
  static const Section<Timeouts> table{
      "timeouts",
      {
          number("syn_s", &Timeouts::syn_s, 1, kDay, "TCP: only a SYN was seen."),
          number("established_s", &Timeouts::established_s, 1, kDay,
                 "TCP: the client has sent more than a SYN, and neither FIN nor RST."),
          number("closing_s", &Timeouts::closing_s, 1, kDay, "TCP: the client has sent FIN or RST."),
          number("udp_s", &Timeouts::udp_s, 1, kDay, "UDP."),
          number("other_s", &Timeouts::other_s, 1, kDay, "Every other protocol."),
      },
      {}};
  return table;
}

const Section<Load>& load_keys() {
  static const Section<Load> table{
      "load",
      {
          number("lowest_percent", &Load::lowest_percent, 1, 100,
                 "Of its configured weight, the least that a DIP counts."),
          number("highest_percent", &Load::highest_percent, 100, 1000,
                 "Of its configured weight, the most that a DIP counts."),
          number("interval_s", &Load::interval_s, 1, 3600,
                 "Weights and capacities change at most once in so long."),
          number("group_difference_percent", &Load::group_difference_percent, 1, 100,
                 "How far the utilisation of two groups must differ before a DIP is lent."),
          number("group_interval_s", &Load::group_interval_s, 1, 86400,
                 "At most one DIP is lent in so long, and the groups must differ for so long."),
          number("group_least_dips", &Load::group_least_dips, 1, 65535,
                 "DIPs that are up which a group keeps."),
      },
      {}};
  return table;
}

const Section<ElephantThreshold>& elephant_keys() {
  static const Section<ElephantThreshold> table{
      "elephant",
      {
          number("bytes_per_s", &ElephantThreshold::bytes_per_s, 0, 1'000'000'000'000,
                 "Of IP packets, a second. 0: bytes make no elephant."),
          number("packets_per_s", &ElephantThreshold::packets_per_s, 0, 1'000'000'000,
                 "Packets a second. 0: packets make no elephant."),
      },
      {}};
  return table;
}

}  // namespace sluice::config
