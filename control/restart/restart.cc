// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/restart/restart.h"

#include <algorithm>
#include <utility>

#include "control/confine/users.h"
#include "dataplane/door/counters.h"
#include "dataplane/table/group_state.h"

namespace sluice::restart {
namespace {

using std::chrono::milliseconds;
using Watch = std::chrono::steady_clock;

constexpr std::size_t kChunk = 1u << 20;

milliseconds since(Watch::time_point begin) {
  return std::chrono::duration_cast<milliseconds>(Watch::now() - begin);
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::size_t record_bytes(SectionKind kind) {
  return kind == SectionKind::kFlowsV4 ? kFlowRecordBytesV4 : kFlowRecordBytesV6;
}

// What the ids in flows of a group mean.
std::map<std::uint32_t, std::string> targets_of(const maps::Directory& directory, const maps::MapKey& group) {
  std::map<std::uint32_t, std::string> targets;
  for (const maps::Directory::Target& target : directory.targets) {
    if (target.dip.gone || directory.groups[target.group].name != group.group ||
        directory.services[target.service].name != group.service) {
      continue;
    }
    targets[target.id] = target.dip.name;
  }
  return targets;
}

std::uint64_t write_flows(StateWriter& file, const FlowTable& flows, FlowFamily family, std::uint32_t number,
                          std::uint32_t now, std::vector<std::byte>& chunk) {
  FlowPackCursor cursor;
  std::uint64_t bytes = 0;
  while (const std::size_t packed = flows.pack(family, cursor, chunk, now)) {
    if (bytes == 0) {
      file.begin(family == FlowFamily::kV4 ? SectionKind::kFlowsV4 : SectionKind::kFlowsV6, number);
    }
    file.append(std::span(chunk).first(packed));
    bytes += packed;
  }
  return bytes / (family == FlowFamily::kV4 ? kFlowRecordBytesV4 : kFlowRecordBytesV6);
}

Left write(const std::string& path, const ControlState& state, const std::vector<maps::Live::Table>& tables,
           std::uint32_t now) {
  const Watch::time_point begin = Watch::now();
  Left left;
  StateWriter file(path);
  file.begin(SectionKind::kControl, 0);
  file.append(bytes_of(encode(state, maps::Clock::now())));
  std::vector<std::byte> chunk(kChunk);
  for (std::uint32_t i = 0; i < tables.size(); ++i) {
    for (const FlowFamily family : {FlowFamily::kV4, FlowFamily::kV6}) {
      left.flows += write_flows(file, tables[i].state->flows, family, i, now, chunk);
    }
  }
  file.finish(Moment::now());
  left.bytes = file.bytes();
  left.took = since(begin);
  return left;
}

}  // namespace

std::string_view to_word(Outcome::Kind kind) {
  static constexpr std::string_view kWords[] = {"nothing", "taken", "refused"};
  return kWords[static_cast<unsigned>(kind)];
}

std::string state_path(const config::Model& model) {
  if (model.control.state_file != config::kBesideTheSocket) return model.control.state_file;
  const bool files = std::ranges::any_of(model.dataplane.ports, [](const config::Port& port) {
    return port.device.find("rx_pcap=") != std::string::npos;
  });
  return files ? std::string() : model.control.socket + ".state";
}

Left leave(const std::string& path, const maps::Live& live, const HashKey& key, std::uint32_t now) {
  ControlState state{
      .program = SLUICE_VERSION, .hash_key = {key.begin(), key.end()}, .past = live.past(), .tables = {}};
  const std::vector<maps::Live::Table> tables = live.tables_of("");
  for (const maps::Live::Table& table : tables) {
    state.tables.push_back({.service = table.service,
                            .group = table.group,
                            .turn = table.state->turn,
                            .random = table.state->random,
                            .targets = targets_of(live.directory(), {table.service, table.group})});
  }
  try {
    return write(path, state, tables, now);
  } catch (const Refused& full) {
    // The key and the maps are small and matter most: flows that no table knows follow the map.
    state.has_flows = false;
    Left left = write(path, state, {}, now);
    left.why = full.what();
    return left;
  }
}

// ---------------------------------------------------------------------------------------------------------

struct Predecessor::Heir {
  maps::Live::Table table;
  const config::Service* service = nullptr;
  bool takes = true;  // the flows of then would be looked for here
  std::map<std::string, std::uint32_t> targets = {};
};

Predecessor::Predecessor(const std::string& path, const config::Model& ours) {
  const Watch::time_point begin = Watch::now();
  if (path.empty()) return;
  try {
    const auto user = confine::user_named(ours.control.user);  // it wrote the file, and we start as root
    file_ = StateReader::take(path, Moment::now(), user ? std::optional(user->uid) : std::nullopt);
    if (!file_) return;
    read_control(ours);
    outcome_.kind = Outcome::Kind::kTaken;
  } catch (const std::runtime_error& refused) {
    file_.reset();
    outcome_.kind = Outcome::Kind::kRefused;
    outcome_.why = refused.what();
  }
  outcome_.took = since(begin);
}

void Predecessor::read_control(const config::Model& ours) {
  const auto at = std::ranges::find(file_->sections(), SectionKind::kControl, &Section::kind);
  if (at == file_->sections().end()) throw Refused("the state file says nothing of control");
  const auto content = file_->read(*at);
  if (!content) throw Refused("the state file was changed since it was written: what control knew");
  const std::string_view text(reinterpret_cast<const char*>(content->data()), content->size());
  Decoded decoded =
      decode(text, ours, maps::Clock::now(), std::chrono::duration_cast<milliseconds>(file_->age()));
  outcome_.program = decoded.program;
  outcome_.why = decoded.why;
  key_.emplace();
  std::ranges::copy(decoded.hash_key, key_->begin());
  tables_ = std::move(decoded.tables);
  has_flows_ = decoded.has_flows;
  if (!has_flows_) outcome_.tables_refused = tables_.size();
  past_ = std::move(decoded.past);
  if (!past_) return;
  for (const config::Service& then : past_->model.services) {
    const auto now = std::ranges::find(ours.services, then.name, &config::Service::name);
    same_flows_[then.name] = now != ours.services.end() && maps::same_face(then, *now) &&
                             then.flow_key == now->flow_key && then.flow_start == now->flow_start;
  }
}

Predecessor::~Predecessor() {
  if (file_) file_->put_back();
}

milliseconds Predecessor::away() const {
  return std::chrono::duration_cast<milliseconds>(file_->age()) + since(taken_);
}

void Predecessor::resume(maps::Live& live) {
  if (!past_) return;
  live.resume(std::move(*past_));
  past_.reset();
}

std::map<maps::MapKey, Predecessor::Heir> Predecessor::heirs(const maps::Live& live,
                                                             const HashKey& key) const {
  std::map<maps::MapKey, Heir> heirs;
  for (maps::Live::Table& table : live.tables_of("")) {
    const maps::MapKey name{table.service, table.group};
    heirs.emplace(name, Heir{.table = std::move(table)});
  }
  const maps::Directory& directory = live.directory();
  for (const maps::Directory::Target& target : directory.targets) {
    if (target.dip.gone) continue;
    const auto at =
        heirs.find({directory.services[target.service].name, directory.groups[target.group].name});
    if (at != heirs.end()) at->second.targets[target.dip.name] = target.id;
  }
  for (auto& [name, heir] : heirs) {
    const auto service = std::ranges::find(live.model().services, name.service, &config::Service::name);
    heir.service = &*service;
    const auto face = same_flows_.find(name.service);
    // With another key tier 1 sends a flow to another group than the one that knew it.
    heir.takes = (face == same_flows_.end() || face->second) && (key == key_ || service->groups.size() < 2);
  }
  return heirs;
}

void Predecessor::restore_flows(maps::Live& live, const Snapshot& first, const HashKey& key,
                                std::uint32_t now, const Count& count) {
  if (!file_) return;
  const Watch::time_point begin = Watch::now();
  const std::map<maps::MapKey, Heir> all = heirs(live, key);
  std::vector<std::uint32_t> target_of(kMaxTargets, FlowRestoring::kGone), taken(kMaxTargets, 0);
  const auto elapsed = std::chrono::duration<double>(away()).count() * FlowClock::kTicksPerSecond;
  FlowRestoring how{.hash = first.slot_hash,
                    .vip = {},
                    .target_of = target_of,
                    .taken = taken,
                    .now = now,
                    .elapsed_ticks = static_cast<std::uint32_t>(elapsed)};
  for (const Section& section : file_->sections()) {
    if (section.kind == SectionKind::kControl) continue;
    if (section.number >= tables_.size() || section.kind > SectionKind::kFlowsV6) {
      ++outcome_.tables_refused;
      continue;
    }
    const TableState& table = tables_[section.number];
    const auto heir = all.find({table.service, table.group});
    const Heir* takes = heir != all.end() && heir->second.takes ? &heir->second : nullptr;
    if (takes) {
      for (const auto& [id, dip] : table.targets) {
        const auto target = takes->targets.find(dip);
        if (target != takes->targets.end()) target_of[id] = target->second;
      }
    }
    restore_section(section, takes, table, live, how, count);
    for (const auto& [id, dip] : table.targets) target_of[id] = FlowRestoring::kGone;
  }
  if (!has_flows_) {
    for (const TableState& table : tables_) live.lost_flows_of(table.service);
  }
  outcome_.transitions = live.transitions(maps::Clock::now()).size();
  outcome_.took += since(begin);
  outcome_.away = away();
  file_.reset();
}

void Predecessor::restore_section(const Section& section, const Heir* heir, const TableState& table,
                                  maps::Live& live, FlowRestoring& how, const Count& count) {
  if (!heir) {
    outcome_.flows.gone += section.bytes / record_bytes(section.kind);
    return;
  }
  const auto content = file_->read(section);
  if (!content) {
    ++outcome_.tables_refused;
    live.lost_flows_of(table.service);
    return;
  }
  GroupState& state = *heir->table.state;
  how.vip = heir->service->vip;
  how.fields = heir->service->flow_key;
  const FlowFamily family = section.kind == SectionKind::kFlowsV4 ? FlowFamily::kV4 : FlowFamily::kV6;
  outcome_.flows += state.flows.restore(family, *content, how);
  state.turn = table.turn;
  state.random = table.random;
  ++outcome_.tables;
  for (const auto& [id, dip] : table.targets) {
    if (how.taken[id] == 0) continue;
    count(heir->table.state->keeper.load(), how.target_of[id], how.taken[id]);
    how.taken[id] = 0;
  }
}

std::string Predecessor::sentence() const {
  const Outcome& o = outcome_;
  if (o.kind == Outcome::Kind::kNothing) return {};
  if (o.kind == Outcome::Kind::kRefused) {
    return o.why + ": nothing is taken over, and the map decides for flows that began before";
  }
  std::string text = "took over " + std::to_string(o.flows.taken) + " flows in " + std::to_string(o.tables) +
                     " tables and " + std::to_string(o.transitions) + " transitions from version " +
                     o.program + ", " + std::to_string(o.away.count()) + " ms after it stopped";
  const auto add = [&](std::uint64_t number, const std::string& what) {
    if (number > 0) text += "; " + std::to_string(number) + what;
  };
  add(o.flows.expired, " flows had timed out");
  add(o.flows.gone, " flows were of DIPs or services that are gone");
  add(o.flows.no_room, " flows found no room");
  add(o.flows.wrong, " entries were wrong");
  add(o.tables_refused, " tables could not be read: their flows follow the map");
  if (!o.why.empty()) text += "; the transitions could not be taken over: " + o.why;
  return text;
}

}  // namespace sluice::restart
