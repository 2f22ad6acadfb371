// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/rpc/appliance.h"

namespace sluice::rpc {

using nlohmann::json;

namespace {

json list(const Appliance& appliance) {
  json rows = json::array();
  for (const maps::Live::TransitionRow& row : appliance.live.transitions(maps::Clock::now())) {
    rows.push_back({{"service", row.service},
                    {"slots_moved", row.slots_moved},
                    {"flows_old", row.flows_old},
                    {"flows_pinned", row.flows_pinned},
                    {"flows_in_old_groups", row.flows_in_old_groups},
                    {"slots_given_up", row.slots_given_up},
                    {"remaining_s", row.remaining.count()},
                    {"leaving", row.leaving}});
    const auto lent = appliance.live.loads().lent.find(row.service);
    if (lent == appliance.live.loads().lent.end()) continue;
    // As long as the change that lent them may be among those under way.
    for (const auto& [who, to] : lent->second)
      rows.back()["lent"].push_back({{"dip", who.dip}, {"from", who.from}, {"to", to}});
  }
  return rows;
}

const std::vector<Parameter> kService = {{.name = "service", .required = true, .help = "the service's name"}};

[[noreturn]] void refuse(const std::string& service) {
  throw Error(kNotFound, "service " + service + " has no transition under way");
}

}  // namespace

void add_transition(Router& router, Appliance& appliance) {
  router.add({.name = "transition.list",
              .help = "Transitions under way: flows still on leaving DIPs, seconds left.",
              .handler = [&appliance](const json&) { return list(appliance); }});
  router.add({.name = "transition.finish",
              .access = Access::kChange,
              .parameters = kService,
              .help = "Ends a service's transitions now, as their deadline would.",
              .handler = [&appliance](const json& params) -> json {
                const config::Service& service = find_service(appliance, params.at("service"));
                const std::string name = service.name;
                if (!appliance.live.finish_transitions(name)) refuse(name);
                return {{"done", {"transitions of service " + name + " are finished"}}};
              }});
  router.add({.name = "transition.abort",
              .access = Access::kChange,
              .parameters = kService,
              .help = "Goes back to the map before; flows born since stay where they are.",
              .handler = [&appliance](const json& params) -> json {
                const std::string name = find_service(appliance, params.at("service")).name;
                auto before = appliance.live.before_transitions(name);
                if (!before) refuse(name);
                return {{"done", appliance.apply(std::move(*before), {})}};
              }});
}

}  // namespace sluice::rpc
