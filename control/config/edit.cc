// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/edit.h"

#include <algorithm>
#include <set>

#include "control/config/dip_lists.h"
#include "control/config/key.h"
#include "control/config/validate.h"

namespace sluice::config {
namespace {

constexpr std::size_t kListed = 8;  // names that still make a readable sentence

Edit refuse(std::string error) {
  return {std::nullopt, std::move(error)};
}

// The model when it keeps all rules, else the first that it breaks.
Edit judged(Model model) {
  const std::vector<Problem> problems = validate(model);
  if (!problems.empty()) return refuse(problems.front().what);
  return {std::move(model), {}};
}

std::string list(const std::vector<std::string>& names) {
  std::string all;
  for (std::size_t i = 0; i < names.size() && i < kListed; ++i) (all += i == 0 ? "" : ", ") += names[i];
  if (names.size() > kListed) all += " and " + std::to_string(names.size() - kListed) + " more";
  return all.empty() ? "none" : all;
}

Service* find_service(Model& model, std::string_view name) {
  for (Service& service : model.services)
    if (service.name == name) return &service;
  return nullptr;
}

std::string no_service(const Model& model, std::string_view name) {
  std::vector<std::string> all;
  std::vector<std::string_view> names;
  for (const Service& service : model.services) {
    all.push_back(service.name);
    names.push_back(service.name);
  }
  const std::string sentence = "no service named " + quote(name) + "; ";
  if (names.size() <= kListed) return sentence + "services: " + list(all);
  return sentence + "the nearest name is " + quote(nearest(name, names));
}

std::vector<std::string> group_names(const Service& service) {
  std::vector<std::string> names;
  for (const Group& group : service.groups) names.push_back(group.name);
  return names;
}

std::string no_group(const Service& service, std::string_view group) {
  return "no group named " + quote(group) + "; groups of service " + service.name + ": " +
         list(group_names(service));
}

// The groups that a command speaks of; empty when it names one that is not there.
std::vector<Group*> groups_meant(Service& service, std::string_view group) {
  std::vector<Group*> meant;
  for (Group& candidate : service.groups)
    if (group.empty() || candidate.name == group) meant.push_back(&candidate);
  return meant;
}

std::uint16_t port_of(const Service& service, std::uint16_t port) {
  return port != 0 ? port : service.port;
}

// The port that a DIP written without one serves on, or a sentence.
std::optional<std::uint16_t> port_meant(const Service& service, const std::vector<Group*>& groups,
                                        std::string_view group, const AddressPort& dip, std::string& error) {
  std::set<std::uint16_t> ports;
  std::vector<std::string> known;
  for (const Group* each : groups)
    for (const Dip& candidate : each->dips) {
      known.push_back(to_string(AddressPort{candidate.address, candidate.port}));
      if (candidate.address == dip.address) ports.insert(port_of(service, candidate.port));
    }
  const std::uint16_t wanted = port_of(service, dip.port);
  if (ports.contains(wanted)) return wanted;
  if (dip.port == 0 && ports.size() == 1) return *ports.begin();
  if (dip.port == 0 && ports.size() > 1)
    error = "service " + service.name + " has " + to_string(dip.address) +
            " on several ports; name one, as in " + to_string(AddressPort{dip.address, *ports.begin()});
  else
    error = "no DIP " + to_string(dip) + " in " +
            (group.empty() ? "" : "group " + std::string(group) + " of ") + "service " + service.name +
            "; its DIPs: " + list(known);
  return std::nullopt;
}

// Where a group's DIPs are written down: in the group, or in the list that it shares.
std::vector<Dip>& written_dips(Model& model, Group& group) {
  DipList* list = find_dip_list(model, group.dip_list);
  return list != nullptr ? list->dips : group.dips;
}

// The model after share_dips when it keeps all rules.
Edit shared(Model model) {
  share_dips(model);
  return judged(std::move(model));
}

// Calls change(dips, position) for every place that a command means, from the back.
template <class Change>
Edit change_dip(Model model, std::string_view service_name, std::string_view group, const AddressPort& dip,
                Change change) {
  Service* service = find_service(model, service_name);
  if (service == nullptr) return refuse(no_service(model, service_name));
  const std::vector<Group*> groups = groups_meant(*service, group);
  if (groups.empty() && !group.empty()) return refuse(no_group(*service, group));
  std::string error;
  const auto port = port_meant(*service, groups, group, dip, error);
  if (!port) return refuse(std::move(error));
  std::set<std::vector<Dip>*> places;
  for (Group* each : groups) places.insert(&written_dips(model, *each));
  for (std::vector<Dip>* dips : places)
    for (std::size_t i = dips->size(); i-- > 0;)
      if ((*dips)[i].address == dip.address && port_of(*service, (*dips)[i].port) == *port) change(*dips, i);
  return shared(std::move(model));
}

}  // namespace

Edit add_service(Model model, Service service) {
  if (find_service(model, service.name) != nullptr)
    return refuse("service " + service.name + " exists already; remove it first, or choose another name");
  model.services.push_back(std::move(service));
  return shared(std::move(model));
}

Edit remove_service(Model model, std::string_view name) {
  const std::size_t before = model.services.size();
  std::erase_if(model.services, [&](const Service& service) { return service.name == name; });
  if (model.services.size() == before) return refuse(no_service(model, name));
  return judged(std::move(model));
}

Edit add_dip(Model model, std::string_view service_name, std::string_view group, const Dip& dip) {
  Service* service = find_service(model, service_name);
  if (service == nullptr) return refuse(no_service(model, service_name));
  if (group.empty() && service->groups.empty()) service->groups.push_back({"default", 0, {}});
  const std::vector<Group*> groups = groups_meant(*service, group);
  if (groups.empty()) return refuse(no_group(*service, group));
  if (groups.size() > 1)
    return refuse("service " + service->name +
                  " has several groups; name one of: " + list(group_names(*service)));
  for (const Dip& there : groups[0]->dips)
    if (there.address == dip.address && port_of(*service, there.port) == port_of(*service, dip.port))
      return refuse("DIP " + to_string(AddressPort{dip.address, dip.port}) + " is in group " +
                    groups[0]->name + " of service " + service->name + " already; change its weight instead");
  written_dips(model, *groups[0]).push_back(dip);
  return shared(std::move(model));
}

Edit remove_dip(Model model, std::string_view service, std::string_view group, const AddressPort& dip) {
  return change_dip(std::move(model), service, group, dip, [](std::vector<Dip>& in, std::size_t position) {
    in.erase(in.begin() + static_cast<std::ptrdiff_t>(position));
  });
}

Edit set_weight(Model model, std::string_view service, std::string_view group, const AddressPort& dip,
                std::uint32_t weight) {
  return change_dip(std::move(model), service, group, dip,
                    [weight](std::vector<Dip>& in, std::size_t position) { in[position].weight = weight; });
}

Edit add_iip(Model model, const Iip& iip) {
  for (const Iip& there : model.iips)
    if (there.address.address == iip.address.address)
      return refuse("IIP " + to_string(iip.address.address) +
                    " is there already; remove it first, or announce it");
  model.iips.push_back(iip);
  return judged(std::move(model));
}

Edit remove_iip(Model model, const IpAddress& address) {
  std::vector<std::string> known;
  for (const Iip& iip : model.iips) known.push_back(to_string(iip.address.address));
  const auto removed =
      std::erase_if(model.iips, [&](const Iip& iip) { return iip.address.address == address; });
  if (removed == 0) return refuse("no IIP " + to_string(address) + "; IIPs: " + list(known));
  return judged(std::move(model));
}

}  // namespace sluice::config
