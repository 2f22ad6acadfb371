// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/edit.h"
#include "control/rpc/appliance.h"

namespace sluice::rpc {

using nlohmann::json;

namespace {

config::AddressPort address_of(const json& params) {
  const std::string text = params.at("address");
  if (const auto value = config::parse_address_port(text)) return *value;
  throw Error(kInvalidParams, shown(text) +
                                  " is no DIP; right would be 10.1.0.11, 10.1.0.11:8080, "
                                  "2001:db8::1 or [2001:db8::1]:8080");
}

json list_dips(const Appliance& appliance, const std::string& only) {
  json rows = json::array();
  if (!only.empty()) find_service(appliance, only);
  for (const config::Service& service : appliance.live.model().services) {
    if (!only.empty() && service.name != only) continue;
    for (const config::Group& group : service.groups) {
      for (const config::Dip& dip : group.dips) {
        metrics::Traffic traffic;
        if (const auto id = appliance.live.target_id(service, group, dip)) {
          traffic = appliance.totals.target(*id);
        }
        rows.push_back({{"service", service.name},
                        {"group", group.name},
                        {"address", config::to_string(config::AddressPort{dip.address, dip.port})},
                        {"weight", dip.weight},
                        {"state", appliance.live.is_up(service, dip) ? "up" : "down"},
                        {"slots", appliance.live.slots_of(service.name, group.name, dip)},
                        {"flows", 0},
                        {"packets", traffic.packets},
                        {"bytes", traffic.bytes}});
      }
    }
  }
  return rows;
}

json put_in_force(Appliance& appliance, config::Edit edit) {
  if (!edit) throw Error(edit.error);
  return {{"done", appliance.apply(std::move(*edit.model))}};
}

const std::vector<Parameter> kWhich = {
    {.name = "service", .required = true, .help = "the service's name"},
    {.name = "address", .required = true, .help = "the DIP, with :port where it has its own"},
    {.name = "group", .help = "needed when the service has several"}};

std::vector<Parameter> which_and(Parameter more) {
  std::vector<Parameter> all = kWhich;
  all.push_back(std::move(more));
  return all;
}

}  // namespace

void add_dip(Router& router, Appliance& appliance) {
  router.add({.name = "dip.list",
              .parameters = {{.name = "service", .help = "only those of this service"}},
              .help = "DIPs with their slots and counters.",
              .handler = [&appliance](const json& params) {
                return list_dips(appliance, params.value("service", ""));
              }});
  router.add(
      {.name = "dip.add",
       .access = Access::kChange,
       .parameters = which_and({.name = "weight", .type = Type::kInteger, .minimum = 0, .maximum = 65535}),
       .help = "Adds a DIP to a service.",
       .handler = [&appliance](const json& params) {
         const config::AddressPort at = address_of(params);
         config::Dip dip{.address = at.address, .port = at.port};
         dip.weight = params.value("weight", 1u);
         return put_in_force(appliance,
                             config::add_dip(appliance.live.model(), params.at("service").get<std::string>(),
                                             params.value("group", ""), dip));
       }});
  router.add(
      {.name = "dip.weight",
       .access = Access::kChange,
       .parameters = which_and(
           {.name = "weight", .type = Type::kInteger, .required = true, .minimum = 0, .maximum = 65535}),
       .help = "Changes a DIP's share of the slots.",
       .handler = [&appliance](const json& params) {
         return put_in_force(
             appliance, config::set_weight(appliance.live.model(), params.at("service").get<std::string>(),
                                           params.value("group", ""), address_of(params),
                                           params.at("weight").get<std::uint32_t>()));
       }});
  router.add({.name = "dip.remove",
              .access = Access::kChange,
              .parameters = which_and({.name = "now", .type = Type::kBoolean, .help = "at once"}),
              .help = "Takes a DIP out; its slots go to the others.",
              .handler = [&appliance](const json& params) {
                return put_in_force(
                    appliance,
                    config::remove_dip(appliance.live.model(), params.at("service").get<std::string>(),
                                       params.value("group", ""), address_of(params)));
              }});
}

}  // namespace sluice::rpc
