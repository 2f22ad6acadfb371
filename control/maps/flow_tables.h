// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The flow tables of all groups: which groups have one, how large it is, which worker owns it, which are on
// their way to another worker, and whether the workers still find flows that only old maps lead to. Control
// thread; the tables themselves are their keepers' (group_state.h).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/config/model.h"
#include "control/maps/build.h"
#include "control/maps/plan.h"
#include "dataplane/table/group_state.h"

namespace sluice::maps {

class FlowTables {
 public:
  // By index of the worker: who is told of flows that leave a table that it owns.
  using Observer = std::function<FlowObserver(unsigned worker)>;

  // `memory_bytes`: for all tables together; 0 = what the machine has free now.
  FlowTables(config::Dataplane dataplane, Observer observer, std::uint64_t memory_bytes);

  // Before a snapshot is built of this plan: the groups that share dataplane.flows are counted, and unless
  // `new_tables` is false, in which case groups that have no table yet do without, all tables must fit.
  // Throws std::runtime_error with the figure that would.
  void begin(const Plan& plan, bool new_tables);
  // While it is built. Null: the group's map alone decides.
  std::shared_ptr<GroupState> state_of(const PlannedService& service, const PlannedGroup& group);
  [[nodiscard]] unsigned owner_of(const PlannedService& service, const PlannedGroup& group) const;
  // When it is: tables that it does not name are forgotten (they live as long as snapshots that do), and its
  // moves are listed. `settled`: every worker has seen the snapshot published last.
  void end(const Directory& directory, Snapshot& snapshot, bool settled);

  // Tables have arrived at their new owners, so that a snapshot without moves is due.
  [[nodiscard]] bool moves_are_over(bool settled) const;
  // Have the workers, since the snapshot of this generation, walked over all tables of the service and found
  // no flow that only an older map leads to?
  [[nodiscard]] bool without_strays(const std::string& service, std::uint64_t since) const;

  struct Table {
    std::shared_ptr<GroupState> state;  // its keeper may be asked about it
    std::string service, group;
  };
  // Of a service's groups, or with "" of all, in the directory's order.
  [[nodiscard]] std::vector<Table> of(const std::string& service, const Directory& directory) const;

  template <typename Fn>
  void for_each(Fn&& fn) const {  // fn(const MapKey&, const GroupState&)
    for (const auto& [key, owned] : owned_) fn(key, *owned.state);
  }

 private:
  struct Owned {
    std::shared_ptr<GroupState> state;
    unsigned owner = 0;
    bool moving = false;  // its keeper may still be an earlier owner
  };
  [[nodiscard]] FlowTable::Limits limits_of(const config::Service& service) const;
  void check_memory(const Plan& plan) const;
  void list_moves(const Directory& directory, Snapshot& snapshot, bool settled);

  const config::Dataplane dataplane_;
  Observer observer_;
  const std::uint64_t given_bytes_;  // 0 = none was given
  const std::uint64_t memory_bytes_;
  std::map<MapKey, Owned> owned_;
  std::size_t groups_ = 1;  // that share dataplane.flows
  bool new_tables_ = true;
};

}  // namespace sluice::maps
