// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What the monitor knows of a service and of each of its DIPs, and how it reads: the tables that monitor.cc
// works on. Belongs to the io_context's thread.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control/config/model.h"
#include "control/health/admission.h"
#include "control/health/machine.h"
#include "control/health/monitor.h"
#include "control/health/panic.h"
#include "control/health/report.h"
#include "control/health/spec.h"

namespace sluice::health {

struct Watch;

// One DIP of one service.
struct Member {
  Member(Watch& its_watch, std::string name, const Policy& policy, State state, TimePoint now);

  // Answers, and what the doctor found keeps it out.
  [[nodiscard]] bool refused() const { return machine.at_gate() && !admission.verdict().empty(); }
  // Up, and did not fail its last probe.
  [[nodiscard]] bool sure() const { return machine.alive() && !machine.suspect(); }
  // In words: its state, and why it is in it.
  [[nodiscard]] std::string state() const;
  [[nodiscard]] std::string why() const;
  [[nodiscard]] Row row(TimePoint now) const;

  Watch& watch;
  const std::string dip;  // as maps::dip_name has it
  Machine machine;
  bool reported;  // healthy, as far as the outside knows; every DIP is at first
  Spec spec = {};
  std::optional<Report> report = {};
  // Before it is up for the first time.
  config::Dip as_configured = {};
  Admission admission = {};
  std::shared_ptr<boost::asio::steady_timer> next_walk = {};
};

// One service.
struct Watch {
  // Members that are down since `when` or later, or failed their last probe: may be of one failure.
  [[nodiscard]] std::vector<std::string> doubtful(TimePoint when) const;

  std::string name;
  config::Service service = {};  // without its groups
  PanicPolicy panic_policy = {};
  Panic panic = {};
  std::map<std::string, std::unique_ptr<Member>> members = {};
  std::set<std::string> known = {};  // its DIPs, whether watched or not
  std::size_t sure = 0;              // members that are sure()
};

}  // namespace sluice::health
