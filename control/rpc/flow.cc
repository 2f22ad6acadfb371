// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Lists and flushes flow tables in pages, one after the other, so that a table of a million flows costs its
// worker a bounded slice at a time.
#include <algorithm>
#include <map>

#include "control/rpc/appliance.h"

namespace sluice::rpc {

using nlohmann::json;

namespace {

constexpr std::uint32_t kPageEntries = 2048;
constexpr std::int64_t kDefaultLimit = 100, kMostRows = 100'000;

std::string endpoint(const IpAddress& address, Big16 port) {
  if (port.raw() == 0) return to_string(address);
  const std::string text = address.is_v4() ? to_string(address) : '[' + to_string(address) + ']';
  return text + ':' + std::to_string(port.value());
}

// One command's walk over the tables of a service, or of all.
struct Walk {
  Appliance& appliance;
  std::vector<maps::Live::Table> tables;
  Reply reply;
  bool flush = false;
  std::size_t limit = 0;
  std::map<std::uint32_t, std::string> dips = {};      // target id -> name
  std::map<std::uint32_t, std::string> services = {};  // target id -> service
  std::size_t table = 0;
  std::uint64_t cursor = 0, flushed = 0;
  json rows = json::array();
};

json row_of(const Walk& walk, const FlowPage::Row& row, std::uint32_t now) {
  static constexpr const char* kStates[] = {"free", "probation", "established", "closing"};
  const auto name = [&](const auto& names) {
    const auto at = names.find(row.flow.target);
    return at == names.end() ? std::string("gone") : at->second;
  };
  return {{"service", name(walk.services)},
          {"protocol", row.key.protocol},
          {"source", endpoint(row.key.source, row.key.source_port)},
          {"destination", endpoint(row.key.destination, row.key.destination_port)},
          {"dip", name(walk.dips)},
          {"state", kStates[static_cast<unsigned>(row.flow.state())]},
          {"idle_s", static_cast<double>(FlowClock::idle(now, row.flow.seen())) / FlowClock::kTicksPerSecond},
          {"window_packets", row.flow.window_packets()},
          {"window_bytes", row.flow.window_bytes()}};
}

void go_on(const std::shared_ptr<Walk>& walk) {
  const bool enough = !walk->flush && walk->rows.size() >= walk->limit;
  if (enough || walk->table == walk->tables.size()) {
    if (walk->flush) return walk->reply.result({{"done", {"the flow tables were emptied"}}});
    return walk->reply.result(walk->rows);
  }
  const maps::Live::Table& table = walk->tables[walk->table];
  FlowPage page;
  page.state = table.state;
  page.cursor = walk->cursor;
  page.budget = kPageEntries;
  page.flush = walk->flush;
  page.rows.reserve(kPageEntries);
  const auto answered = [walk](Request& done) {
    const FlowPage& answer = std::get<FlowPage>(done);
    for (const FlowPage::Row& row : answer.rows) {
      if (walk->rows.size() < walk->limit) walk->rows.push_back(row_of(*walk, row, answer.now));
    }
    walk->cursor = answer.cursor;
    if (walk->cursor == FlowTable::kEnd) {
      walk->cursor = 0;
      ++walk->table;
    }
    go_on(walk);  // with the same page of the group's next keeper, where it has moved
  };
  if (!walk->appliance.ask(table.state->keeper.load(), std::move(page), answered)) {
    walk->reply.error(Error(kBusy, "the worker has too many questions before this one; ask again"));
  }
}

std::shared_ptr<Walk> walk_over(Appliance& appliance, const std::string& service, const Reply& reply) {
  if (!service.empty()) find_service(appliance, service);
  auto walk = std::make_shared<Walk>(
      Walk{.appliance = appliance, .tables = appliance.live.tables_of(service), .reply = reply});
  const maps::Directory& directory = appliance.live.directory();
  for (const maps::Directory::Target& target : directory.targets) {
    walk->dips[target.id] = target.dip.name;
    walk->services[target.id] = directory.services[target.service].name;
  }
  return walk;
}

}  // namespace

void add_flow(Router& router, Appliance& appliance) {
  router.add({.name = "flow.list",
              .parameters = {{.name = "service", .help = "only those of this service"},
                             {.name = "limit",
                              .type = Type::kInteger,
                              .help = "at most so many, 100 if not given",
                              .minimum = 1,
                              .maximum = kMostRows}},
              .help = "Flows that the tables hold.",
              .later = [&appliance](const json& params, const Reply& reply) {
                auto walk = walk_over(appliance, params.value("service", ""), reply);
                walk->limit = static_cast<std::size_t>(params.value("limit", kDefaultLimit));
                go_on(walk);
              }});
  router.add({.name = "flow.flush",
              .access = Access::kChange,
              .parameters = {{.name = "service", .required = true, .help = "the service's name"}},
              .help = "Forgets the flows of a service; its maps decide anew.",
              .later = [&appliance](const json& params, const Reply& reply) {
                auto walk = walk_over(appliance, params.at("service"), reply);
                walk->flush = true;
                const auto id = appliance.live.service_id(params.at("service"));
                for (unsigned w = 0; id && w < appliance.workers.size(); ++w) {
                  appliance.ask(w, ForgetElephants{*id}, [](Request&) {});
                }
                go_on(walk);
              }});
}

}  // namespace sluice::rpc
