// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/rpc/route.h"

#include "control/metrics/text.h"

namespace sluice::rpc {

using nlohmann::json;

json route_states(const route::Announcer& announcer) {
  json states = json::object();
  for (const route::Row& row : announcer.rows()) states[row.state] = states.value(row.state, 0) + 1;
  return states;
}

json route_to(const route::Announcer& announcer, const IpAddress& destination) {
  const std::vector<route::Row> rows = announcer.rows();
  const route::Row* best = nullptr;
  for (const route::Row& row : rows)
    if (row.prefix.contains(destination) && (!best || row.prefix.length > best->prefix.length)) best = &row;
  if (!best) return nullptr;
  return {{"prefix", to_string(best->prefix)}, {"state", best->state}, {"why", best->why}};
}

void add_route_parts(Appliance& appliance, const route::Announcer& announcer) {
  appliance.status_parts["routes"] = [&announcer] { return route_states(announcer); };
  appliance.explain_parts.emplace_back([&announcer](const FlowKey& key, json& answer) {
    if (json route = route_to(announcer, key.destination); !route.is_null())
      answer["route"] = std::move(route);
  });
}

void add_route(Router& router, const route::Announcer& announcer) {
  router.add({.name = "route.list",
              .help = "The route of each VIP: announced or withdrawn, for which services, and why.",
              .handler = [&announcer](const json&) -> json {
                json list = json::array();
                for (const route::Row& row : announcer.rows()) {
                  list.push_back({{"prefix", to_string(row.prefix)},
                                  {"state", row.state},
                                  {"services", row.services},
                                  {"why", row.why}});
                }
                return list;
              }});
}

std::string render_routes(const route::Announcer& announcer) {
  metrics::Text text;
  text.gauge("sluice_route_announced", "1 when the VIP has its route in the kernel.");
  for (const route::Row& row : announcer.rows())
    text.sample({{"prefix", to_string(row.prefix)}}, row.state == "announced" ? 1 : 0);
  const route::Stats& stats = announcer.stats();
  text.counter("sluice_routes_announced_total", "Routes put into the kernel.");
  text.sample({}, stats.announced);
  text.counter("sluice_routes_withdrawn_total", "Routes taken out of the kernel.");
  text.sample({}, stats.withdrawn);
  text.counter("sluice_routes_refused_total", "Changes of routes that the kernel refused.");
  text.sample({}, stats.refused);
  text.counter("sluice_routes_repaired_total", "Routes that were found changed by somebody else.");
  text.sample({}, stats.repaired);
  return text.take();
}

}  // namespace sluice::rpc
