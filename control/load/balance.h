// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Servers move between groups when the loads of groups differ (B10). The load of a group is the utilisation
// of its servers, by weight; what tier 1 sends to a group does not change when it gains or loses a server, so
// a server more makes the others less busy. Damped: the loads must differ by more than a bound for a while,
// one server is lent at a time, and only when the loads are then expected to be a good deal closer; so
// nothing goes back and forth. No group is left with fewer servers than it must keep. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/load/figure.h"

namespace sluice::load {

struct GroupMember {
  Server server;
  std::string home;  // the group that the configuration has it in
};
struct GroupOf {
  std::string name;
  std::vector<GroupMember> members;  // who serve it now
};

struct BalanceBounds {
  double difference = 0.25;  // of utilisation
  Clock::duration interval = std::chrono::seconds(60);
  std::size_t least = 2;  // servers that are up, which a group keeps
};

struct Loan {
  std::string dip, from, to;  // `from`: where it serves now
  std::string why;            // for the log
  friend bool operator==(const Loan&, const Loan&) = default;
};

// By weight over the members that are up; nothing when those that report are less than half of the weight.
std::optional<double> load_of(const GroupOf& group);

class GroupBalance {
 public:
  std::optional<Loan> round(const std::vector<GroupOf>& groups, const BalanceBounds& bounds, TimePoint now);

 private:
  std::optional<TimePoint> differ_since_, lent_;
};

}  // namespace sluice::load
