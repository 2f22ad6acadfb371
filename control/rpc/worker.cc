// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/rpc/appliance.h"

namespace sluice::rpc {

using nlohmann::json;

std::string worker_rate(const WorkerFacts& worker, const char* what) {
  return "worker/" + std::to_string(worker.lcore) + "/" + what;
}

void add_worker(Router& router, Appliance& appliance) {
  router.add(
      {.name = "worker.list",
       .help = "Workers: load and cycles a packet.",
       .handler = [&appliance](const json&) -> json {
         json rows = json::array();
         for (const WorkerFacts& worker : appliance.workers) {
           const WorkerCounters& c = *worker.counters;
           const double packets = static_cast<double>(c.packets.get());
           const double busy_rate = appliance.rates.per_second(worker_rate(worker, "busy"));
           const double total_rate = appliance.rates.per_second(worker_rate(worker, "total"));
           rows.push_back(
               {{"lcore", worker.lcore},
                {"tier1", worker.tier1},
                {"tier2", worker.tier2},
                {"packets", c.packets.get()},
                {"packets_per_s", appliance.rates.per_second(worker_rate(worker, "packets"))},
                {"cycles_per_packet", packets > 0 ? static_cast<double>(c.busy_cycles.get()) / packets : 0.0},
                {"busy_percent", total_rate > 0 ? 100.0 * busy_rate / total_rate : 0.0},
                {"turns", c.turns.get()},
                {"flows", c.flows.get()},
                {"flow_bytes", c.flow_bytes.get()},
                {"elephants", c.elephants.get()}});
         }
         return rows;
       }});
}

void sample_rates(Appliance& appliance) {
  const auto now = metrics::Rates::Clock::now();
  for (const WorkerFacts& worker : appliance.workers) {
    appliance.rates.sample(worker_rate(worker, "busy"), worker.counters->busy_cycles.get(), now);
    appliance.rates.sample(worker_rate(worker, "total"), worker.counters->total_cycles.get(), now);
    appliance.rates.sample(worker_rate(worker, "packets"), worker.counters->packets.get(), now);
  }
  for (const config::Service& service : appliance.live.model().services) {
    const auto id = appliance.live.service_id(service.name);
    if (!id) continue;
    const metrics::Traffic traffic = appliance.totals.service(*id);
    appliance.rates.sample(rate_name(service, "packets"), traffic.packets, now);
    appliance.rates.sample(rate_name(service, "bytes"), traffic.bytes, now);
  }
  appliance.rates.forget_before(now);
}

}  // namespace sluice::rpc
