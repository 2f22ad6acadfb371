// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/maps/plan.h"

#include <algorithm>
#include <numeric>

#include "control/config/address_port.h"

namespace sluice::maps {
namespace {

// "keep" has no deadline: the state stays until the last flow has gone.
constexpr std::chrono::seconds kNoDeadline = std::chrono::hours(24 * 365);

bool has_live_dip(const config::Service& service, const config::Group& group, const History& history) {
  return std::ranges::any_of(group.dips, [&](const config::Dip& dip) {
    return dip.weight > 0 && history.healthy(service.name, dip_name(dip));
  });
}

std::chrono::seconds deadline_of(const config::Service& service, const ChangeOptions& options) {
  if (options.deadline) return *options.deadline;
  return service.transition.at_deadline == config::AtDeadline::kKeep && !options.by_load
             ? kNoDeadline
             : std::chrono::seconds(service.transition.deadline_s);
}

// Without flow tables, the maps alone keep old flows where they are.
bool needs_maps(const config::Service& service) {
  return service.stickiness != config::Stickiness::kFlow;
}

const config::Service* find(const config::Model& model, const std::string& name) {
  const auto at = std::ranges::find(model.services, name, &config::Service::name);
  return at == model.services.end() ? nullptr : &*at;
}

const config::Group* find(const config::Service& service, const std::string& name) {
  const auto at = std::ranges::find(service.groups, name, &config::Group::name);
  return at == service.groups.end() ? nullptr : &*at;
}

void forget_service(History& history, const std::string& service) {
  for (const MapKey& key : history.transitions.groups()) {
    if (key.service == service) history.transitions.forget(key);
  }
  std::erase_if(history.left, [&](const auto& entry) { return entry.first.service == service; });
  history.left_groups.erase(service);
  history.down.erase(service);
}

void change_group(History& history, const config::Service& before, const config::Group& group,
                  const config::Service& next, Clock::time_point now, const ChangeOptions& options) {
  const MapKey key{before.name, group.name};
  const Members old_members = members_of(before, group, history);
  const config::Group* successor = find(next, group.name);
  const Members new_members = successor ? members_of(next, *successor, history) : Members{};
  if (old_members == new_members) return;
  // Another weight at no more than one place and nothing else is a change like any other.
  history.transitions.begin(key, old_members, new_members, now, deadline_of(next, options), needs_maps(next));
  for (const config::Dip& dip : group.dips) {
    if (new_members.contains(dip_name(dip))) continue;
    history.left[key][dip_name(dip)] = dip;
    if (options.now) history.transitions.skip(key, dip_name(dip));
  }
  if (!successor) history.left_groups[before.name].insert(group.name);
}

// Is anybody left who can keep flows? With flow tables: of the model with whatever weight, or leaving.
// Without: in a map that holds it, be it remembered or in force.
bool keeps_flows(const History& history, const config::Service& service, const std::string& name) {
  const MapKey key{service.name, name};
  const config::Group* group = find(service, name);
  const auto healthy = [&](const std::string& dip) { return history.healthy(service.name, dip); };
  const Members current = group ? members_of(service, *group, history) : Members{};
  if (needs_maps(service)) {
    const auto holds = [&](const auto& member) {
      return member.second.weight > 0 && member.second.up && healthy(member.first);
    };
    return std::ranges::any_of(current, holds) ||
           std::ranges::any_of(history.transitions.maps(key),
                               [&](const Members* map) { return std::ranges::any_of(*map, holds); });
  }
  if (group && std::ranges::any_of(group->dips, healthy, dip_name)) return true;
  const auto leaving = history.transitions.leaving(key, current);
  return std::ranges::any_of(leaving, [&](const auto& l) { return !l.second.gone && healthy(l.first); });
}

// Tier 1's maps under way forget what groups held in which nobody is left.
void mark_dead_groups(History& history, const config::Service& service) {
  std::set<std::string> names;
  for (const config::Group& group : service.groups) names.insert(group.name);
  if (const auto left = history.left_groups.find(service.name); left != history.left_groups.end()) {
    names.insert(left->second.begin(), left->second.end());
  }
  for (const std::string& name : names) {
    if (!keeps_flows(history, service, name)) history.transitions.died({service.name, ""}, name);
  }
}

// A group that takes no new flows any more, and still keeps old ones, leaves tier 1's map by a transition.
bool goes_on_with_old_flows(const History& before, const History& after, const config::Service& service) {
  const Members was = members_of(service, before), is = members_of(service, after);
  return std::ranges::any_of(was, [&](const auto& entry) {
    const auto& [name, share] = entry;
    return share.up && !is.at(name).up && keeps_flows(after, service, name);
  });
}

bool holds_anybody(const Members& map, const PlannedGroup& group) {
  return std::ranges::any_of(group.dips, [&](const PlannedDip& dip) {
    const auto at = map.find(dip.name);
    return at != map.end() && at->second.up && at->second.weight > 0 && dip.usable();
  });
}

PlannedGroup plan_group(const config::Service& service, const config::Group& group, bool leaving,
                        const History& history) {
  const MapKey key{service.name, group.name};
  PlannedGroup out{.name = group.name, .weight = leaving ? 0 : weight_of(group), .leaving = leaving};
  out.worker = group.worker;
  for (const config::Dip& dip : group.dips) {
    const std::string name = dip_name(dip);
    out.dips.push_back({.dip = dip,
                        .name = name,
                        .healthy = history.healthy(service.name, name),
                        .spare = factor_of(history.spare, service.name, name)});
  }
  const Members current = leaving ? Members{} : members_of(service, group, history);
  const auto known = history.left.find(key);
  for (const auto& [name, state] : history.transitions.leaving(key, current)) {
    if (known == history.left.end() || !known->second.contains(name)) continue;
    out.dips.push_back({.dip = known->second.at(name),
                        .name = name,
                        .leaving = true,
                        .gone = state.gone,
                        .healthy = history.healthy(service.name, name)});
  }
  // V is the oldest map in which somebody is left: no flow relies on another. With nobody left in any, the
  // newest decides alone.
  const auto maps = history.transitions.maps(key);
  out.changes = maps.size();
  for (auto map = maps.rbegin(); map != maps.rend(); ++map) {
    if (holds_anybody(**map, out)) out.base = *map;
  }
  return out;
}

}  // namespace

std::string_view to_word(DipState state) {
  static constexpr std::string_view kWords[] = {"up", "down", "draining", "joining"};
  return kWords[static_cast<unsigned>(state)];
}

bool same_face(const config::Service& a, const config::Service& b) {
  return a.vip == b.vip && a.protocol == b.protocol && a.port == b.port;
}

bool PlannedGroup::up() const {
  return std::ranges::any_of(dips,
                             [](const PlannedDip& d) { return !d.leaving && d.healthy && d.dip.weight > 0; });
}

bool History::healthy(const std::string& service, const std::string& dip) const {
  const auto at = down.find(service);
  return at == down.end() || !at->second.contains(dip);
}

std::uint32_t weight_of(const config::Group& group) {
  if (group.weight != 0) return group.weight;
  return std::accumulate(group.dips.begin(), group.dips.end(), 0u,
                         [](std::uint32_t sum, const config::Dip& dip) { return sum + dip.weight; });
}

std::string dip_name(const config::Dip& dip) {
  return config::to_string(config::AddressPort{dip.address, dip.port});
}

Members members_of(const config::Service& service, const config::Group& group, const History& history) {
  Members members;
  for (const config::Dip& dip : group.dips) {
    const std::string name = dip_name(dip);
    members[name] = {dip.weight, history.healthy(service.name, name)};
  }
  return members;
}

Members members_of(const config::Service& service, const History& history) {
  Members members;
  for (const config::Group& group : service.groups) {
    members[group.name] = {weight_of(group), has_live_dip(service, group, history)};
  }
  return members;
}

void begin_joining(History& history, const config::Model& before, const config::Model& next) {
  for (const config::Service& service : next.services) {
    if (service.health.type == config::HealthType::kNone) continue;
    std::set<std::string> known;
    if (const config::Service* old = find(before, service.name)) {
      for (const config::Group& group : old->groups)
        for (const config::Dip& dip : group.dips) known.insert(dip_name(dip));
    }
    for (const config::Group& group : service.groups)
      for (const config::Dip& dip : group.dips)
        if (!known.contains(dip_name(dip))) history.down[service.name].insert(dip_name(dip));
  }
}

void begin_changes(History& history, const config::Model& before, const config::Model& next,
                   Clock::time_point now, const ChangeOptions& options) {
  for (const config::Service& old : before.services) {
    const config::Service* successor = find(next, old.name);
    if (!successor || !same_face(old, *successor)) {
      forget_service(history, old.name);
      continue;
    }
    const Members old_groups = members_of(old, history), new_groups = members_of(*successor, history);
    for (const config::Group& group : old.groups) change_group(history, old, group, *successor, now, options);
    // A service with one and the same group has nothing to choose in tier 1.
    if (old_groups.size() == 1 && new_groups.size() == 1 &&
        old_groups.begin()->first == new_groups.begin()->first) {
      continue;
    }
    history.transitions.begin({old.name, ""}, old_groups, new_groups, now, deadline_of(*successor, options),
                              needs_maps(*successor), !needs_maps(*successor));
    mark_dead_groups(history, *successor);
  }
}

void set_health(History& history, const config::Model& model, const std::string& service_name,
                const std::string& dip, bool healthy, Clock::time_point now) {
  if (history.healthy(service_name, dip) == healthy) return;
  const config::Service* service = find(model, service_name);
  if (!service) return;
  History after = history;
  healthy ? static_cast<void>(after.down[service_name].erase(dip))
          : static_cast<void>(after.down[service_name].insert(dip));
  if (healthy) {
    const auto deadline = deadline_of(*service, {});
    const bool maps = needs_maps(*service);
    for (const config::Group& group : service->groups) {
      after.transitions.begin({service_name, group.name}, members_of(*service, group, history),
                              members_of(*service, group, after), now, deadline, maps);
    }
    if (service->groups.size() > 1) {
      after.transitions.begin({service_name, ""}, members_of(*service, history), members_of(*service, after),
                              now, deadline, maps, !maps);
    }
  } else {
    for (const MapKey& key : after.transitions.groups()) {
      if (key.service == service_name && !key.group.empty()) after.transitions.died(key, dip);
    }
    if (service->groups.size() > 1 && goes_on_with_old_flows(history, after, *service)) {
      after.transitions.begin({service_name, ""}, members_of(*service, history), members_of(*service, after),
                              now, deadline_of(*service, {}), needs_maps(*service), !needs_maps(*service));
    }
    mark_dead_groups(after, *service);
  }
  history = std::move(after);
}

std::set<MapKey> abandoned(const History& history, const config::Model& model) {
  std::set<MapKey> all;
  for (const config::Service& service : model.services) {
    std::set<std::string> names;
    for (const config::Group& group : service.groups) names.insert(group.name);
    if (const auto left = history.left_groups.find(service.name); left != history.left_groups.end())
      names.insert(left->second.begin(), left->second.end());
    if (names.size() < 2) continue;
    for (const std::string& name : names) {
      if (!keeps_flows(history, service, name)) all.insert({service.name, name});
    }
  }
  return all;
}

void forget_left(History& history, const config::Model& model) {
  for (const config::Service& service : model.services) mark_dead_groups(history, service);
  for (auto at = history.left.begin(); at != history.left.end();) {
    const config::Service* service = find(model, at->first.service);
    const config::Group* group = service ? find(*service, at->first.group) : nullptr;
    const Members current = group ? members_of(*service, *group, history) : Members{};
    const auto leaving = history.transitions.leaving(at->first, current);
    std::erase_if(at->second, [&](const auto& entry) { return !leaving.contains(entry.first); });
    at = at->second.empty() ? history.left.erase(at) : std::next(at);
  }
  for (auto& left : history.left_groups) {
    const std::string& service_name = left.first;
    const auto older = history.transitions.maps({service_name, ""});
    std::erase_if(left.second, [&](const std::string& group) {
      const bool named = std::ranges::any_of(older, [&](const Members* m) { return m->contains(group); });
      return !named && !history.left.contains({service_name, group});
    });
  }
}

Plan make_plan(const config::Model& model, const History& history) {
  Plan plan;
  for (const config::Service& service : model.services) {
    PlannedService out{
        .service = &service, .groups = {}, .older = history.transitions.maps({service.name, ""})};
    for (const config::Group& group : service.groups)
      out.groups.push_back(plan_group(service, group, false, history));
    if (const auto left = history.left_groups.find(service.name); left != history.left_groups.end()) {
      for (const std::string& name : left->second) {
        if (!find(service, name))
          out.groups.push_back(
              plan_group(service, {.name = name, .weight = 0, .dips = {}, .worker = {}}, true, history));
      }
    }
    if (out.groups.empty()) out.groups.push_back({.name = "default", .weight = 1});
    plan.push_back(std::move(out));
  }
  return plan;
}

}  // namespace sluice::maps
