// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/rpc/mux.h"

#include <algorithm>
#include <array>

#include "control/metrics/text.h"

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
              {"busy_percent", row.busy_percent},
              {"data_path", row.data_path}};
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

std::string render_pool(const pool::Pool* pool) {
  if (!pool) return {};
  static constexpr std::array kRoles = {"active", "spare", "draining", "listening", "left", "silent"};
  metrics::Text text;
  const std::vector<pool::Row> rows = pool->rows();
  text.gauge("sluice_pool_member", "1 for the role that a member has, as this one sees it.");
  for (const pool::Row& row : rows)
    for (const char* role : kRoles) text.sample({{"member", row.name}, {"role", role}}, row.role == role);
  text.gauge("sluice_pool_member_iips", "IIPs that the member holds.");
  for (const pool::Row& row : rows) text.sample({{"member", row.name}}, row.holds.size());
  text.gauge("sluice_pool_member_busy_percent", "How busy the member's busiest worker is.");
  for (const pool::Row& row : rows) text.sample({{"member", row.name}}, row.busy_percent);
  text.gauge("sluice_pool_member_data_path",
             "1 when the member's data path answers as clients need it, 0 when it does not.");
  for (const pool::Row& row : rows)
    if (!row.data_path.empty()) text.sample({{"member", row.name}}, row.data_path == "ok");
  const pool::Stats stats = pool->stats();
  text.counter("sluice_pool_adverts_total", "Adverts, by what became of them.");
  const auto adverts = [&](const char* fate, std::uint64_t count) { text.sample({{"fate", fate}}, count); };
  adverts("sent", stats.adverts_sent);
  adverts("heard", stats.adverts_heard);
  adverts("forged", stats.adverts_forged);
  adverts("old", stats.adverts_old);
  text.counter("sluice_pool_iips_total", "IIPs that came or went, by how.");
  const auto iips = [&](const char* how, std::uint64_t count) { text.sample({{"how", how}}, count); };
  iips("taken-over", stats.taken_over);
  iips("offered", stats.taken_by_offer);
  iips("given-up", stats.given_up);
  iips("defended", stats.defended);
  text.counter("sluice_pool_handovers_total", "Handovers that this member began, by how they ended.");
  text.sample({{"end", "done"}}, stats.handovers);
  text.sample({{"end", "failed"}}, stats.handovers_failed);
  const auto counter = [&](const char* name, const char* help, std::uint64_t value) {
    text.counter(name, help);
    text.sample({}, value);
  };
  counter("sluice_pool_probes_total", "Packets that asked another member's data path.", stats.path.sent);
  counter("sluice_pool_probes_answered_total", "Those of them that were answered.", stats.path.answered);
  counter("sluice_pool_probe_rounds_missed_total", "Rounds in which a member answered nothing.",
          stats.path.rounds_missed);
  counter("sluice_pool_accused_total", "Times that another member found the data path of this one dead.",
          stats.accused);
  counter("sluice_pool_exchanges_total", "Those handovers that the rule on load began.", stats.exchanges);
  return text.take();
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
