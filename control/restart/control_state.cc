// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/restart/control_state.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "control/config/parse.h"
#include "control/config/print.h"
#include "control/restart/state_file.h"
#include "dataplane/door/counters.h"

namespace sluice::restart {
namespace {

using maps::Clock;
using nlohmann::json;
using std::chrono::milliseconds;

constexpr std::int64_t kMostMs = 10LL * 366 * 86'400'000;  // "keep" is a year
constexpr std::uint64_t kMostDipWeight = 65'535;

[[noreturn]] void refuse(const std::string& what) {
  throw Refused("the state of the process before: " + what);
}

std::int64_t in_ms(Clock::duration time) {
  return std::chrono::duration_cast<milliseconds>(time).count();
}

// --- out

json members_json(const maps::Members& members) {
  json out = json::object();
  for (const auto& [name, share] : members) out[name] = {{"weight", share.weight}, {"up", share.up}};
  return out;
}

json transitions_json(const maps::Transitions& transitions, Clock::time_point now) {
  json out = json::array();
  for (const auto& [key, history] : transitions.all()) {
    json changes = json::array();
    for (const maps::Transitions::Change& change : history.changes) {
      changes.push_back({{"before", members_json(change.before)},
                         {"age_ms", in_ms(now - change.started)},
                         {"remaining_ms", in_ms(change.deadline - now)},
                         {"until_deadline", change.until_deadline}});
    }
    out.push_back(
        {{"service", key.service}, {"group", key.group}, {"gone", history.gone}, {"changes", changes}});
  }
  return out;
}

json left_json(const maps::History& history) {
  json out = json::array();
  for (const auto& [key, dips] : history.left) {
    json rows = json::array();
    for (const auto& [name, dip] : dips) {
      rows.push_back({{"address", to_string(dip.address)}, {"port", dip.port}, {"weight", dip.weight}});
    }
    out.push_back({{"service", key.service}, {"group", key.group}, {"dips", rows}});
  }
  return out;
}

json tables_json(const std::vector<TableState>& tables) {
  json out = json::array();
  for (const TableState& table : tables) {
    json targets = json::array();
    for (const auto& [id, dip] : table.targets) targets.push_back({{"id", id}, {"dip", dip}});
    out.push_back({{"service", table.service},
                   {"group", table.group},
                   {"turn", table.turn},
                   {"random", table.random},
                   {"targets", targets}});
  }
  return out;
}

// --- in; nlohmann's exceptions are turned into sentences by decode().

template <typename T>
T number(const json& object, const char* key, std::uint64_t most) {
  const json& value = object.at(key);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most) {
    refuse(std::string(key) + " is no number up to " + std::to_string(most));
  }
  return static_cast<T>(value.get<std::uint64_t>());
}

milliseconds time_of(const json& object, const char* key) {
  const json& value = object.at(key);
  if (!value.is_number_integer() || std::abs(value.get<double>()) > static_cast<double>(kMostMs)) {
    refuse(std::string(key) + " is no time");
  }
  return milliseconds(value.get<std::int64_t>());
}

maps::Members members_of(const json& object) {
  maps::Members members;
  for (const auto& [name, share] : object.items()) {
    members[name] = {number<std::uint32_t>(share, "weight", UINT32_MAX), share.at("up").get<bool>()};
  }
  return members;
}

maps::Transitions::History transitions_of(const json& row, Clock::time_point now, milliseconds elapsed) {
  maps::Transitions::History history;
  history.gone = row.at("gone").get<std::set<std::string>>();
  for (const json& change : row.at("changes")) {
    history.changes.push_back({.before = members_of(change.at("before")),
                               .started = now - elapsed - time_of(change, "age_ms"),
                               .deadline = now - elapsed + time_of(change, "remaining_ms"),
                               .until_deadline = change.at("until_deadline").get<bool>()});
  }
  return history;
}

std::map<std::string, config::Dip> dips_of(const json& rows) {
  std::map<std::string, config::Dip> dips;
  for (const json& row : rows) {
    const auto address = parse_address(row.at("address").get<std::string>());
    if (!address) refuse("a DIP has no address");
    const config::Dip dip{.address = *address,
                          .port = number<std::uint16_t>(row, "port", UINT16_MAX),
                          .weight = number<std::uint32_t>(row, "weight", kMostDipWeight)};
    dips.emplace(maps::dip_name(dip), dip);
  }
  return dips;
}

maps::History history_of(const json& root, Clock::time_point now, milliseconds elapsed) {
  maps::History history;
  for (const json& row : root.at("transitions")) {
    history.transitions.resume({row.at("service"), row.at("group")}, transitions_of(row, now, elapsed));
  }
  for (const json& row : root.at("left")) {
    history.left[{row.at("service"), row.at("group")}] = dips_of(row.at("dips"));
  }
  history.left_groups = root.at("left_groups").get<std::map<std::string, std::set<std::string>>>();
  history.down = root.at("down").get<std::map<std::string, std::set<std::string>>>();
  return history;
}

std::vector<TableState> tables_of(const json& rows) {
  std::vector<TableState> tables;
  for (const json& row : rows) {
    TableState table{.service = row.at("service"),
                     .group = row.at("group"),
                     .turn = number<std::uint64_t>(row, "turn", UINT64_MAX),
                     .random = number<std::uint64_t>(row, "random", UINT64_MAX),
                     .targets = {}};
    for (const json& target : row.at("targets")) {
      table.targets[number<std::uint32_t>(target, "id", kMaxTargets - 1)] = target.at("dip");
    }
    tables.push_back(std::move(table));
  }
  return tables;
}

std::vector<std::uint8_t> key_of(const std::vector<int>& numbers) {
  std::vector<std::uint8_t> key;
  key.reserve(numbers.size());
  for (const int number : numbers) key.push_back(static_cast<std::uint8_t>(number));
  if (key.size() != kHashKeyBytes) refuse("its hash key has " + std::to_string(key.size()) + " bytes");
  return key;
}

std::map<std::string, config::Service> services_of(const config::Model& model) {
  std::map<std::string, config::Service> services;
  for (const config::Service& service : model.services) services[service.name] = service;
  return services;
}

Decoded decode(const json& root, const config::Model& ours, Clock::time_point now, milliseconds elapsed) {
  Decoded out;
  out.program = root.at("program").get<std::string>();
  out.hash_key = key_of(root.at("hash_key").get<std::vector<int>>());
  out.tables = tables_of(root.at("tables"));
  out.has_flows = root.at("has_flows").get<bool>();
  maps::Live::Past past;
  past.history = history_of(root, now, elapsed);
  const auto text = root.at("configuration").get<std::string>();
  if (text == config::to_text_without_secrets(ours)) {
    past.model = ours;
  } else {
    config::Result result = config::parse_text(text, "the configuration before");
    if (!result.model) {
      out.why = config::to_string(result.problems.front());
      return out;
    }
    past.model = std::move(*result.model);
  }
  // Where these cannot be read, an abort has nothing to go back to.
  config::Result before = config::parse_text(root.at("before").get<std::string>(), "before");
  if (before.model) past.before = services_of(*before.model);
  out.past = std::move(past);
  return out;
}

}  // namespace

std::string encode(const ControlState& state, Clock::time_point now) {
  config::Model before = state.past.model;
  before.services.clear();
  for (const auto& [name, service] : state.past.before) before.services.push_back(service);
  const maps::History& history = state.past.history;
  const json root = {{"program", state.program},
                     {"hash_key", state.hash_key},
                     {"configuration", config::to_text_without_secrets(state.past.model)},
                     {"before", config::to_text_without_secrets(before)},
                     {"transitions", transitions_json(history.transitions, now)},
                     {"left", left_json(history)},
                     {"left_groups", history.left_groups},
                     {"down", history.down},
                     {"tables", tables_json(state.tables)},
                     {"has_flows", state.has_flows}};
  return root.dump();
}

Decoded decode(std::string_view text, const config::Model& ours, Clock::time_point now,
               milliseconds elapsed) {
  const json root = json::parse(text, nullptr, false);
  if (root.is_discarded()) refuse("is no JSON");
  try {
    return decode(root, ours, now, elapsed);
  } catch (const json::exception& wrong) {
    refuse(wrong.what());
  }
}

}  // namespace sluice::restart
