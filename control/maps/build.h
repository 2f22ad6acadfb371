// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// From the model to what the workers read. Pure but for the cache and the ids: the same model, states and
// paths give the same snapshot on every MUX, in whatever order changes came (A1, A2, A8, B1, B8).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/config/model.h"
#include "control/maps/ids.h"
#include "control/maps/maglev.h"
#include "control/maps/paths.h"
#include "control/maps/plan.h"
#include "dataplane/table/snapshot.h"

namespace sluice::maps {

// Slot maps by what they are made of: services whose DIPs, weights and states are the same share one, and a
// change of one group builds one map.
class MapCache {
 public:
  std::shared_ptr<const SlotMap> get(const std::vector<Member>& members, std::uint32_t slots);
  // Forgets maps that no snapshot holds.
  void sweep();
  [[nodiscard]] std::size_t size() const { return maps_.size(); }

 private:
  std::map<std::vector<std::uint64_t>, std::weak_ptr<const SlotMap>> maps_;
};

struct Inputs {
  const Plan& plan;
  std::uint32_t slots = 0;  // per VipMap
  const std::vector<PortFacts>& ports;
  PathTo path_to;
  std::vector<IpAddress> own_addresses;
  const ToeplitzKey& toeplitz;
  const KeyedHash& slot_hash;
  std::uint64_t generation = 0;
  // The state of a group, and the worker that owns it; null when its map alone decides.
  std::function<std::shared_ptr<GroupState>(const PlannedService&, const PlannedGroup&)> state_of;
  std::function<unsigned(const PlannedService&, const PlannedGroup&)> owner_of;
};

// What the indices of a snapshot mean, in the words of the configuration.
struct Directory {
  struct Target {
    std::uint32_t service = 0, group = 0;  // indices
    PlannedDip dip;
    std::uint32_t id = 0;
    std::uint16_t member = 0;
  };
  struct Group {
    std::uint32_t service = 0;
    std::string name;
    bool leaving = false;
    std::uint32_t slots_moved = 0;  // between V and V'
  };
  struct Service {
    std::string name;
    std::uint32_t id = 0;
    std::uint32_t slots_moved = 0;     // tier 1's
    std::uint32_t slots_given_up = 0;  // that too many changes at a time have moved (older_maps.h)
  };
  std::vector<Service> services;
  std::vector<Group> groups;
  std::vector<Target> targets;
};

struct Built {
  std::unique_ptr<Snapshot> snapshot;
  Directory directory;
  // DIPs that packets cannot reach now, each with one sentence.
  std::vector<std::string> unreachable;
};

// The name under which a DIP's counters are kept.
std::string target_name(const config::Service& service, const PlannedGroup& group, const PlannedDip& dip);

// Control thread. Throws std::length_error with one sentence when a table would grow over its bound.
Built build_snapshot(const Inputs& inputs, Ids& service_ids, Ids& target_ids, MapCache& cache);

}  // namespace sluice::maps
