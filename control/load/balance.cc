// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/load/balance.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace sluice::load {
namespace {

// A loan must bring the loads so much closer, or it is not worth its transition.
constexpr double kWorthwhile = 0.75;

double weight_of(const GroupOf& group) {
  double sum = 0;
  for (const GroupMember& member : group.members) sum += member.server.up ? member.server.weight : 0;
  return sum;
}

std::size_t up_in(const GroupOf& group) {
  return static_cast<std::size_t>(std::ranges::count_if(
      group.members, [](const GroupMember& member) { return member.server.up && member.server.weight > 0; }));
}

bool has(const GroupOf& group, const std::string& dip) {
  return std::ranges::any_of(group.members, [&](const GroupMember& m) { return m.server.dip == dip; });
}

std::string percent(double share) {
  return std::to_string(std::lround(100 * share)) + " %";
}

// A group that lent servers and has too few left gets one back.
std::optional<Loan> return_one(const std::vector<GroupOf>& groups, std::size_t least) {
  for (const GroupOf& home : groups) {
    if (up_in(home) >= least) continue;
    for (const GroupOf& borrower : groups) {
      if (borrower.name == home.name || up_in(borrower) < 2) continue;
      for (const GroupMember& member : borrower.members) {
        if (member.home != home.name || !member.server.up || has(home, member.server.dip)) continue;
        return Loan{member.server.dip, borrower.name, home.name,
                    "group " + home.name + " has " + std::to_string(up_in(home)) + " DIPs left"};
      }
    }
  }
  return {};
}

struct Loaded {
  const GroupOf* group = nullptr;
  double load = 0;
};

// How far apart the loads are expected to be when a server of this weight has gone from `calm` to `busy`.
double difference_after(const Loaded& calm, const Loaded& busy, double weight) {
  const double calm_weight = weight_of(*calm.group), busy_weight = weight_of(*busy.group);
  const double calmer = calm.load * calm_weight / (calm_weight - weight);
  const double busier = busy.load * busy_weight / (busy_weight + weight);
  return std::abs(calmer - busier);
}

const GroupMember* best_to_lend(const Loaded& calm, const Loaded& busy) {
  const GroupMember* best = nullptr;
  double best_difference = 0;
  for (const GroupMember& member : calm.group->members) {
    const double weight = member.server.weight;
    if (!member.server.up || weight == 0 || weight >= weight_of(*calm.group)) continue;
    if (has(*busy.group, member.server.dip)) continue;
    const double difference = difference_after(calm, busy, weight);
    // Among equals, one that goes home; then the first by name, so that all MUXes choose alike.
    const auto rank = [&](const GroupMember& m, double d) {
      return std::tuple(d, m.home != busy.group->name, m.server.dip);
    };
    if (best && rank(*best, best_difference) <= rank(member, difference)) continue;
    best = &member;
    best_difference = difference;
  }
  return best && best_difference < kWorthwhile * (busy.load - calm.load) ? best : nullptr;
}

}  // namespace

std::optional<double> load_of(const GroupOf& group) {
  double reporting = 0, sum = 0;
  for (const GroupMember& member : group.members) {
    const auto& figure = member.server.figure;
    if (!member.server.up || !figure || !figure->utilisation) continue;
    reporting += member.server.weight;
    sum += member.server.weight * *figure->utilisation;
  }
  if (reporting == 0 || 2 * reporting < weight_of(group)) return {};
  return sum / reporting;
}

std::optional<Loan> GroupBalance::round(const std::vector<GroupOf>& groups, const BalanceBounds& bounds,
                                        TimePoint now) {
  const bool may = !lent_ || now - *lent_ >= bounds.interval;
  if (auto loan = may ? return_one(groups, bounds.least) : std::nullopt) {
    lent_ = now;
    return loan;
  }
  std::vector<Loaded> loads;
  for (const GroupOf& group : groups) {
    if (const auto load = load_of(group)) loads.push_back({&group, *load});
  }
  if (loads.size() < 2) {
    differ_since_.reset();
    return {};
  }
  const auto [calm, busy] = std::ranges::minmax_element(loads, {}, &Loaded::load);
  if (busy->load - calm->load < bounds.difference) {
    differ_since_.reset();
    return {};
  }
  if (!differ_since_) differ_since_ = now;
  if (!may || now - *differ_since_ < bounds.interval || up_in(*calm->group) <= bounds.least) return {};
  const GroupMember* member = best_to_lend(*calm, *busy);
  if (!member) return {};
  lent_ = now;
  differ_since_.reset();
  return Loan{member->server.dip, calm->group->name, busy->group->name,
              "group " + busy->group->name + " is " + percent(busy->load) + " busy and group " +
                  calm->group->name + " " + percent(calm->load)};
}

}  // namespace sluice::load
