// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <map>

#include "control/rpc/appliance.h"
#include "dataplane/table/elephant_table.h"

namespace sluice::rpc {

using nlohmann::json;

namespace {

constexpr std::uint32_t kPageRows = 512;

struct Walk {
  Appliance& appliance;
  Reply reply;
  unsigned worker = 0;
  std::uint32_t first = 0;
  json rows = json::array();
};

json row_of(const Appliance& appliance, const ElephantPage::Row& row) {
  const maps::Directory& directory = appliance.live.directory();
  std::string service = "gone", dip = "gone";
  for (const maps::Directory::Target& target : directory.targets) {
    if (target.id != row.target) continue;
    service = directory.services[target.service].name;
    dip = target.dip.name;
  }
  const double age_s = static_cast<double>(row.age_tsc) / static_cast<double>(appliance.tsc_hz);
  const auto rate = [&](std::uint64_t count) { return age_s > 0 ? static_cast<double>(count) / age_s : 0.0; };
  return {{"service", service},
          {"protocol", row.key.protocol},
          {"source", to_string(row.key.source)},
          {"source_port", row.key.source_port.value()},
          {"destination", to_string(row.key.destination)},
          {"destination_port", row.key.destination_port.value()},
          {"dip", dip},
          {"state", row.active ? "active" : "pending"},
          {"rate_pps", rate(row.packets)},
          {"rate_bytes_per_s", rate(row.bytes)},
          {"packets", row.packets},
          {"bytes", row.bytes},
          {"age_s", age_s}};
}

void go_on(const std::shared_ptr<Walk>& walk) {
  if (walk->worker == walk->appliance.workers.size()) return walk->reply.result(walk->rows);
  ElephantPage page;
  page.first = walk->first;
  page.rows.reserve(kPageRows);
  const auto answered = [walk](Request& done) {
    const ElephantPage& answer = std::get<ElephantPage>(done);
    for (const ElephantPage::Row& row : answer.rows) walk->rows.push_back(row_of(walk->appliance, row));
    walk->first += kPageRows;
    if (answer.rows.size() < kPageRows) {
      walk->first = 0;
      ++walk->worker;
    }
    go_on(walk);
  };
  if (!walk->appliance.ask(walk->worker, std::move(page), answered)) {
    walk->reply.error(Error(kBusy, "the worker has too many questions before this one; ask again"));
  }
}

}  // namespace

void add_elephant(Router& router, Appliance& appliance) {
  router.add({.name = "elephant.list",
              .help = "Flows that skip tier 2, with their rates since they were promoted.",
              .later = [&appliance](const json&, const Reply& reply) {
                go_on(std::make_shared<Walk>(Walk{.appliance = appliance, .reply = reply}));
              }});
}

}  // namespace sluice::rpc
