// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A restart without broken flows (F4, docs/restart.md): the process that stops leaves its state in a file,
// the one that starts takes it over before the first packet.
//
//   old   workers stop -> leave(): hash key, configuration, transitions, who was down, all flow tables
//   new   Predecessor() -> key -> resume(): transitions -> first snapshot -> restore_flows() -> workers start
//
// Whatever of it cannot be read is refused, said and counted, and forwarding goes on by the map. Control
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/maps/live.h"
#include "control/restart/control_state.h"
#include "control/restart/outcome.h"
#include "control/restart/state_file.h"

namespace sluice::restart {

using HashKey = std::array<std::uint8_t, kHashKeyBytes>;

// Where the state file of this appliance lies: control.state_file, or beside the socket; "" = none. A run on
// a capture file leaves none unless it is told where: what is over needs no successor.
std::string state_path(const config::Model& model);

struct Left {
  std::uint64_t flows = 0, bytes = 0;
  std::chrono::milliseconds took{0};
  std::string why;  // when the flow tables did not fit, and only the rest is there
};
// Writes the file, after the workers have stopped. `now`: FlowClock. Throws Refused; then there is no file.
Left leave(const std::string& path, const maps::Live& live, const HashKey& key, std::uint32_t now);

class Predecessor {
 public:
  Predecessor() = default;  // nobody
  // A start that failed before restore_flows() leaves the file to the next one.
  ~Predecessor();
  Predecessor(Predecessor&&) = default;
  Predecessor& operator=(Predecessor&&) = default;
  // Takes the file at `path` ("" = nothing). Never throws for what it finds there.
  Predecessor(const std::string& path, const config::Model& ours);

  // The key that ran, for when the configuration leaves it to chance: another one would move every flow.
  [[nodiscard]] const std::optional<HashKey>& key() const { return key_; }
  // Before live.first_snapshot().
  void resume(maps::Live& live);
  // After it, before the workers start; ends with the file. `key`: ours. `count`: so many flows are in tables
  // of this worker and go to this target.
  using Count = std::function<void(unsigned worker, std::uint32_t target, std::uint64_t flows)>;
  void restore_flows(maps::Live& live, const Snapshot& first, const HashKey& key, std::uint32_t now,
                     const Count& count);

  [[nodiscard]] const Outcome& outcome() const { return outcome_; }
  // For the log: what was taken, or why not. Empty when there was nothing.
  [[nodiscard]] std::string sentence() const;

 private:
  struct Heir;  // the group of ours that gets a table
  void read_control(const config::Model& ours);
  [[nodiscard]] std::map<maps::MapKey, Heir> heirs(const maps::Live& live, const HashKey& key) const;
  void restore_section(const Section& section, const Heir* heir, const TableState& table, maps::Live& live,
                       FlowRestoring& how, const Count& count);

  [[nodiscard]] std::chrono::milliseconds away() const;  // since the file was written

  std::chrono::steady_clock::time_point taken_ = std::chrono::steady_clock::now();
  std::optional<StateReader> file_;
  std::optional<HashKey> key_;
  std::optional<maps::Live::Past> past_;
  std::map<std::string, bool> same_flows_;  // services of then: do ours of this name know flows the same way?
  std::vector<TableState> tables_;
  bool has_flows_ = true;
  Outcome outcome_;
};

}  // namespace sluice::restart
