// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What a process gives away once it has started (docs/security.md): it becomes another user if told so, keeps
// the capabilities that it still needs, and these on the control thread alone, can never get others (bounding
// set, no_new_privs), and makes the system calls of its lists only (filter.h). All threads, also DPDK's.
//
// Programs that it starts later (fence_command, a hook) inherit this. There is no helper with more rights
// that would start them: whoever had the process would have the helper. Control thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/config/capabilities.h"
#include "control/config/model.h"
#include "control/confine/filter.h"
#include "control/confine/threads.h"
#include "control/confine/users.h"

namespace sluice::confine {

using config::CapabilitySet;

struct Plan {
  std::string user = {};  // "" = nobody else
  CapabilitySet keep = 0;
  config::Seccomp seccomp = config::Seccomp::kKill;
  bool filtered_before = false;  // a filter is there since before an exec: none is added
  Extras extras = {};
  // A program that root starts gets, of what is kept, all (the agent's hook) or nothing.
  bool programs_keep = false;
  bool may_dump_core = false;
  std::vector<std::string> directories = {};  // where files come and go later
};
// What sluiced needs after its start, by its configuration.
Plan plan_for(const config::Model& model);
// What "auto" of control.capabilities stands for.
CapabilitySet needed_by(const config::Model& model);

struct Report {
  std::string what;  // for the log: "runs as root with net_admin net_raw ..."
  std::vector<std::string> warnings;
};

class Confinement {
 public:
  // Early, so that what cannot be is known before anything else happens. Throws std::runtime_error with one
  // sentence: there is no such user, or it may not be had.
  explicit Confinement(Plan plan);
  // Once everything that needs more has been opened, and all threads run. Throws likewise when the kernel
  // refuses; then the process must end.
  Report begin();

 private:
  [[nodiscard]] std::vector<Failure> close_the_way_back();
  void become_user();
  [[nodiscard]] std::vector<Failure> keep_what_is_needed();
  void give_directories(Report& report) const;
  [[nodiscard]] std::string sentence() const;

  Plan plan_;
  std::optional<User> user_;
  CapabilitySet had_ = 0;
  std::string why_no_filter_;
  std::unique_ptr<Filter> control_, packets_;
};

// For programs that nothing keeps from the data path: all in one call, with the sentences to the log.
void confine(Confinement& confinement);

}  // namespace sluice::confine
