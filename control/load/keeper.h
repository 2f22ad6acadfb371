// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Keeps what agents reported, and lets the policies of this room have their rounds: reports in, loads out.
//
//   health::Monitor ── report() ──> figures ──> weights, capacities, loans ──> maps::Live::set_loads
//
// Silence is no report: one that is older than three intervals of its service's probes counts no more, and
// the DIP keeps its configured weight. Control thread; time comes in as an argument.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control/config/model.h"
#include "control/load/balance.h"
#include "control/load/follower.h"
#include "control/maps/build.h"
#include "control/maps/loads.h"
#include "control/maps/plan.h"

namespace sluice::load {

// Load changes of one service that may be under way at a time: their transitions last for `deadline_s`, and
// each one is remembered for so long.
inline constexpr unsigned kMostUnderWay = 16;

class Keeper {
 public:
  // What is in force, as maps::Live has it.
  struct View {
    const config::Model& model;      // the operator's
    const config::Model& effective;  // with the loads
    const maps::Loads& loads;
    const maps::Directory& directory;
  };
  // Brings loads into force; a sentence when it cannot.
  using Apply = std::function<std::optional<std::string>(maps::Loads, const maps::ChangeOptions&)>;
  using Log = std::function<void(const std::string&)>;

  Keeper(Apply apply, Log log) : apply_(std::move(apply)), log_(std::move(log)) {}

  void report(const std::string& service, const std::string& dip, const health::Report& report,
              TimePoint now);
  // The last report, if it still counts.
  [[nodiscard]] std::optional<health::Report> last(const config::Service& service, const std::string& dip,
                                                   TimePoint now) const;
  // Called about every second. Applies at most one change of weights and capacities, and one loan.
  void tick(const View& view, TimePoint now);

 private:
  struct Said {
    health::Report report;
    TimePoint when;
  };
  struct Policies {
    Follower weights, spare;
    GroupBalance balance;
    TimePoint next_round{};
  };

  using Down = std::set<std::pair<std::string, std::string>>;  // service and DIP
  std::vector<Server> servers_of(const config::Service& service, const Down& down, TimePoint now) const;
  std::vector<GroupOf> groups_of(const View& view, const config::Service& service,
                                 const std::vector<Server>& servers) const;
  void round(const View& view, const config::Service& service, const Down& down, TimePoint now);
  void lend(const config::Service& service, const Loan& loan);
  void forget_the_gone(const config::Model& model);
  void bring_into_force(const View& view);

  Apply apply_;
  Log log_;
  std::map<std::pair<std::string, std::string>, Said> said_;
  std::map<std::string, Policies> policies_;
  maps::Loads next_;
  std::vector<std::string> sentences_;
  std::string last_trouble_;
};

}  // namespace sluice::load
