// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What each action does to a model, and how it reads.
#include <algorithm>

#include "control/config/address_port.h"
#include "control/config/diff.h"
#include "control/config/dip_lists.h"
#include "control/config/forms.h"
#include "control/config/keys.h"

namespace sluice::config {
namespace {

template <class Element>
Element* find_named(std::vector<Element>& elements, const std::string& name) {
  const auto found = std::find_if(elements.begin(), elements.end(),
                                  [&](const Element& element) { return element.name == name; });
  return found == elements.end() ? nullptr : &*found;
}

template <class A>
Group* find_group(Model& model, const A& action) {
  Service* service = find_named(model.services, action.service);
  return service == nullptr ? nullptr : find_named(service->groups, action.group);
}

struct Apply {
  Model& model;

  void operator()(const AddService& add) const { model.services.push_back(add.service); }
  void operator()(const RemoveService& remove) const {
    std::erase_if(model.services, [&](const Service& service) { return service.name == remove.name; });
  }
  void operator()(const ChangeService& change) const {
    Service* service = find_named(model.services, change.name);
    if (service == nullptr) return;
    for (const Key<Service>& key : service_keys().keys) {
      const bool changes = std::any_of(
          change.keys.begin(), change.keys.end(),
          [&](const std::string& changed) { return changed.substr(0, changed.find('.')) == key.name; });
      if (changes) key.copy(change.to, *service);
    }
  }
  void operator()(const AddGroup& add) const {
    if (Service* service = find_named(model.services, add.service)) service->groups.push_back(add.group);
  }
  void operator()(const RemoveGroup& remove) const {
    if (Service* service = find_named(model.services, remove.service))
      std::erase_if(service->groups, [&](const Group& group) { return group.name == remove.group; });
  }
  void operator()(const ReweightGroup& reweight) const {
    if (Group* group = find_group(model, reweight)) group->weight = reweight.weight;
  }
  void operator()(const MoveGroup& move) const {
    if (Group* group = find_group(model, move)) group->worker = move.worker;
  }
  void operator()(const AddDip& add) const {
    if (Group* group = find_group(model, add)) group->dips.push_back(add.dip);
  }
  void operator()(const RemoveDip& remove) const {
    if (Group* group = find_group(model, remove))
      std::erase_if(group->dips,
                    [&](const Dip& dip) { return dip.address == remove.address && dip.port == remove.port; });
  }
  void operator()(const ReweightDip& reweight) const {
    Group* group = find_group(model, reweight);
    if (group == nullptr) return;
    for (Dip& dip : group->dips)
      if (dip.address == reweight.address && dip.port == reweight.port) dip.weight = reweight.weight;
  }
  void operator()(const AddIip& add) const {
    for (Iip& iip : model.iips) {
      if (iip.address.address != add.iip.address.address) continue;
      iip = add.iip;
      return;
    }
    model.iips.push_back(add.iip);
  }
  void operator()(const RemoveIip& remove) const {
    std::erase_if(model.iips, [&](const Iip& iip) { return iip.address.address == remove.address; });
  }
  void operator()(const ShareDips& share) const {
    if (Group* group = find_group(model, share)) group->dip_list = share.list;
  }
  void operator()(const PutDipList& put) const {
    if (DipList* list = find_dip_list(model, put.list.name))
      *list = put.list;
    else
      model.dip_lists.push_back(put.list);
  }
  void operator()(const RemoveDipList& remove) const {
    std::erase_if(model.dip_lists, [&](const DipList& list) { return list.name == remove.name; });
  }
  void operator()(const ChangeControl& change) const {
    for (const Key<Control>& key : control_keys().keys)
      if (key.name == change.key) key.copy(change.to, model.control);
  }
  void operator()(const NeedsRestart&) const {}
};

std::string in_group(const std::string& service, const std::string& group) {
  return "group " + group + " of service " + service;
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) (all += all.empty() ? "" : ", ") += word;
  return all;
}

}  // namespace

Model apply(Model model, std::span<const Action> actions) {
  for (const Action& action : actions) std::visit(Apply{model}, action);
  return model;
}

std::string describe(const Action& action) {
  return std::visit([](const auto& a) { return a.describe(); }, action);
}

std::string AddService::describe() const {
  std::size_t dips = 0;
  for (const Group& group : service.groups) dips += group.dips.size();
  return "add service " + service.name + " (" + to_string(service.vip) + ' ' +
         std::string(to_word(service.protocol)) + " port " + std::to_string(service.port) + ") with " +
         std::to_string(dips) + (dips == 1 ? " DIP" : " DIPs");
}

std::string RemoveService::describe() const {
  return "remove service " + name;
}

std::string ChangeService::describe() const {
  return "change " + joined(keys) + " of service " + name;
}

std::string AddGroup::describe() const {
  return "add " + in_group(service, group.name) + " with " + std::to_string(group.dips.size()) +
         (group.dips.size() == 1 ? " DIP" : " DIPs");
}

std::string RemoveGroup::describe() const {
  return "remove " + in_group(service, group);
}

std::string ReweightGroup::describe() const {
  return "give " + in_group(service, group) +
         (weight == 0 ? " the sum of its DIPs' weights" : " weight " + std::to_string(weight));
}

std::string MoveGroup::describe() const {
  return worker ? "give " + in_group(service, group) + " to worker " + std::to_string(*worker)
                : "leave the worker of " + in_group(service, group) + " to Sluice";
}

std::string AddDip::describe() const {
  return "add DIP " + to_string(AddressPort{dip.address, dip.port}) + " with weight " +
         std::to_string(dip.weight) + " to " + in_group(service, group);
}

std::string RemoveDip::describe() const {
  return "remove DIP " + to_string(AddressPort{address, port}) + " from " + in_group(service, group);
}

std::string ReweightDip::describe() const {
  return "give DIP " + to_string(AddressPort{address, port}) + " of " + in_group(service, group) +
         " weight " + std::to_string(weight);
}

std::string AddIip::describe() const {
  return "IIP " + form::kIip.print(iip.address) + (iip.port.empty() ? "" : " on port " + iip.port) +
         " is to be held";
}

std::string RemoveIip::describe() const {
  return "give up IIP " + to_string(address);
}

std::string ShareDips::describe() const {
  return list.empty() ? "give " + in_group(service, group) + " DIPs of its own"
                      : "give " + in_group(service, group) + " the DIPs of list " + list;
}

std::string PutDipList::describe() const {
  return "list " + list.name + " has " + std::to_string(list.dips.size()) +
         (list.dips.size() == 1 ? " DIP" : " DIPs");
}

std::string RemoveDipList::describe() const {
  return "remove list " + name;
}

std::string ChangeControl::describe() const {
  for (const Key<Control>& row : control_keys().keys)
    if (row.name == key) return "change control." + key + " to " + row.print(to, 0);
  return "change control." + key;
}

std::string NeedsRestart::describe() const {
  return sentence;
}

}  // namespace sluice::config
