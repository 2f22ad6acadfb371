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
#include "dataplane/table/snapshot.h"

namespace sluice::maps {

// Slot maps by what they are made of: services whose DIPs, weights and states are the same share one, and a
// change of one group builds one map.
class MapCache {
 public:
  std::shared_ptr<const SlotMap> get(std::vector<Member> members, std::uint32_t slots);
  // Forgets maps that no snapshot holds.
  void sweep();
  [[nodiscard]] std::size_t size() const { return maps_.size(); }

 private:
  std::map<std::vector<std::uint64_t>, std::weak_ptr<const SlotMap>> maps_;
};

struct Inputs {
  const config::Model& model;
  const std::vector<PortFacts>& ports;
  PathTo path_to;
  // May this DIP of this service get packets? (health, operator)
  std::function<bool(const config::Service&, const config::Dip&)> is_up;
  std::vector<IpAddress> own_addresses;
  const ToeplitzKey& toeplitz;
  const KeyedHash& slot_hash;
  std::uint64_t generation = 0;
};

// Names under which counters are kept.
std::string target_name(const config::Service& service, const config::Group& group, const config::Dip& dip);

struct Built {
  std::unique_ptr<const Snapshot> snapshot;
  // DIPs that packets cannot reach now, each with one sentence.
  std::vector<std::string> unreachable;
};

// Control thread. Throws std::length_error with one sentence when a table would grow over its bound.
Built build_snapshot(const Inputs& inputs, Ids& service_ids, Ids& target_ids, MapCache& cache);

}  // namespace sluice::maps
