// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/diff.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <tuple>

#include "control/config/address_port.h"
#include "control/config/keys.h"

namespace sluice::config {
namespace {

// Keys whose values differ, as the file names them. Values are compared as they print: two that print alike
// load alike.
template <class T>
std::vector<std::string> changed_keys(const Section<T>& section, const T& from, const T& to) {
  std::vector<std::string> changed;
  for (const Key<T>& key : section.keys)
    if (key.print(from, 0) != key.print(to, 0)) changed.push_back(key.name);
  return changed;
}

template <class T>
const Key<T>& key_named(const Section<T>& section, std::string_view name) {
  return *std::find_if(section.keys.begin(), section.keys.end(),
                       [&](const Key<T>& key) { return key.name == name; });
}

template <class Element, class NameOf>
auto by_name(const std::vector<Element>& elements, NameOf name_of) {
  std::map<decltype(name_of(elements[0])), const Element*> index;
  for (const Element& element : elements) index.emplace(name_of(element), &element);
  return index;
}

std::string service_name(const Service& service) {
  return service.name;
}
std::string group_name(const Group& group) {
  return group.name;
}
std::pair<IpAddress, std::uint16_t> dip_name(const Dip& dip) {
  return {dip.address, dip.port};
}

std::vector<Dip> sorted(std::vector<Dip> dips) {
  std::ranges::sort(dips, {}, dip_name);
  return dips;
}

bool same_service(const Service& a, const Service& b) {
  return a.vip == b.vip && a.protocol == b.protocol && a.port == b.port;
}

Service without_groups(Service service) {
  service.groups.clear();
  return service;
}

std::vector<std::string> changed_policy(const Service& from, const Service& to) {
  std::vector<std::string> changed;
  for (const std::string& name : changed_keys(service_keys(), without_groups(from), without_groups(to))) {
    std::vector<std::string> below;
    if (name == "health") below = changed_keys(health_keys(), from.health, to.health);
    if (name == "transition") below = changed_keys(transition_keys(), from.transition, to.transition);
    if (name == "timeouts") below = changed_keys(timeouts_keys(), from.timeouts, to.timeouts);
    if (name == "elephant") below = changed_keys(elephant_keys(), from.elephant, to.elephant);
    if (name == "load") below = changed_keys(load_keys(), from.load, to.load);
    if (below.empty()) changed.push_back(name);
    for (const std::string& key : below) changed.push_back(name + '.' + key);
  }
  return changed;
}

// What leaves goes to `leave`, all else to `join`.
struct Actions {
  std::vector<Action> leave, join;
};

void diff_dips(const std::string& service, const Group& from, const Group& to, Actions& actions) {
  const auto before = by_name(from.dips, dip_name);
  const auto after = by_name(to.dips, dip_name);
  for (const Dip& dip : from.dips)
    if (!after.contains(dip_name(dip)))
      actions.leave.push_back(RemoveDip{service, from.name, dip.address, dip.port});
  for (const Dip& dip : to.dips) {
    const auto old = before.find(dip_name(dip));
    if (old == before.end())
      actions.join.push_back(AddDip{service, to.name, dip});
    else if (old->second->weight != dip.weight)
      actions.join.push_back(ReweightDip{service, to.name, dip.address, dip.port, dip.weight});
  }
}

void diff_service(const Service& from, const Service& to, Actions& actions) {
  if (auto keys = changed_policy(from, to); !keys.empty())
    actions.join.push_back(ChangeService{to.name, std::move(keys), without_groups(to)});
  const auto before = by_name(from.groups, group_name);
  const auto after = by_name(to.groups, group_name);
  for (const Group& group : from.groups)
    if (!after.contains(group.name)) actions.leave.push_back(RemoveGroup{from.name, group.name});
  for (const Group& group : to.groups) {
    const auto old = before.find(group.name);
    if (old == before.end()) {
      actions.join.push_back(AddGroup{to.name, group});
      continue;
    }
    if (old->second->weight != group.weight)
      actions.join.push_back(ReweightGroup{to.name, group.name, group.weight});
    if (old->second->worker != group.worker)
      actions.join.push_back(MoveGroup{to.name, group.name, group.worker});
    diff_dips(to.name, *old->second, group, actions);
    if (old->second->dip_list != group.dip_list)
      actions.join.push_back(ShareDips{to.name, group.name, group.dip_list});
  }
}

void diff_services(const Model& from, const Model& to, Actions& actions) {
  const auto before = by_name(from.services, service_name);
  const auto after = by_name(to.services, service_name);
  for (const Service& service : from.services) {
    const auto now = after.find(service.name);
    if (now == after.end() || !same_service(service, *now->second))
      actions.leave.push_back(RemoveService{service.name});
  }
  for (const Service& service : to.services) {
    const auto old = before.find(service.name);
    if (old == before.end() || !same_service(*old->second, service))
      actions.join.push_back(AddService{service});
    else
      diff_service(*old->second, service, actions);
  }
}

void diff_iips(const std::vector<Iip>& from, const std::vector<Iip>& to, Actions& actions) {
  auto address = [](const Iip& iip) { return iip.address.address; };
  const auto before = by_name(from, address), after = by_name(to, address);
  for (const auto& [known, iip] : before)
    if (!after.contains(known)) actions.leave.push_back(RemoveIip{known});
  for (const auto& [known, iip] : after) {
    const auto old = before.find(known);
    if (old == before.end() || !(*old->second == *iip)) actions.join.push_back(AddIip{*iip});
  }
}

void diff_lists(const Model& from, const Model& to, std::vector<Action>& actions) {
  const auto name = [](const DipList& list) { return list.name; };
  const auto before = by_name(from.dip_lists, name), after = by_name(to.dip_lists, name);
  for (const DipList& list : to.dip_lists) {
    const auto old = before.find(list.name);
    if (old == before.end() || sorted(old->second->dips) != sorted(list.dips))
      actions.push_back(PutDipList{list});
  }
  for (const DipList& list : from.dip_lists)
    if (!after.contains(list.name)) actions.push_back(RemoveDipList{list.name});
}

NeedsRestart restart(const std::string& key, const std::string& from, const std::string& to) {
  return {key, key + (from.empty() ? " stays without a value" : " stays " + from) + "; restart sluiced " +
                   (to.empty() ? "to do without it" : "to make it " + to)};
}

NeedsRestart restart(const std::string& key, const std::string& change) {
  return {key, key + ' ' + change + " when sluiced is restarted, not before"};
}

void diff_ports(const std::vector<Port>& from, const std::vector<Port>& to, std::vector<Action>& actions) {
  auto name = [](const Port& port) { return port.name; };
  const auto before = by_name(from, name), after = by_name(to, name);
  for (const auto& [port, values] : before) {
    const std::string path = "dataplane.ports." + port;
    const auto now = after.find(port);
    if (now == after.end()) {
      actions.push_back(restart(path, "leaves"));
      continue;
    }
    for (const std::string& key : changed_keys(port_keys(), *values, *now->second)) {
      const Key<Port>& row = key_named(port_keys(), key);
      actions.push_back(restart(path + '.' + key, row.print(*values, 0), row.print(*now->second, 0)));
    }
  }
  for (const auto& [port, values] : after)
    if (!before.contains(port)) actions.push_back(restart("dataplane.ports." + port, "joins"));
}

void diff_dataplane(const Dataplane& from, const Dataplane& to, std::vector<Action>& actions) {
  auto lcore = [](const Worker& worker) { return worker.lcore; };
  for (const std::string& key : changed_keys(dataplane_keys(), from, to)) {
    const Key<Dataplane>& row = key_named(dataplane_keys(), key);
    const std::string path = "dataplane." + key;
    if (key == "ports") continue;
    if (key == "workers") {
      const auto before = by_name(from.workers, lcore), after = by_name(to.workers, lcore);
      const bool same = std::equal(before.begin(), before.end(), after.begin(), after.end(),
                                   [](const auto& a, const auto& b) { return *a.second == *b.second; });
      if (!same) actions.push_back(restart(path, "change"));
    } else if (key == "hash_key") {
      actions.push_back(restart(path, "changes"));  // a secret: not into sentences
    } else {
      actions.push_back(restart(path, row.print(from, 0), row.print(to, 0)));
    }
  }
  diff_ports(from.ports, to.ports, actions);
}

void diff_pool(const Model& from, const Model& to, std::vector<Action>& actions) {
  if (from.pool == to.pool) return;
  if (from.pool.name.empty() || to.pool.name.empty()) {
    actions.push_back(restart("pool", from.pool.name.empty() ? "joins" : "leaves"));
    return;
  }
  for (const std::string& key : changed_keys(pool_keys(), from.pool, to.pool)) {
    const Key<Pool>& row = key_named(pool_keys(), key);
    const std::string path = "pool." + key;
    if (key == "secret" || key == "members")  // a secret: not into sentences; a list: too long for one
      actions.push_back(restart(path, key == "secret" ? "changes" : "change"));
    else
      actions.push_back(restart(path, row.print(from.pool, 0), row.print(to.pool, 0)));
  }
}

}  // namespace

std::vector<Action> diff(const Model& from, const Model& to) {
  Actions actions;
  diff_services(from, to, actions);
  diff_iips(from.iips, to.iips, actions);
  std::vector<Action> all = std::move(actions.leave);
  all.insert(all.end(), std::make_move_iterator(actions.join.begin()),
             std::make_move_iterator(actions.join.end()));
  diff_lists(from, to, all);
  for (const std::string& key : changed_keys(control_keys(), from.control, to.control)) {
    const Key<Control>& row = key_named(control_keys(), key);
    constexpr std::array<std::string_view, 6> kAtTheStart = {"socket", "route_table",  "route_protocol",
                                                             "user",   "capabilities", "seccomp"};
    if (std::ranges::find(kAtTheStart, key) != kAtTheStart.end())
      all.push_back(restart("control." + key, row.print(from.control, 0), row.print(to.control, 0)));
    else
      all.push_back(ChangeControl{key, to.control});
  }
  diff_dataplane(from.dataplane, to.dataplane, all);
  diff_pool(from, to, all);
  return all;
}

Model canonical(Model model) {
  std::sort(model.services.begin(), model.services.end(),
            [](const Service& a, const Service& b) { return a.name < b.name; });
  for (Service& service : model.services) {
    std::sort(service.groups.begin(), service.groups.end(),
              [](const Group& a, const Group& b) { return a.name < b.name; });
    for (Group& group : service.groups) group.dips = sorted(std::move(group.dips));
  }
  std::sort(model.iips.begin(), model.iips.end(),
            [](const Iip& a, const Iip& b) { return a.address.address < b.address.address; });
  std::ranges::sort(model.dip_lists, {}, &DipList::name);
  for (DipList& list : model.dip_lists) list.dips = sorted(std::move(list.dips));
  return model;
}

}  // namespace sluice::config
