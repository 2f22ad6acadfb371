// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What runs now: the model in force, who of it is up, the transitions under way, the groups' flow tables, and
// the snapshot that the workers see. Every change, by command, reload, health or a neighbour's new address,
// ends in one rebuild and one publication. Control thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "control/config/model.h"
#include "control/maps/build.h"
#include "control/maps/flow_tables.h"
#include "control/maps/ids.h"
#include "control/maps/paths.h"
#include "control/maps/plan.h"
#include "dataplane/door/publish.h"
#include "dataplane/table/group_state.h"

namespace sluice::maps {

class Live {
 public:
  struct Surroundings {
    std::vector<PortFacts> ports;
    PathTo path_to;
    std::function<std::vector<IpAddress>()> own_addresses;
    ToeplitzKey toeplitz;
    KeyedHash slot_hash;
    FlowTables::Observer observer;
    // Flows in all tables that go to this target (stable id).
    std::function<std::uint64_t(std::uint32_t target)> flows_of_target;
    // Does the agent of a DIP that leaves say that its last connection is gone? May be empty.
    std::function<bool(const std::string& service, const std::string& dip)> agent_says_empty = {};
    // So many flows of a service (stable id) were lost with the table of a group in which nobody is left.
    std::function<void(std::uint32_t service, std::uint64_t flows, bool deadline)> count_broken = {};
    std::function<void(const std::string& sentence)> warn = {};
    std::uint64_t memory_bytes = 0;  // for all flow tables; 0 = what the machine has free at the start
  };

  Live(config::Model model, Surroundings surroundings);

  // What the next process needs to go on where this one stops (F4, docs/restart.md).
  struct Past {
    config::Model model;
    History history;
    std::map<std::string, config::Service> before;  // by service: as it was before its transitions
  };
  [[nodiscard]] Past past() const;
  // Goes on from there, before first_snapshot(): where our model differs from the one that ran last, that is
  // a change like any other, by a transition.
  void resume(Past past);
  // The flows of this service's tables were lost: they follow the maps, so its transitions under way last
  // until their deadlines, since nobody can tell when the last such flow has gone.
  void lost_flows_of(const std::string& service);

  // The first snapshot, before there is a publisher; afterwards every change is published through it. A past
  // that does not fit our bounds is forgotten.
  std::unique_ptr<const Snapshot> first_snapshot();
  void publish_through(Publisher& publisher) { publisher_ = &publisher; }
  // Called after each publication: what follows the DIPs (watching next hops, health) hooks in here.
  void on_change(std::function<void()> listener) { listener_ = std::move(listener); }

  // What the operator wrote.
  [[nodiscard]] const config::Model& model() const { return model_; }
  // What that comes to with the servers' loads: the maps are made of it.
  [[nodiscard]] const config::Model& effective() const { return effective_; }
  [[nodiscard]] const Loads& loads() const { return loads_; }
  // Brings `next` into force, as transitions; one sentence when it cannot, and then nothing changed.
  std::optional<std::string> replace(config::Model next, const ChangeOptions& options = {});
  // Brings the servers' loads into force, as transitions where maps change; the same.
  std::optional<std::string> set_loads(Loads next, const ChangeOptions& options = {});
  // Paths or own addresses may have changed.
  void refresh();
  // DIPs died or came back (A8), in this order; all of it is one publication. Nothing happens when that is
  // known.
  struct Health {
    std::string service, dip;
    bool healthy = true;
  };
  void set_health(std::span<const Health> news);
  void set_health(const std::string& service, const std::string& dip, bool healthy);

  [[nodiscard]] bool healthy(const std::string& service, const std::string& dip) const {
    return history_.healthy(service, dip);
  }

  // Ends what is over; called every second or so.
  void tick(Clock::time_point now);
  struct TransitionRow {
    std::string service;
    std::uint64_t slots_moved = 0, flows_old = 0, flows_pinned = 0;
    std::uint64_t flows_in_old_groups = 0;  // found by an older map of tier 1 only, when last counted
    std::uint64_t slots_given_up = 0;       // older_maps.h
    std::chrono::seconds remaining{0};
    std::vector<std::string> leaving;
  };
  [[nodiscard]] std::vector<TransitionRow> transitions(Clock::time_point now) const;
  // DIPs that leave a service altogether and still hold flows: who would like to know.
  struct LeavingDip {
    std::string service;
    config::Dip dip;
    Clock::time_point since, deadline;
  };
  [[nodiscard]] std::vector<LeavingDip> leaving() const;
  // Ends all transitions of a service now, as their deadline would; false when it has none.
  bool finish_transitions(const std::string& service);
  // The model as it was before the service's transitions began; nothing when it has none. To bring it into
  // force is one more change, so flows born since stay where they are.
  [[nodiscard]] std::optional<config::Model> before_transitions(const std::string& service) const;

  // Why a DIP cannot leave, or nothing.
  [[nodiscard]] std::optional<std::string> refuse_leaving(const std::string& service,
                                                          const std::string& dip) const;

  [[nodiscard]] const Directory& directory() const { return directory_; }
  // A target's weight as the operator wrote it, and as it counts now; 0 when it leaves.
  struct Weight {
    double configured = 0, effective = 0;
  };
  [[nodiscard]] Weight weight_of_target(std::uint32_t index) const;
  // Slots of the newest map that this target of the directory holds.
  [[nodiscard]] std::uint32_t slots_of(std::uint32_t index) const;
  [[nodiscard]] std::optional<std::uint32_t> service_id(const std::string& name) const {
    return service_ids_.find(name);
  }
  // Ids with new owners since the last call (see Ids).
  std::set<std::uint32_t> take_reused_services() { return service_ids_.take_reused(); }
  std::set<std::uint32_t> take_reused_targets() { return target_ids_.take_reused(); }

  [[nodiscard]] const std::vector<std::string>& unreachable() const { return unreachable_; }
  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  [[nodiscard]] const Snapshot& snapshot() const { return publisher_->current(); }

  // The flow tables of a service's groups, or with "" of all.
  using Table = FlowTables::Table;
  [[nodiscard]] std::vector<Table> tables_of(const std::string& service) const {
    return tables_.of(service, directory_);
  }

 private:
  // Of an effective model.
  std::unique_ptr<const Snapshot> build(const config::Model& model, bool new_tables = true);
  std::optional<std::string> bring_into_force(config::Model next, Loads loads, const ChangeOptions& options);
  void forget_before(Clock::time_point now);
  void publish(std::unique_ptr<const Snapshot> snapshot);
  [[nodiscard]] std::optional<std::string> refuse_other_keys(const config::Model& next) const;
  [[nodiscard]] bool is_last(const config::Service& service, const std::string& dip) const;
  [[nodiscard]] std::uint64_t flows_of(const MapKey& group, const std::string& dip) const;
  void note_newest_maps(const Snapshot& snapshot);
  [[nodiscard]] bool settled(const std::string& service) const;
  [[nodiscard]] std::uint64_t slots_given_up() const;
  // By service id: flows in groups that were not abandoned before (plan.h) and now are.
  [[nodiscard]] std::map<std::uint32_t, std::uint64_t> lost_flows(const std::set<MapKey>& lost_before,
                                                                  const config::Model& model) const;
  void count_broken(const std::map<std::uint32_t, std::uint64_t>& flows, bool deadline) const;
  void warn(const std::string& sentence) const;

  struct Before {
    config::Service service;
    Clock::time_point until;  // when the operator's changes since are over
  };

  config::Model model_;
  Loads loads_;
  config::Model effective_ = model_;
  Surroundings around_;
  History history_;
  std::map<std::string, Before> before_;  // by service: as it was before the operator's transitions
  std::set<std::string> lost_flows_;      // services in transition whose tables do not know all flows
  FlowTables tables_;
  struct NewestMap {
    const std::uint16_t* slots = nullptr;
    std::uint64_t since = 0;  // generation
    bool alone = true;        // no older map is asked any more
  };
  std::map<std::string, NewestMap> newest_maps_;  // of tier 1, by service
  Ids service_ids_, target_ids_;
  MapCache cache_;
  Publisher* publisher_ = nullptr;
  std::function<void()> listener_;
  Directory directory_;
  std::vector<std::string> unreachable_;
  std::uint64_t generation_ = 0;
};

}  // namespace sluice::maps
