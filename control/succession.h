// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// From one process to the next (docs/restart.md): what the one before left is taken over before the first
// packet, and what this one knows is left to the next. Says in the log what was taken and left. Control
// thread.
#pragma once

#include <memory>

#include "control/config/model.h"
#include "control/machine.h"
#include "control/maps/live.h"
#include "control/restart/restart.h"

namespace sluice {

class Succession {
 public:
  // The process before is gone from here on: asked to leave first, with `take_over`. The key is the
  // configured one, or the one that ran before, or a random one. Throws std::runtime_error when the kernel
  // gives no random numbers.
  HashKey receive(const config::Model& model, bool take_over);
  // The first snapshot, which goes on where the process before stopped; its flows are in the tables.
  std::unique_ptr<const Snapshot> go_on(maps::Live& live, Machine& machine);
  // After the workers have stopped.
  void leave(const maps::Live& live) const;

  // And what the kernel has for our interfaces.
  void keep(Machine& machine) const;

  [[nodiscard]] const HashKey& key() const { return key_; }
  // Was the key at work before this process began?
  [[nodiscard]] bool key_was_there() const { return predecessor_.key().has_value(); }
  [[nodiscard]] const restart::Outcome& outcome() const { return predecessor_.outcome(); }

 private:
  restart::Predecessor predecessor_;
  HashKey key_{};
};

}  // namespace sluice
