// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <algorithm>

#include "control/config/edit.h"
#include "control/config/parse.h"
#include "control/config/words.h"
#include "control/rpc/appliance.h"

namespace sluice::rpc {

using nlohmann::json;

const config::Service& find_service(const Appliance& appliance, const std::string& name) {
  const auto& services = appliance.live.model().services;
  const auto at = std::ranges::find(services, name, &config::Service::name);
  if (at != services.end()) return *at;
  std::vector<std::string> names;
  std::string list;
  for (const config::Service& service : services) {
    names.push_back(service.name);
    list += (list.empty() ? "" : ", ") + service.name;
  }
  throw Error(kNotFound, "no service named " + shown(name) + "; " +
                             (names.empty()        ? "there are none"
                              : names.size() <= 20 ? "services: " + list
                                                   : "see service list") +
                             did_you_mean(name, names));
}

std::string rate_name(const config::Service& service, const char* what) {
  return "service/" + service.name + "/" + what;
}

namespace {

struct DipCount {
  unsigned all = 0, up = 0;
  std::uint64_t flows = 0;
};

DipCount count_dips(const Appliance& appliance, const std::string& service) {
  DipCount count;
  const maps::Directory& directory = appliance.live.directory();
  for (const maps::Directory::Target& target : directory.targets) {
    if (directory.services[target.service].name != service) continue;
    count.flows += appliance.totals.flows_of_target(target.id);
    if (target.dip.leaving) continue;
    ++count.all;
    count.up += target.dip.state() == maps::DipState::kUp;
  }
  return count;
}

json service_row(const Appliance& appliance, const config::Service& service) {
  const DipCount dips = count_dips(appliance, service.name);
  metrics::Traffic traffic;
  metrics::FlowEventTotals events;
  if (const auto id = appliance.live.service_id(service.name)) {
    traffic = appliance.totals.service(*id);
    events = appliance.totals.events(*id);
  }
  return {{"name", service.name},
          {"vip", to_string(service.vip)},
          {"protocol", config::to_word(service.protocol)},
          {"port", service.port},
          {"stickiness", config::to_word(service.stickiness)},
          {"state", dips.up > 0 ? "up" : "down"},
          {"dips", dips.all},
          {"dips_up", dips.up},
          {"flows", dips.flows},
          {"rx_packets", traffic.packets},
          {"rx_bytes", traffic.bytes},
          {"rx_packets_per_s", appliance.rates.per_second(rate_name(service, "packets"))},
          {"rx_bytes_per_s", appliance.rates.per_second(rate_name(service, "bytes"))},
          {"flows_broken", events.broken()},
          {"flows_broken_dip_down", events.broken_dip_down},
          {"flows_broken_deadline", events.broken_deadline},
          {"flows_reset", events.reset},
          {"flows_untracked", events.untracked},
          {"unknown_flow_packets", events.unknown}};
}

json service_details(const Appliance& appliance, const config::Service& service) {
  json row = service_row(appliance, service);
  row["hash_fields"] = config::to_word(service.hash_fields);
  row["flow_key"] = config::to_word(service.flow_key);
  row["flow_start"] = config::to_word(service.flow_start);
  row["scheduler"] = config::to_word(service.scheduler);
  row["encapsulation"] = config::to_word(service.encapsulation);
  row["outer_source"] = config::to_word(service.outer_source);
  row["unknown_flow"] = config::to_word(service.unknown_flow);
  row["announce"] = config::to_word(service.announce);
  row["deadline_s"] = service.transition.deadline_s;
  row["at_deadline"] = config::to_word(service.transition.at_deadline);
  row["dip_list"] = dip_rows(appliance, service.name);
  return row;
}

// Parameters by name have the keys of the file, so the file's own reader takes them.
config::Node to_node(const json& value, const std::string& key) {
  config::Node node;
  node.key = key;
  using Kind = config::Node::Kind;
  if (value.is_boolean()) {
    node.kind = Kind::kBoolean;
    node.number = value.get<bool>();
  } else if (value.is_number_integer()) {
    node.kind = Kind::kNumber;
    node.number = value.get<std::int64_t>();
  } else if (value.is_string()) {
    node.kind = Kind::kText;
    node.text = value.get<std::string>();
  } else if (value.is_array()) {
    node.kind = Kind::kList;
    for (const json& item : value) node.children.push_back(to_node(item, ""));
  } else if (value.is_object()) {
    for (const auto& [name, item] : value.items()) node.children.push_back(to_node(item, name));
  } else {
    throw Error(kInvalidParams, "parameter " + shown(key) + " is neither text, number, list nor object");
  }
  return node;
}

json add_one(Appliance& appliance, const json& params) {
  std::string error;
  const auto service = config::read_service(to_node(params, ""), error);
  if (!service) throw Error(kInvalidParams, error);
  config::Edit edit = config::add_service(appliance.live.model(), *service);
  if (!edit) throw Error(edit.error);
  return {{"done", appliance.apply(std::move(*edit.model), {})}};
}

}  // namespace

void add_service(Router& router, Appliance& appliance) {
  router.add({.name = "service.list",
              .help = "Services with their counters and states.",
              .handler = [&appliance](const json&) -> json {
                json rows = json::array();
                for (const config::Service& service : appliance.live.model().services) {
                  rows.push_back(service_row(appliance, service));
                }
                return rows;
              }});
  router.add({.name = "service.show",
              .parameters = {{.name = "name", .required = true, .help = "the service's name"}},
              .help = "One service with its settings, groups and DIPs.",
              .handler = [&appliance](const json& params) {
                return service_details(appliance, find_service(appliance, params.at("name")));
              }});
  router.add({.name = "service.remove",
              .access = Access::kChange,
              .parameters = {{.name = "name", .required = true, .help = "the service's name"}},
              .help = "Stops serving a VIP.",
              .handler = [&appliance](const json& params) -> json {
                const std::string name = params.at("name");
                find_service(appliance, name);
                config::Edit edit = config::remove_service(appliance.live.model(), name);
                if (!edit) throw Error(edit.error);
                return {{"done", appliance.apply(std::move(*edit.model), {})}};
              }});
  router.add(
      {.name = "service.add",
       .access = Access::kChange,
       .parameters = {{.name = "name", .required = true, .help = "a name of your choice"},
                      {.name = "vip", .required = true, .help = "the address, or a whole prefix"},
                      {.name = "protocol", .help = "tcp, udp, sctp, …, or any"},
                      {.name = "port", .type = Type::kInteger, .help = "0 is every port"},
                      {.name = "dips", .type = Type::kArray, .help = "objects {address, port, weight}"},
                      {.name = "groups", .type = Type::kArray, .help = "objects {name, dips}"},
                      {.name = "stickiness", .help = "flow or none"},
                      {.name = "hash_fields", .help = "5-tuple, 3-tuple or source"},
                      {.name = "flow_key", .help = "5-tuple, 3-tuple or source"},
                      {.name = "flow_start", .help = "handshake, gtp-c, radius or dhcp"},
                      {.name = "scheduler", .help = "how a new flow finds its DIP"},
                      {.name = "encapsulation", .help = "ipip or gue"},
                      {.name = "outer_source", .help = "mux, client or prefix"},
                      {.name = "unknown_flow", .help = "hash, drop or reset"},
                      {.name = "announce", .help = "live, always or never"}},
       .help = "Serves a further VIP; keys as in the configuration file.",
       .handler = [&appliance](const json& params) { return add_one(appliance, params); }});
}

}  // namespace sluice::rpc
