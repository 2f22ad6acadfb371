// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The local health check: asks a server of this machine over HTTP, again and again, and remembers whether it
// serves. Ill after `failures` bad answers in a row, well again after one good one; ill until the first.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>

#include "control/agent/config.h"

namespace sluice::agent {

// The up/down machine. Pure.
class HealthState {
 public:
  explicit HealthState(unsigned failures) : failures_(failures) {}
  // Returns whether the verdict changed.
  bool observe(bool good, std::string text);
  [[nodiscard]] bool healthy() const { return healthy_; }
  [[nodiscard]] bool asked() const { return asked_; }              // and answered, or given up
  [[nodiscard]] const std::string& text() const { return text_; }  // of the last answer

 private:
  unsigned failures_;
  unsigned bad_in_a_row_ = 0;
  bool healthy_ = false, asked_ = false;
  std::string text_ = "not asked yet";
};

// Probes on the io_context, from construction on. Never more than one probe at a time, each bounded in time
// and in the size of its answer.
class HealthProber {
 public:
  HealthProber(boost::asio::io_context& io, const HealthCheck& check);
  [[nodiscard]] const HealthState& state() const { return state_; }

 private:
  void probe();
  void finish(bool good, std::string text);

  boost::asio::io_context& io_;
  const HealthCheck& check_;
  HealthState state_;
  boost::asio::steady_timer timer_;
};

}  // namespace sluice::agent
