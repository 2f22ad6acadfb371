// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/rpc/appliance.h"

namespace sluice::rpc {

using nlohmann::json;

namespace {

json restart_json(const restart::Outcome& outcome) {
  if (outcome.kind == restart::Outcome::Kind::kNothing) return "nothing to take over";
  if (outcome.kind == restart::Outcome::Kind::kRefused) return outcome.why;
  json out = {{"from_version", outcome.program},    {"away_ms", outcome.away.count()},
              {"flows", outcome.flows.taken},       {"flows_expired", outcome.flows.expired},
              {"flows_gone", outcome.flows.gone},   {"flows_no_room", outcome.flows.no_room},
              {"flows_wrong", outcome.flows.wrong}, {"tables_refused", outcome.tables_refused},
              {"transitions", outcome.transitions}};
  if (!outcome.why.empty()) out["refused"] = outcome.why;
  return out;
}

}  // namespace

void add_status(Router& router, Appliance& appliance) {
  router.add(
      {.name = "status",
       .help = "Version, uptime, readiness, ports, workers, memory.",
       .handler = [&appliance](const json&) -> json {
         json ports = json::array(), workers = json::array();
         for (const PortFacts& port : appliance.ports) {
           ports.push_back({{"name", port.name},
                            {"device", port.device},
                            {"driver", port.driver},
                            {"mac", to_string(port.mac)},
                            {"mtu_bytes", port.mtu},
                            {"link_up", port.link_up()}});
         }
         for (const WorkerFacts& worker : appliance.workers) {
           workers.push_back({{"lcore", worker.lcore}, {"tier1", worker.tier1}, {"tier2", worker.tier2}});
         }
         const auto uptime = std::chrono::steady_clock::now() - appliance.started;
         json all = {{"version", SLUICE_VERSION},
                     {"ready", appliance.ready},
                     {"uptime_s", std::chrono::duration_cast<std::chrono::seconds>(uptime).count()},
                     {"hash_key_id", appliance.hash_key_id},
                     {"config_file", appliance.config_file},
                     {"generation", appliance.live.generation()},
                     {"services", appliance.live.model().services.size()},
                     {"unreachable", appliance.live.unreachable()},
                     {"restart", restart_json(appliance.restart)},
                     {"memory", {{"buffers", appliance.buffers}, {"free_buffers", appliance.free_buffers()}}},
                     {"ports", ports},
                     {"workers", workers}};
         for (const auto& [key, part] : appliance.status_parts) all[key] = part();
         return all;
       }});
}

}  // namespace sluice::rpc
