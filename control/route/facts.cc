// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/route/facts.h"

#include <algorithm>
#include <map>
#include <string>

namespace sluice::route {

std::vector<ServiceFacts> facts_of(const config::Model& model, const maps::Directory& directory) {
  std::map<std::string, std::map<std::string, bool>> alive;  // service -> DIP -> may carry packets
  for (const maps::Directory::Target& target : directory.targets) {
    if (target.dip.gone) continue;
    bool& dip = alive[directory.services[target.service].name][target.dip.name];
    dip = dip || target.dip.usable();
  }
  std::vector<ServiceFacts> facts;
  for (const config::Service& service : model.services) {
    const auto& dips = alive[service.name];
    facts.push_back({.name = service.name,
                     .vip = service.vip,
                     .announce = service.announce,
                     .dips = dips.size(),
                     .alive = static_cast<std::size_t>(
                         std::ranges::count_if(dips, [](const auto& dip) { return dip.second; }))});
  }
  return facts;
}

}  // namespace sluice::route
