// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/ctl/command.h"

#include <algorithm>

namespace sluice::ctl {
namespace {

Argument service(bool required = true) {
  return {.key = "service",
          .shown = "SERVICE",
          .required = required,
          .help = required ? "the service's name" : "only those of this service",
          .live = Live::kService};
}

Argument dip(const std::string& help, bool known = true) {
  return {.key = "address",
          .shown = "ADDRESS",
          .kind = Kind::kAddress,
          .help = help,
          .live = known ? Live::kDip : Live::kNone};
}

Argument option(const std::string& name, const std::string& shown, const std::string& key, Kind kind,
                const std::string& help, const std::vector<std::string>& choices = {}) {
  return {.key = key,
          .shown = shown,
          .option = name,
          .kind = kind,
          .required = false,
          .help = help,
          .choices = choices};
}

Argument group(const std::string& help) {
  return option("--group", "G", "group", Kind::kText, help);
}

Argument flag(const std::string& name, const std::string& key, const std::string& help) {
  return option(name, "", key, Kind::kFlag, help);
}

Argument file(bool required, const std::string& help) {
  return {.key = "file", .shown = "FILE", .kind = Kind::kFile, .required = required, .help = help};
}

const std::vector<std::string> kProtocols = {"tcp", "udp", "sctp", "icmp", "icmp6", "esp", "ah"};

// PROTO SRC:PORT DST:PORT, the way `explain` and `flow show` name a flow.
std::vector<Argument> flow_tuple() {
  return {
      {.key = "protocol",
       .shown = "PROTO",
       .help = "its protocol, a word or a number",
       .choices = kProtocols},
      {.key = "source",
       .shown = "SRC:PORT",
       .kind = Kind::kEndpoint,
       .help = "the client, as 192.0.2.1:40000 or [2001:db8::1]:40000"},
      {.key = "destination", .shown = "DST:PORT", .kind = Kind::kEndpoint, .help = "the VIP, written alike"}};
}

const std::vector<std::string> kWayKeys = {"verdict",  "reason",    "drop",  "service", "hash",  "group_slot",
                                           "group",    "slot_hash", "slot",  "state",   "table", "dip",
                                           "next_hop", "outer",     "route", "iips"};

void add_services(std::vector<Command>& list) {
  const View record{Form::kRecord,
                    {"name", "vip", "protocol", "port", "state", "stickiness", "hash_fields", "scheduler",
                     "dips", "flows", "rx_packets", "rx_bytes", "flows_broken"}};
  list.push_back({"service",
                  "list",
                  {},
                  "Services with their counters and states.",
                  "service.list",
                  {Form::kTable,
                   {"name", "vip", "protocol", "port", "state", "stickiness", "dips", "flows", "rx_packets",
                    "rx_bytes", "rx_pps", "flows_broken"},
                   "no services"}});
  Argument name = service();
  name.key = "name";
  name.shown = "NAME";
  list.push_back(
      {"service", "show", {name}, "One service with all its settings and servers.", "service.show", record});
  Argument fresh = name;
  fresh.live = Live::kNone;
  fresh.help = "a name of your choice";
  Argument vip =
      option("--vip", "ADDRESS", "vip", Kind::kPrefix, "the address that clients use, or a whole prefix");
  vip.required = true;
  list.push_back(
      {"service",
       "add",
       {fresh, vip,
        option("--protocol", "WORD", "protocol", Kind::kText, "its protocol", {"tcp", "udp", "sctp", "any"}),
        option("--port", "N", "port", Kind::kInteger, "its port; 0 is every port"),
        option("--dip", "ADDRESS[:PORT][*WEIGHT]", "dips", Kind::kDip,
               "a server and its weight; repeat it for more"),
        option("--stickiness", "WORD", "stickiness", Kind::kText, "what keeps a flow on its server",
               {"flow", "none"}),
        option("--hash-fields", "WORD", "hash_fields", Kind::kText, "what the choice looks at",
               {"5-tuple", "3-tuple", "source"}),
        option("--flow-key", "WORD", "flow_key", Kind::kText, "what tells flows apart",
               {"5-tuple", "3-tuple", "source"}),
        option("--flow-start", "WORD", "flow_start", Kind::kText, "which packets open a flow",
               {"handshake", "gtp-c", "radius", "dhcp"}),
        option("--scheduler", "WORD", "scheduler", Kind::kText, "how a new flow finds its server",
               {"hash", "round-robin", "random", "weighted-round-robin", "weighted-random", "least-flows",
                "least-load"}),
        option("--encapsulation", "WORD", "encapsulation", Kind::kText, "how packets travel to a server",
               {"ipip", "gue"}),
        option("--outer-source", "WORD", "outer_source", Kind::kText, "whose address they travel from",
               {"mux", "client", "prefix"}),
        option("--unknown-flow", "WORD", "unknown_flow", Kind::kText, "what a packet of no known flow meets",
               {"hash", "drop", "reset"}),
        option("--announce", "WORD", "announce", Kind::kText, "when routers are told of the VIP",
               {"live", "always", "never"})},
       "Serves a further VIP.",
       "service.add"});
  list.push_back({"service", "remove", {name}, "Stops serving a VIP.", "service.remove"});
}

const char* const kWhichGroup = "its group, when the service has several";

void add_dips(std::vector<Command>& list) {
  list.push_back({"dip",
                  "list",
                  {service(false)},
                  "Servers with their slots and counters.",
                  "dip.list",
                  {Form::kTable,
                   {"service", "group", "address", "weight", "effective_weight", "state", "slots", "flows",
                    "packets", "bytes", "cpu_busy_percent"},
                   "no DIPs"}});
  list.push_back(
      {"dip",
       "add",
       {service(), dip("the new server", false), group("the group it joins"),
        option("--weight", "N", "weight", Kind::kInteger, "its share of the slots, 1 if not given")},
       "Adds a server to a service.",
       "dip.add"});
  list.push_back(
      {"dip",
       "weight",
       {service(),
        dip("the server"),
        {.key = "weight", .shown = "N", .kind = Kind::kInteger, .help = "its new share of the slots"},
        group(kWhichGroup)},
       "Changes a server's share.",
       "dip.weight"});
  list.push_back({"dip",
                  "drain",
                  {service(), dip("the server"),
                   option("--deadline", "S", "deadline_s", Kind::kInteger, "seconds after which it is over"),
                   group(kWhichGroup)},
                  "Takes a server out by a transition: its flows stay, new ones go elsewhere.",
                  "dip.drain"});
  list.push_back(
      {"dip",
       "remove",
       {service(), dip("the server"), flag("--now", "now", "at once: its flows break"), group(kWhichGroup)},
       "Takes a server out for good, by a transition if not told otherwise.",
       "dip.remove"});
}

void add_flows(std::vector<Command>& list) {
  list.push_back({"transition",
                  "list",
                  {},
                  "Transitions under way: flows still on the old map, seconds left.",
                  "transition.list",
                  {Form::kTable,
                   {"service", "slots_moved", "slots_given_up", "flows_old", "flows_in_old_groups",
                    "flows_pinned", "leaving", "remaining_s"},
                   "no transition under way"}});
  list.push_back({"transition",
                  "finish",
                  {service()},
                  "Ends a transition now, as its deadline would.",
                  "transition.finish"});
  list.push_back({"transition",
                  "abort",
                  {service()},
                  "Goes back to the old map without breaking a flow.",
                  "transition.abort"});
  list.push_back({"flow",
                  "list",
                  {service(false), option("--limit", "N", "limit", Kind::kInteger, "at most so many")},
                  "Flows that the tables hold.",
                  "flow.list",
                  {Form::kTable,
                   {"service", "protocol", "source", "destination", "dip", "state", "age_s", "idle_s",
                    "packets", "bytes"},
                   "no flows"}});
  list.push_back({"flow",
                  "show",
                  flow_tuple(),
                  "One flow and the table that holds it.",
                  "flow.show",
                  {Form::kRecord, kWayKeys}});
  list.push_back(
      {"flow", "flush", {service()}, "Forgets the flows of a service; the map decides anew.", "flow.flush"});
  list.push_back({"elephant",
                  "list",
                  {},
                  "Flows that skip tier 2, with their rates.",
                  "elephant.list",
                  {Form::kTable,
                   {"service", "protocol", "source", "destination", "dip", "rate_pps", "rate_bps", "packets",
                    "bytes", "age_s"},
                   "no elephants"}});
  std::vector<Argument> way = flow_tuple();
  way.push_back(flag("--syn", "syn", "the packet opens a connection"));
  list.push_back({"explain",
                  "",
                  way,
                  "The whole way of such a packet, and why, asked of the stages themselves.",
                  "explain",
                  {Form::kRecord, kWayKeys}});
}

void add_machine(std::vector<Command>& list) {
  list.push_back({"port",
                  "list",
                  {},
                  "Ports with their counters.",
                  "port.list",
                  {Form::kTable,
                   {"name", "link", "rx_packets", "created_packets", "tx_packets", "punted_packets",
                    "dropped_packets", "held_packets"},
                   "no ports"}});
  list.push_back(
      {"worker",
       "list",
       {},
       "Workers: load, cycles per packet, flows.",
       "worker.list",
       {Form::kTable,
        {"lcore", "tier1", "tier2", "packets", "cycles_per_packet", "busy_percent", "flows", "flow_bytes"},
        "no workers"}});
  list.push_back({"drop",
                  "list",
                  {},
                  "Dropped packets by reason.",
                  "drop.list",
                  {Form::kTable, {"reason", "packets", "text"}, "nothing was dropped", "packets"}});
  list.push_back({"health",
                  "list",
                  {},
                  "Servers' health: state, since when, and why.",
                  "health.list",
                  {Form::kTable,
                   {"service", "address", "state", "since_s", "cpu_busy_percent", "why"},
                   "no health checks"}});
  list.push_back({"health",
                  "check",
                  {service(), dip("the server")},
                  "Walks the whole way to a server once and names what is wrong.",
                  "health.check",
                  {Form::kRecord, {"service", "address", "ok", "verdict", "steps"}}});
  list.push_back({"route",
                  "list",
                  {},
                  "The route of each VIP in the kernel: announced or withdrawn, and why.",
                  "route.list",
                  {Form::kTable, {"prefix", "state", "services", "why"}, "no VIPs"}});
}

void add_addresses(std::vector<Command>& list) {
  const Argument address{.key = "address", .shown = "ADDRESS", .kind = Kind::kAddress, .help = "the address"};
  list.push_back({"iip",
                  "list",
                  {},
                  "Intermediate addresses that routers send to.",
                  "iip.list",
                  {Form::kTable, {"address", "port", "state", "since_s", "mac", "why"}, "no IIPs"}});
  list.push_back(
      {"iip",
       "add",
       {{.key = "address",
         .shown = "ADDRESS",
         .kind = Kind::kText,
         .help = "the address, as 10.0.0.100 or 10.0.0.100/24"},
        option("--port", "NAME", "port", Kind::kText, "the port it is on, when several could be meant")},
       "Takes an address after asking whether anybody defends it.",
       "iip.add"});
  list.push_back({"iip", "remove", {address}, "Gives an address up.", "iip.remove"});
  list.push_back({"iip", "announce", {address}, "Tells the neighbours again who holds it.", "iip.announce"});
  list.push_back(
      {"mux",
       "list",
       {},
       "The members of the pool: who holds which IIP, who is spare, who is silent.",
       "mux.list",
       {Form::kTable,
        {"name", "role", "address", "holds", "data_path", "priority", "busy_percent", "heard_ago_s"},
        "no members"}});
  list.push_back({"mux",
                  "handover",
                  {{.key = "to",
                    .shown = "TO",
                    .required = false,
                    .help = "the member that takes the IIPs; the best spare if not given"}},
                  "Gives this MUX's IIPs to another member, for planned downtime; traffic goes on.",
                  "mux.handover"});
  list.push_back({"capture",
                  "start",
                  {file(true, "where the packets go, as pcapng"),
                   flag("--drops", "drops", "only dropped packets"),
                   {.key = "service",
                    .shown = "NAME",
                    .option = "--service",
                    .required = false,
                    .help = "only packets of this service",
                    .live = Live::kService},
                   option("--limit", "N", "limit", Kind::kInteger, "stops after so many packets")},
                  "Writes packets to a file, dropped ones with their reason.",
                  "capture.start"});
  list.push_back({"capture", "stop", {}, "Ends the capture.", "capture.stop"});
}

std::vector<Command> table() {
  std::vector<Command> list;
  list.push_back({"status",
                  "",
                  {},
                  "Version, uptime, readiness, ports, workers and memory.",
                  "status",
                  {Form::kRecord,
                   {"version", "ready", "uptime_s", "hash_key_id", "config_file", "memory", "routes", "ports",
                    "workers"}}});
  add_services(list);
  add_dips(list);
  add_flows(list);
  add_machine(list);
  add_addresses(list);
  list.push_back({"config",
                  "check",
                  {file(true, "the file to examine")},
                  "Says what is wrong with a file, and what would be right.",
                  "config.check",
                  {Form::kRecord, {"file", "valid", "changes"}}});
  list.push_back({"config",
                  "reload",
                  {file(false, "another file than the one in use")},
                  "Applies the difference between what runs and the file.",
                  "config.reload"});
  list.push_back(
      {"config", "show", {}, "What runs, as a file that can be loaded again.", "config.show", {Form::kText}});
  list.push_back(
      {"top", "", {}, "A live screen of services, servers, workers and drops; q quits.", "", {Form::kTop}});
  return list;
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> list = table();
  return list;
}

const Command* find_command(std::string_view object, std::string_view verb) {
  const auto& list = commands();
  const auto found = std::ranges::find_if(
      list, [&](const Command& command) { return command.object == object && command.verb == verb; });
  return found == list.end() ? nullptr : &*found;
}

std::vector<std::string> objects() {
  std::vector<std::string> words;
  for (const Command& command : commands()) {
    if (words.empty() || words.back() != command.object) words.push_back(command.object);
  }
  return words;
}

std::vector<std::string> verbs_of(std::string_view object) {
  std::vector<std::string> words;
  for (const Command& command : commands()) {
    if (command.object == object && !command.verb.empty()) words.push_back(command.verb);
  }
  return words;
}

std::string name_of(const Command& command) {
  return command.verb.empty() ? command.object : command.object + " " + command.verb;
}

std::string synopsis(const Command& command) {
  std::string text = name_of(command);
  for (const Argument& argument : command.arguments) {
    std::string word = argument.option;
    if (!argument.shown.empty()) word += (word.empty() ? "" : " ") + argument.shown;
    text += argument.required ? " " + word : " [" + word + "]";
    if (argument.kind == Kind::kDip) text += "...";
  }
  return text;
}

}  // namespace sluice::ctl
