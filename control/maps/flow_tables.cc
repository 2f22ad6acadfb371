// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/maps/flow_tables.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "dataplane/table/pages.h"

namespace sluice::maps {
namespace {

constexpr std::uint32_t kLeastFlows = 16'384, kMostSharedFlows = 1u << 20;

// Services that keep no flows need tables while something changes (table S of A7).
bool needs_state(const PlannedService& service, const PlannedGroup& group) {
  return service.service->stickiness == config::Stickiness::kFlow || group.changes != 0 ||
         !service.older.empty();
}

}  // namespace

FlowTables::FlowTables(config::Dataplane dataplane, Observer observer, std::uint64_t memory_bytes)
    : dataplane_(std::move(dataplane)),
      observer_(std::move(observer)),
      given_bytes_(memory_bytes),
      memory_bytes_(memory_bytes ? memory_bytes : free_memory()) {}

void FlowTables::begin(const Plan& plan, bool new_tables) {
  groups_ = 0;
  for (const PlannedService& service : plan) groups_ += service.groups.size();
  new_tables_ = new_tables;
  if (new_tables) check_memory(plan);
}

// The tables of all groups together: each takes its memory as flows come, long after it was made.
void FlowTables::check_memory(const Plan& plan) const {
  std::uint64_t bytes = 0, flows = 0, tables = 0;
  for (const PlannedService& service : plan) {
    const FlowTable::Limits limits = limits_of(*service.service);
    for (const PlannedGroup& group : service.groups) {
      if (!needs_state(service, group)) continue;
      const auto at = owned_.find({service.service->name, group.name});
      bytes += at == owned_.end() ? FlowTable::bytes_for(limits) : at->second.state->flows.capacity_bytes();
      flows += limits.flows_v4 + limits.flows_v6;
      ++tables;
    }
  }
  if (bytes <= memory_bytes_) return;
  // A little less, because the smallest tables have a fixed part.
  const double share = 0.99 * static_cast<double>(memory_bytes_) / static_cast<double>(bytes);
  const auto fitting = static_cast<std::uint64_t>(static_cast<double>(flows) * share);
  throw std::runtime_error("the flow tables of " + std::to_string(tables) + " groups, for " +
                           std::to_string(flows) + " flows in all, take " + std::to_string(bytes >> 20) +
                           " MiB and " + std::to_string(memory_bytes_ >> 20) +
                           " MiB are to be had: " + std::to_string(fitting) +
                           " flows in all would fit; set dataplane.flows, or flows of services, to less");
}

unsigned FlowTables::owner_of(const PlannedService& service, const PlannedGroup& group) const {
  const std::vector<config::Worker>& workers = dataplane_.workers;
  std::vector<unsigned> tier2;
  for (unsigned i = 0; i < workers.size(); ++i) {
    if (workers[i].tier2 && group.worker == workers[i].lcore) return i;
    if (workers[i].tier2) tier2.push_back(i);
  }
  return tier2[identity(service.service->name + '\0' + group.name) % tier2.size()];
}

FlowTable::Limits FlowTables::limits_of(const config::Service& service) const {
  FlowTable::Limits limits;
  std::uint32_t flows = service.flows;
  if (flows == 0) {
    const auto share = static_cast<std::uint32_t>(dataplane_.flows / std::max<std::size_t>(1, groups_));
    flows = std::clamp(share, kLeastFlows, kMostSharedFlows);
  }
  (service.vip.address.is_v4() ? limits.flows_v4 : limits.flows_v6) = flows;
  (service.vip.address.is_v4() ? limits.flows_v6 : limits.flows_v4) = 0;
  limits.memory_bytes = given_bytes_;
  limits.memory_at_once = dataplane_.flow_memory == config::FlowMemory::kAtOnce;
  const config::Timeouts& t = service.timeouts;
  limits.timeouts = {t.syn_s, t.established_s, t.closing_s, t.udp_s, t.other_s};
  return limits;
}

std::shared_ptr<GroupState> FlowTables::state_of(const PlannedService& service, const PlannedGroup& group) {
  if (!needs_state(service, group)) return nullptr;
  const MapKey key{service.service->name, group.name};
  if (!new_tables_ && !owned_.contains(key)) return nullptr;
  auto at = owned_.find(key);
  if (at == owned_.end()) {
    const unsigned owner = owner_of(service, group);
    auto state = std::make_shared<GroupState>(limits_of(*service.service), observer_(owner), owner);
    at = owned_.emplace(key, Owned{.state = std::move(state), .owner = owner}).first;
  }
  return at->second.state;
}

void FlowTables::end(const Directory& directory, Snapshot& snapshot, bool settled) {
  std::erase_if(owned_, [&](const auto& entry) {
    return std::ranges::find(snapshot.states, entry.second.state) == snapshot.states.end();
  });
  list_moves(directory, snapshot, settled);
}

// A move is listed until every worker has seen a snapshot that names the new owner, and the table is there.
void FlowTables::list_moves(const Directory& directory, Snapshot& snapshot, bool settled) {
  for (std::uint32_t g = 0; g < directory.groups.size(); ++g) {
    const Directory::Group& group = directory.groups[g];
    const auto at = owned_.find({directory.services[group.service].name, group.name});
    if (at == owned_.end()) continue;
    Owned& owned = at->second;
    const unsigned owner = snapshot.groups[g].owner;
    if (owner != owned.owner) {
      owned.owner = owner;
      owned.moving = true;
    } else if (settled && owned.state->keeper.load() == owner) {
      owned.moving = false;
    }
    if (owned.moving) snapshot.moves.push_back({g, observer_(owner)});
  }
}

bool FlowTables::moves_are_over(bool settled) const {
  bool any = false;
  for (const auto& [key, owned] : owned_) {
    any |= owned.moving;
    if (owned.moving && owned.state->keeper.load() != owned.owner) return false;
  }
  return any && settled;
}

bool FlowTables::without_strays(const std::string& service, std::uint64_t since) const {
  return std::ranges::all_of(owned_, [&](const auto& entry) {
    const Strays& strays = entry.second.state->strays;
    return entry.first.service != service || (strays.walked.load(std::memory_order_acquire) >= since &&
                                              strays.count.load(std::memory_order_relaxed) == 0);
  });
}

std::vector<FlowTables::Table> FlowTables::of(const std::string& service, const Directory& directory) const {
  std::vector<Table> tables;
  for (std::size_t g = 0; g < directory.groups.size(); ++g) {
    const Directory::Group& group = directory.groups[g];
    const std::string& name = directory.services[group.service].name;
    if (!service.empty() && name != service) continue;
    const auto at = owned_.find({name, group.name});
    if (at != owned_.end()) tables.push_back({at->second.state, name, group.name});
  }
  return tables;
}

}  // namespace sluice::maps
