// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/rpc/mux.h"

#include <algorithm>

namespace sluice::rpc {

using nlohmann::json;

namespace {

json row_of(const pool::Row& row) {
  json holds = json::array();
  for (const IpAddress& address : row.holds) holds.push_back(to_string(address));
  json out = {{"name", row.name},
              {"role", row.role},
              {"self", row.self},
              {"address", to_string(row.address)},
              {"holds", holds},
              {"priority", row.priority},
              {"busy_percent", row.busy_percent}};
  if (row.heard_ago) out["heard_ago_s"] = static_cast<double>(row.heard_ago->count()) / 1000.0;
  return out;
}

pool::Pool& must_have(pool::Pool* pool) {
  if (!pool) throw Error("this MUX is in no pool; give the configuration a section pool and start it again");
  return *pool;
}

}  // namespace

void add_mux(Router& router, pool::Pool* pool) {
  router.add({.name = "mux.list",
              .help = "The members of the pool: who holds which IIP, who is spare, who is silent.",
              .handler = [pool](const json&) -> json {
                json list = json::array();
                for (const pool::Row& row : must_have(pool).rows()) list.push_back(row_of(row));
                return list;
              }});
  router.add(
      {.name = "mux.handover",
       .access = Access::kChange,
       .parameters = {{.name = "to", .help = "the member that takes the IIPs; the best spare if not given"}},
       .help = "Gives this MUX's IIPs to another member, for planned downtime; traffic goes on.",
       .later = [pool](const json& params, const Reply& reply) {
         const std::string to = params.value("to", "");
         must_have(pool).hand_over(to, [reply](const std::optional<std::string>& refused) {
           if (refused) return reply.error(Error(*refused));
           reply.result({{"done",
                          {"the IIPs are handed over; packets that routers still send here are forwarded "
                           "as before, until mux list says spare"}}});
         });
       }});
}

unsigned busiest_percent(const Appliance& appliance) {
  double most = 0;
  for (const WorkerFacts& worker : appliance.workers) {
    const double busy = appliance.rates.per_second(worker_rate(worker, "busy"));
    const double total = appliance.rates.per_second(worker_rate(worker, "total"));
    if (total > 0) most = std::max(most, 100.0 * busy / total);
  }
  return static_cast<unsigned>(std::min(100.0, most));
}

double service_packets_per_s(const Appliance& appliance) {
  double sum = 0;
  for (const config::Service& service : appliance.live.model().services)
    sum += appliance.rates.per_second(rate_name(service, "packets"));
  return sum;
}

}  // namespace sluice::rpc
