// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Control as the frames' fuzz target plays it: services of every kind under a clock of its own, changed in
// whatever order the input says, each change built by control/maps as in sluiced. The VIPs are those of the
// packet fixtures, so that their frames are seeds.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "control/maps/build.h"
#include "control/maps/flow_tables.h"
#include "control/maps/plan.h"
#include "dataplane/door/counters.h"

namespace sluice::fuzz {

inline constexpr unsigned kWorkers = 2, kPorts = 2;
using Blocks = std::vector<std::unique_ptr<WorkerCounters>>;  // by worker

// From the model of the configuration text; what does not depend on the input is made once.
const config::Model& first_model();
const KeyedHash& slot_hash();

class Control {
 public:
  explicit Control(Blocks& counters);

  // The next snapshot to publish. `settled`: all workers have seen the one before.
  std::unique_ptr<const Snapshot> build(bool settled);
  // One change of kind `what`, of the service, group and DIP that `whom` and `where` point at. Whatever they
  // are, it is a change that an operator, a probe or a load report could bring.
  void change(std::uint8_t what, std::uint8_t whom, std::uint8_t where);
  // Ends what is over.
  void pass(std::chrono::milliseconds time);
  [[nodiscard]] bool settled_moves(bool settled) const { return tables_.moves_are_over(settled); }
  [[nodiscard]] std::vector<maps::FlowTables::Table> tables() const { return tables_.of("", directory_); }

 private:
  void replace(config::Model next, const maps::ChangeOptions& options);
  void change_group(config::Service& service, config::Group& group, std::uint8_t what, std::uint8_t where);
  [[nodiscard]] std::uint64_t flows_on(const maps::MapKey& group, const std::string& dip) const;

  Blocks& counters_;
  maps::Clock::time_point now_{};
  config::Model model_;
  maps::History history_;
  maps::FlowTables tables_;
  maps::Ids service_ids_, target_ids_;
  maps::Directory directory_;
  std::uint64_t generation_ = 0;
  bool unreachable_ = false;  // the way to one network of servers is lost
};

}  // namespace sluice::fuzz
