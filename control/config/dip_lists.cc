// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/dip_lists.h"

#include <algorithm>

#include "control/config/validate.h"

namespace sluice::config {

DipList* find_dip_list(Model& model, std::string_view name) {
  const auto found = std::ranges::find(model.dip_lists, name, &DipList::name);
  return found == model.dip_lists.end() ? nullptr : &*found;
}

const DipList* find_dip_list(const Model& model, std::string_view name) {
  return find_dip_list(const_cast<Model&>(model), name);
}

void share_dips(Model& model) {
  for (Service& service : model.services) {
    for (Group& group : service.groups) {
      if (group.dip_list.empty()) continue;
      const DipList* list = find_dip_list(model, group.dip_list);
      group.dips = list != nullptr ? list->dips : std::vector<Dip>{};
    }
    settle_ports(service);
  }
}

}  // namespace sluice::config
