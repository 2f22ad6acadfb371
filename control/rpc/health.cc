// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/rpc/health.h"

#include <algorithm>
#include <utility>

#include "control/metrics/text.h"

namespace sluice::rpc {

using nlohmann::json;

namespace {

double ms_of(std::chrono::microseconds time) {
  return static_cast<double>(time.count()) / 1000.0;
}

json results(const std::vector<health::Result>& last) {
  json list = json::array();
  for (const health::Result& result : last) {
    list.push_back({{"ok", result.judgement == health::Judgement::kGood},
                    {"text", result.text},
                    {"ms", ms_of(result.took)}});
    // One that says nothing of the DIP is no failure either.
    if (result.judgement == health::Judgement::kNone) list.back()["counted"] = false;
  }
  return list;
}

// Only what was said, and can be believed.
json report_of(const health::Report& report) {
  json figures = {{"state", health::to_word(report.life)}};
  const auto put = [&](const char* key, const auto& value) {
    if (value) figures[key] = *value;
  };
  put("connections", report.connections);
  put("load_1min", report.load_1min);
  put("cpus", report.cpus);
  put("cpu_busy_percent", report.cpu_busy_percent);
  put("memory_used_percent", report.memory_used_percent);
  put("temperature_c", report.temperature_c);
  put("cpu_busy_10s_percent", report.cpu_busy_10s_percent);
  put("weight_percent", report.weight_percent);
  for (const health::Report::Vip& vip : report.vips) {
    json entry = {{"address", to_string(vip.address)}};
    if (vip.connections) entry["connections"] = *vip.connections;
    if (vip.rx_pps) entry["rx_pps"] = *vip.rx_pps;
    figures["vips"].push_back(std::move(entry));
  }
  return figures;
}

json row_of(const health::Row& row) {
  json out = {{"service", row.service}, {"address", row.address},
              {"state", row.state},     {"since_s", static_cast<double>(row.since.count()) / 1000.0},
              {"healthy", row.healthy}, {"why", row.why},
              {"probe", row.probe},     {"last", results(row.last)}};
  if (!row.report) return out;
  out["report"] = report_of(*row.report);
  const auto& report = *row.report;
  if (const auto busy = report.cpu_busy_10s_percent ? report.cpu_busy_10s_percent : report.cpu_busy_percent)
    out["cpu_busy_percent"] = *busy;
  return out;
}

}  // namespace

void add_health(Router& router, HealthRows rows) {
  router.add({.name = "health.list",
              .parameters = {{.name = "service", .help = "only those of this service"}},
              .help = "What the probes say of each DIP: state, since when, why, the last ten results.",
              .handler = [rows = std::move(rows)](const json& params) -> json {
                const std::string only = params.value("service", "");
                json list = json::array();
                for (const health::Row& row : rows()) {
                  if (only.empty() || row.service == only) list.push_back(row_of(row));
                }
                return list;
              }});
}

std::string render_health(const std::vector<health::Row>& rows, const health::Stats& stats) {
  metrics::Text text;
  text.gauge("sluice_dip_healthy", "1 when the probes let the DIP have packets.");
  for (const health::Row& row : rows)
    text.sample({{"service", row.service}, {"dip", row.address}}, row.healthy ? 1 : 0);
  text.counter("sluice_health_probes_total", "Probes that came to an end.");
  text.sample({}, stats.asked);
  text.counter("sluice_health_failures_total", "Probes that failed.");
  text.sample({}, stats.failed);
  text.counter("sluice_health_not_counted_total", "Probes that said nothing, for want of our own means.");
  text.sample({}, stats.not_counted);
  text.gauge("sluice_health_waiting", "Probes that wait for a socket.");
  text.sample({}, stats.waiting);
  text.counter("sluice_health_walks_total", "The doctor's walks to DIPs that join.");
  text.sample({}, stats.walks);
  text.counter("sluice_health_refused_walks_total", "Those that found something wrong.");
  text.sample({}, stats.refused_walks);
  text.gauge("sluice_health_refused", "DIPs that answer their probes, and that the doctor keeps out.");
  text.sample({}, static_cast<std::uint64_t>(
                      std::count_if(rows.begin(), rows.end(), [](const auto& row) { return row.refused; })));
  return text.take();
}

}  // namespace sluice::rpc
