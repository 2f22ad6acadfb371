// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/maps/loads.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "control/maps/plan.h"

namespace sluice::maps {
namespace {

config::Group* find(config::Service& service, const std::string& name) {
  const auto at = std::ranges::find(service.groups, name, &config::Group::name);
  return at == service.groups.end() ? nullptr : &*at;
}

// Takes the DIP out of a group in which somebody stays who can take flows.
std::optional<config::Dip> take(config::Group& group, const std::string& dip) {
  const auto at = std::ranges::find(group.dips, dip, dip_name);
  if (at == group.dips.end()) return {};
  const bool others = std::ranges::any_of(
      group.dips, [&](const config::Dip& other) { return &other != &*at && other.weight > 0; });
  if (!others) return {};
  config::Dip taken = *at;
  group.dips.erase(at);
  return taken;
}

void lend(config::Service& service, const std::map<Loads::Lent, std::string>& lent) {
  for (const auto& [who, to] : lent) {
    config::Group* from = find(service, who.from);
    config::Group* group = find(service, to);
    if (!from || !group || from == group) continue;
    if (std::ranges::find(group->dips, who.dip, dip_name) != group->dips.end()) continue;
    if (auto dip = take(*from, who.dip)) group->dips.push_back(std::move(*dip));
  }
}

void scale(config::Service& service, const Loads& loads) {
  for (config::Group& group : service.groups) {
    for (config::Dip& dip : group.dips) {
      const std::uint64_t weight =
          std::uint64_t{dip.weight} * factor_of(loads.weights, service.name, dip_name(dip));
      dip.weight = static_cast<std::uint32_t>(
          std::min<std::uint64_t>(weight, std::numeric_limits<std::uint32_t>::max()));
    }
  }
}

}  // namespace

std::uint32_t factor_of(const std::map<std::string, Loads::Factors>& table, const std::string& service,
                        const std::string& dip) {
  const auto factors = table.find(service);
  if (factors == table.end()) return Loads::kUnit;
  const auto factor = factors->second.find(dip);
  return factor == factors->second.end() ? Loads::kUnit : factor->second;
}

config::Model effective(const config::Model& model, const Loads& loads) {
  config::Model out = model;
  for (config::Service& service : out.services) {
    const auto lent = loads.lent.find(service.name);
    const bool scaled = loads.weights.contains(service.name);
    if (lent == loads.lent.end() && !scaled) continue;
    for (config::Group& group : service.groups) group.weight = weight_of(group);
    if (lent != loads.lent.end()) lend(service, lent->second);
    if (scaled) scale(service, loads);
  }
  return out;
}

}  // namespace sluice::maps
