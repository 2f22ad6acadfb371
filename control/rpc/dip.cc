// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <cmath>

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

json put_in_force(Appliance& appliance, config::Edit edit, const maps::ChangeOptions& options = {}) {
  if (!edit) throw Error(edit.error);
  return {{"done", appliance.apply(std::move(*edit.model), options)}};
}

// Drain and remove are one: out of the model, by a transition or at once.
json take_out(Appliance& appliance, const json& params, const maps::ChangeOptions& options, bool forced) {
  const config::AddressPort address = address_of(params);
  const std::string service = params.at("service");
  config::Edit edit = config::remove_dip(appliance.live.model(), service, params.value("group", ""), address);
  if (!edit) throw Error(edit.error);
  if (!forced) {
    if (const auto refused = appliance.live.refuse_leaving(service, config::to_string(address)))
      throw Error(*refused);
  }
  return put_in_force(appliance, std::move(edit), options);
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

double rounded(double value) {
  return std::round(value * 100) / 100;
}

// What the server's agent says of it, in brief; health.list has all.
void add_report(json& row, const std::optional<health::Report>& report) {
  if (!report) return;
  row["reported"] = health::to_word(report->life);
  if (report->connections) row["reported_connections"] = *report->connections;
  const auto busy = report->cpu_busy_10s_percent ? report->cpu_busy_10s_percent : report->cpu_busy_percent;
  if (busy) row["cpu_busy_percent"] = rounded(*busy);
}

}  // namespace

json dip_rows(const Appliance& appliance, const std::string& only) {
  json rows = json::array();
  const maps::Directory& directory = appliance.live.directory();
  for (std::uint32_t i = 0; i < directory.targets.size(); ++i) {
    const maps::Directory::Target& target = directory.targets[i];
    const std::string& service = directory.services[target.service].name;
    if ((!only.empty() && service != only) || target.dip.gone) continue;
    const metrics::Traffic traffic = appliance.totals.target(target.id);
    const maps::Live::Weight weight = appliance.live.weight_of_target(i);
    rows.push_back({{"service", service},
                    {"group", directory.groups[target.group].name},
                    {"address", target.dip.name},
                    {"weight", std::lround(weight.configured)},
                    {"effective_weight", rounded(weight.effective)},
                    {"state", maps::to_word(target.dip.state())},
                    {"slots", appliance.live.slots_of(i)},
                    {"flows", appliance.totals.flows_of_target(target.id)},
                    {"packets", traffic.packets},
                    {"bytes", traffic.bytes}});
    if (appliance.report_of) add_report(rows.back(), appliance.report_of(service, target.dip.name));
  }
  return rows;
}

void add_dip(Router& router, Appliance& appliance) {
  router.add({.name = "dip.list",
              .parameters = {{.name = "service", .help = "only those of this service"}},
              .help = "DIPs with their slots and counters.",
              .handler = [&appliance](const json& params) {
                const std::string only = params.value("service", "");
                if (!only.empty()) find_service(appliance, only);
                return dip_rows(appliance, only);
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
  router.add({.name = "dip.drain",
              .access = Access::kChange,
              .parameters = which_and(
                  {.name = "deadline_s", .type = Type::kInteger, .minimum = 0, .maximum = 31'536'000}),
              .help = "Takes a DIP out by a transition: its flows stay until they end or the deadline comes.",
              .handler = [&appliance](const json& params) {
                maps::ChangeOptions options;
                if (params.contains("deadline_s"))
                  options.deadline = std::chrono::seconds(params["deadline_s"].get<long>());
                return take_out(appliance, params, options, false);
              }});
  router.add(
      {.name = "dip.remove",
       .access = Access::kChange,
       .parameters = which_and({.name = "now", .type = Type::kBoolean, .help = "at once: its flows break"}),
       .help = "Takes a DIP out: by a transition, or at once.",
       .handler = [&appliance](const json& params) {
         const bool now = params.value("now", false);
         return take_out(appliance, params, {.deadline = {}, .now = now}, now);
       }});
}

}  // namespace sluice::rpc
