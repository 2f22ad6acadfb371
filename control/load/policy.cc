// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/load/policy.h"

#include <algorithm>
#include <optional>

namespace sluice::load {
namespace {

// Of an even number the lower one of the two in the middle, so that no two figures are mixed.
std::optional<double> median(std::vector<double> figures) {
  if (figures.empty()) return {};
  const auto middle = figures.begin() + static_cast<std::ptrdiff_t>((figures.size() - 1) / 2);
  std::ranges::nth_element(figures, middle);
  return *middle;
}

// For each unit of weight; nothing when the reports do not say.
std::optional<double> speed_of(const Server& server) {
  if (!server.figure || server.weight == 0) return {};
  const Figure& figure = *server.figure;
  if (!figure.utilisation || !figure.work || *figure.work <= 0) return {};
  return *figure.work / std::max(*figure.utilisation, kLeastUtilisation) / server.weight;
}

bool asks_to_leave(const Server& server) {
  return server.figure && !server.figure->takes;
}

Target target_of(const Server& server, std::optional<double> typical, bool idle) {
  if (!server.figure || server.weight == 0) return {};
  if (server.figure->told)
    return *server.figure->told > 0 ? Target{Wish::kFactor, *server.figure->told} : Target{Wish::kNothing};
  if (!server.figure->utilisation || !server.figure->work) return {};
  const auto speed = speed_of(server);
  if (idle || !speed || !typical) return {Wish::kStay};
  return {Wish::kFactor, *speed / *typical};
}

}  // namespace

std::map<std::string, Target> weight_targets(const std::vector<Server>& servers, bool adapt) {
  std::vector<double> speeds, utilisations;
  for (const Server& server : servers) {
    if (!server.up) continue;
    if (const auto speed = speed_of(server)) {
      speeds.push_back(*speed);
      utilisations.push_back(*server.figure->utilisation);
    }
  }
  const auto typical = median(std::move(speeds));
  const bool idle = median(std::move(utilisations)).value_or(0) < kIdle;
  std::map<std::string, Target> targets;
  bool takers = false;
  for (const Server& server : servers) {
    Target target = adapt ? target_of(server, typical, idle) : Target{};
    if (asks_to_leave(server)) target = {Wish::kNothing};
    takers = takers || (server.up && server.weight > 0 && target.wish != Wish::kNothing);
    targets[server.dip] = target;
  }
  if (takers) return targets;
  for (auto& [dip, target] : targets) {
    if (target.wish == Wish::kNothing) target = {Wish::kStay};
  }
  return targets;
}

std::map<std::string, Target> spare_targets(const std::vector<Server>& servers) {
  const auto spare_of = [](const Server& server) -> std::optional<double> {
    if (!server.figure || !server.figure->utilisation) return {};
    return std::max(1 - *server.figure->utilisation, kLeastSpare);
  };
  std::vector<double> all;
  for (const Server& server : servers) {
    if (const auto spare = spare_of(server); spare && server.up) all.push_back(*spare);
  }
  const auto typical = median(std::move(all));
  std::map<std::string, Target> targets;
  for (const Server& server : servers) {
    const auto spare = spare_of(server);
    targets[server.dip] = spare && typical ? Target{Wish::kFactor, *spare / *typical} : Target{};
  }
  return targets;
}

}  // namespace sluice::load
