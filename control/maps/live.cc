// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/maps/live.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "control/config/dip_lists.h"
#include "dataplane/door/counters.h"

namespace sluice::maps {
namespace {

// A drained DIP is not asked whether it is empty before the workers have long seen that it gets nothing new.
constexpr std::chrono::seconds kSettled{2};

const config::Service* find(const config::Model& model, const std::string& name) {
  const auto at = std::ranges::find(model.services, name, &config::Service::name);
  return at == model.services.end() ? nullptr : &*at;
}

// The groups of this service are those of before: so are the lists that they share with others.
void take_lists_back(config::Model& model, const std::string& service) {
  for (config::Service& s : model.services) {
    if (s.name != service) continue;
    for (config::Group& group : s.groups) {
      if (config::DipList* list = config::find_dip_list(model, group.dip_list)) {
        list->dips = group.dips;
      } else {
        group.dip_list.clear();  // it is gone: the group keeps its DIPs
      }
    }
  }
  config::share_dips(model);
}

}  // namespace

Live::Live(config::Model model, Surroundings surroundings)
    : model_(std::move(model)),
      around_(std::move(surroundings)),
      tables_(model_.dataplane, around_.observer, around_.memory_bytes),
      service_ids_(kMaxServices),
      target_ids_(kMaxTargets) {}

void Live::warn(const std::string& sentence) const {
  if (around_.warn) around_.warn(sentence);
}

std::unique_ptr<const Snapshot> Live::build(const config::Model& model, bool new_tables) {
  const Plan plan = make_plan(model, history_);
  tables_.begin(plan, new_tables);
  const Inputs inputs{
      .plan = plan,
      .slots = model.dataplane.slots,
      .ports = around_.ports,
      .path_to = around_.path_to,
      .own_addresses = around_.own_addresses(),
      .toeplitz = around_.toeplitz,
      .slot_hash = around_.slot_hash,
      .generation = ++generation_,
      .state_of = [this](const PlannedService& s, const PlannedGroup& g) { return tables_.state_of(s, g); },
      .owner_of = [this](const PlannedService& s, const PlannedGroup& g) { return tables_.owner_of(s, g); },
  };
  Built built = build_snapshot(inputs, service_ids_, target_ids_, cache_);
  directory_ = std::move(built.directory);
  unreachable_ = std::move(built.unreachable);
  tables_.end(directory_, *built.snapshot, publisher_ && publisher_->settled());
  note_newest_maps(*built.snapshot);
  return std::move(built.snapshot);
}

// Since when each service's newest map of tier 1 is the newest: the map before is alive while this is asked.
void Live::note_newest_maps(const Snapshot& snapshot) {
  std::map<std::string, NewestMap> next;
  for (std::size_t i = 0; i < snapshot.services.size(); ++i) {
    const std::string& name = directory_.services[i].name;
    const std::uint16_t* slots = snapshot.services[i].groups.slots;
    const auto before = newest_maps_.find(name);
    const bool same = before != newest_maps_.end() && before->second.slots == slots;
    next[name] = {slots, same ? before->second.since : generation_, snapshot.services[i].older_count == 0};
  }
  newest_maps_ = std::move(next);
}

// Does no flow need an older map of tier 1?
bool Live::settled(const std::string& service) const {
  const auto newest = newest_maps_.find(service);
  if (newest == newest_maps_.end() || newest->second.alone) return true;
  return tables_.without_strays(service, newest->second.since);
}

std::uint64_t Live::slots_given_up() const {
  std::uint64_t sum = 0;
  for (const Directory::Service& service : directory_.services) sum += service.slots_given_up;
  return sum;
}

// `model`: the one that comes into force, while the directory is still that of the one before.
std::map<std::uint32_t, std::uint64_t> Live::lost_flows(const std::set<MapKey>& lost_before,
                                                        const config::Model& model) const {
  std::map<std::uint32_t, std::uint64_t> flows;
  for (const MapKey& key : abandoned(history_, model)) {
    const config::Service* service = find(model, key.service);
    const auto id = service_ids_.find(key.service);
    if (!id || lost_before.contains(key) || service->stickiness != config::Stickiness::kFlow) continue;
    for (const Directory::Target& target : directory_.targets) {
      if (directory_.groups[target.group].name == key.group &&
          directory_.services[target.service].name == key.service) {
        flows[*id] += around_.flows_of_target(target.id);
      }
    }
  }
  return flows;
}

void Live::count_broken(const std::map<std::uint32_t, std::uint64_t>& flows, bool deadline) const {
  for (const auto& [service, count] : flows) {
    if (count != 0 && around_.count_broken) around_.count_broken(service, count, deadline);
  }
}

Live::Past Live::past() const {
  Past past{.model = effective_, .history = history_, .before = {}};
  for (const auto& [name, entry] : before_) past.before[name] = entry.service;
  return past;
}

void Live::resume(Past past) {
  history_ = std::move(past.history);
  for (const config::Service& service : past.model.services) past.before.try_emplace(service.name, service);
  begin_changes(history_, past.model, effective_, Clock::now(), {});
  // Nobody probes these any more, so nobody would find them up.
  for (const config::Service& service : effective_.services) {
    if (service.health.type == config::HealthType::kNone) history_.down.erase(service.name);
  }
  forget_left(history_, effective_);
  for (const MapKey& key : history_.transitions.groups()) {
    const auto service = past.before.find(key.service);
    if (service == past.before.end()) continue;
    Before& entry = before_.try_emplace(key.service, Before{service->second, {}}).first->second;
    entry.until = std::max(entry.until, *history_.transitions.deadline(key));
  }
}

void Live::lost_flows_of(const std::string& service) {
  for (const MapKey& key : history_.transitions.groups()) {
    if (key.service != service) continue;
    history_.transitions.last_until_deadline(key);
    lost_flows_.insert(service);
  }
}

std::unique_ptr<const Snapshot> Live::first_snapshot() {
  try {
    return build(effective_);
  } catch (const std::length_error&) {
    if (history_.transitions.empty()) throw;
  }
  history_ = {};
  before_.clear();
  return build(effective_);
}

void Live::publish(std::unique_ptr<const Snapshot> snapshot) {
  publisher_->publish(std::move(snapshot));
  publisher_->reclaim();
  if (listener_) listener_();
}

// What a table is keyed by cannot change under the flows in it.
std::optional<std::string> Live::refuse_other_keys(const config::Model& next) const {
  for (const config::Service& service : model_.services) {
    const config::Service* successor = find(next, service.name);
    if (!successor) continue;
    const char* key = service.flow_key != successor->flow_key                         ? "flow_key"
                      : service.flow_start != successor->flow_start                   ? "flow_start"
                      : service.vip.address.is_v4() != successor->vip.address.is_v4() ? "the address family"
                                                                                      : nullptr;
    if (key) {
      return std::string(key) + " of service " + service.name +
             " cannot change under its flows: remove the service, then add it anew";
    }
  }
  return {};
}

std::optional<std::string> Live::replace(config::Model next, const ChangeOptions& options) {
  if (auto refused = refuse_other_keys(next)) return refused;
  auto before = before_;
  std::vector<std::string> changed;
  for (const config::Service& service : model_.services) {
    const config::Service* successor = find(next, service.name);
    if (!successor || successor->groups == service.groups) continue;
    before.try_emplace(service.name, Before{service, {}});
    changed.push_back(service.name);
  }
  if (auto refused = bring_into_force(std::move(next), loads_, options)) return refused;
  before_ = std::move(before);
  for (const MapKey& key : history_.transitions.groups()) {
    if (std::ranges::find(changed, key.service) == changed.end()) continue;
    Before& entry = before_.at(key.service);
    entry.until = std::max(entry.until, *history_.transitions.deadline(key));
  }
  forget_before(Clock::now());
  return {};
}

std::optional<std::string> Live::set_loads(Loads next, const ChangeOptions& options) {
  return bring_into_force(model_, std::move(next), options);
}

std::optional<std::string> Live::bring_into_force(config::Model next, Loads loads,
                                                  const ChangeOptions& options) {
  config::Model in_effect = maps::effective(next, loads);
  History history = history_;
  const std::uint64_t given_up = slots_given_up();
  if (options.new_ones_join) begin_joining(history_, effective_, in_effect);
  begin_changes(history_, effective_, in_effect, Clock::now(), options);
  history_.spare = loads.spare;
  std::unique_ptr<const Snapshot> snapshot;
  std::string refused;
  const auto lost = lost_flows(abandoned(history, effective_), in_effect);
  try {
    snapshot = build(in_effect);
    if (slots_given_up() > given_up)
      refused = "too many changes of groups are under way; wait until transition list shows fewer";
  } catch (const std::runtime_error& full) {
    refused = full.what();
  } catch (const std::length_error& full) {
    refused = full.what();
  }
  if (!refused.empty()) {
    history_ = std::move(history);
    build(effective_);  // gives the ids back to those who run
    return "not applied: " + refused;
  }
  count_broken(lost, true);
  model_ = std::move(next);
  loads_ = std::move(loads);
  effective_ = std::move(in_effect);
  publish(std::move(snapshot));
  return {};
}

// What is over cannot be taken back.
void Live::forget_before(Clock::time_point now) {
  std::erase_if(lost_flows_, [&](const std::string& service) {
    return std::ranges::none_of(history_.transitions.groups(),
                                [&](const MapKey& key) { return key.service == service; });
  });
  std::erase_if(before_, [&](const auto& entry) {
    return entry.second.until <= now ||
           std::ranges::none_of(history_.transitions.groups(),
                                [&](const MapKey& key) { return key.service == entry.first; });
  });
}

void Live::refresh() {
  const std::uint64_t given_up = slots_given_up();
  std::unique_ptr<const Snapshot> snapshot;
  try {
    snapshot = build(effective_);
  } catch (const std::runtime_error& full) {
    // What health and time ask for comes into force, if need be without remembering new flows.
    warn(std::string("a transition goes without tables: ") + full.what());
    snapshot = build(effective_, false);
  }
  if (slots_given_up() > given_up)
    warn("more changes of groups are under way than can be told apart: flows of " +
         std::to_string(slots_given_up()) + " slots may break (transition list: slots_given_up)");
  publish(std::move(snapshot));
}

void Live::set_health(const std::string& service, const std::string& dip, bool healthy) {
  const Health news{service, dip, healthy};
  set_health({&news, 1});
}

void Live::set_health(std::span<const Health> news) {
  const auto known = [this](const Health& h) { return history_.healthy(h.service, h.dip) == h.healthy; };
  if (std::ranges::all_of(news, known)) return;
  const auto lost_before = abandoned(history_, effective_);
  for (const Health& h : news) {
    if (!known(h)) maps::set_health(history_, effective_, h.service, h.dip, h.healthy, Clock::now());
  }
  count_broken(lost_flows(lost_before, effective_), false);
  refresh();
}

std::uint64_t Live::flows_of(const MapKey& group, const std::string& dip) const {
  for (const Directory::Target& target : directory_.targets) {
    if (target.dip.name == dip && directory_.groups[target.group].name == group.group &&
        directory_.services[target.service].name == group.service) {
      return around_.flows_of_target(target.id);
    }
  }
  return 0;
}

void Live::tick(Clock::time_point now) {
  const auto empty = [&](const MapKey& group, const std::string& dip, const Transitions::Leaving& leaving) {
    const config::Service* service = find(effective_, group.service);
    if (!service || group.group.empty() || now - leaving.since < kSettled) return false;
    if (lost_flows_.contains(group.service)) return false;
    // Without flow tables nobody here knows how many are left; the server does.
    if (service->stickiness == config::Stickiness::kFlow && flows_of(group, dip) == 0) return true;
    return around_.agent_says_empty && around_.agent_says_empty(group.service, dip);
  };
  const auto current = [&](const MapKey& key) {
    const config::Service* service = find(effective_, key.service);
    if (!service) return Members{};
    if (key.group.empty()) return members_of(*service, history_);
    const auto group = std::ranges::find(service->groups, key.group, &config::Group::name);
    return group == service->groups.end() ? Members{} : members_of(*service, *group, history_);
  };
  const auto relied_on_by_nobody = [this](const MapKey& key) {
    return !key.group.empty() || settled(key.service);
  };
  const auto lost_before = abandoned(history_, effective_);
  const bool ended = !history_.transitions.tick(now, empty, current, relied_on_by_nobody).empty();
  forget_before(now);
  if (ended) {
    count_broken(lost_flows(lost_before, effective_), true);
    forget_left(history_, effective_);
  }
  if (ended || tables_.moves_are_over(publisher_->settled())) refresh();
}

bool Live::finish_transitions(const std::string& service) {
  const config::Service* known = find(model_, service);
  const bool sticky = known && known->stickiness == config::Stickiness::kFlow;
  const auto lost_before = abandoned(history_, effective_);
  bool any = false;
  for (const MapKey& key : history_.transitions.groups()) {
    if (key.service != service) continue;
    // The old maps of groups stay for as long as flows are found by them, as at the deadline.
    if (sticky && key.group.empty()) {
      history_.transitions.hasten(key, Clock::now());
    } else {
      history_.transitions.forget(key);
    }
    any = true;
  }
  if (!any) return false;
  before_.erase(service);
  count_broken(lost_flows(lost_before, effective_), true);
  forget_left(history_, effective_);
  refresh();
  return true;
}

std::optional<config::Model> Live::before_transitions(const std::string& service) const {
  const auto at = before_.find(service);
  const bool under_way = std::ranges::any_of(history_.transitions.groups(),
                                             [&](const MapKey& key) { return key.service == service; });
  if (!under_way || at == before_.end()) return {};
  config::Model model = model_;
  for (config::Service& s : model.services) {
    if (s.name == service) s.groups = at->second.service.groups;
  }
  take_lists_back(model, service);
  return model;
}

std::vector<Live::TransitionRow> Live::transitions(Clock::time_point now) const {
  std::map<std::string, TransitionRow> rows;
  for (const MapKey& key : history_.transitions.groups()) {
    TransitionRow& row = rows[key.service];
    row.service = key.service;
    const auto left =
        std::chrono::duration_cast<std::chrono::seconds>(*history_.transitions.deadline(key) - now);
    row.remaining = std::max(row.remaining, left);
  }
  for (const Directory::Service& service : directory_.services) {
    const auto row = rows.find(service.name);
    if (row == rows.end()) continue;
    row->second.slots_moved += service.slots_moved;
    row->second.slots_given_up = service.slots_given_up;
  }
  tables_.for_each([&](const MapKey& key, const GroupState& state) {
    if (const auto row = rows.find(key.service); row != rows.end() && !settled(key.service))
      row->second.flows_in_old_groups += state.strays.count.load(std::memory_order_relaxed);
  });
  for (const Directory::Group& group : directory_.groups) {
    const auto row = rows.find(directory_.services[group.service].name);
    if (row != rows.end()) row->second.slots_moved += group.slots_moved;
  }
  for (const Directory::Target& target : directory_.targets) {
    const auto row = rows.find(directory_.services[target.service].name);
    if (row == rows.end()) continue;
    const std::uint64_t flows = around_.flows_of_target(target.id);
    row->second.flows_pinned += flows;
    if (target.dip.leaving) row->second.flows_old += flows;
    if (target.dip.leaving && !target.dip.gone) row->second.leaving.push_back(target.dip.name);
  }
  std::vector<TransitionRow> all;
  all.reserve(rows.size());
  for (auto& [name, row] : rows) all.push_back(std::move(row));
  return all;
}

std::vector<Live::LeavingDip> Live::leaving() const {
  std::map<std::pair<std::string, std::string>, LeavingDip> all;
  const auto stays = [&](const std::string& service, const std::string& dip) {
    const config::Service* in_force = find(effective_, service);
    return in_force && std::ranges::any_of(in_force->groups, [&](const config::Group& group) {
             return std::ranges::find(group.dips, dip, dip_name) != group.dips.end();
           });
  };
  for (const auto& [key, dips] : history_.left) {
    for (const auto& [name, leaving] : history_.transitions.leaving(key, {})) {
      const auto dip = dips.find(name);
      if (leaving.gone || dip == dips.end() || stays(key.service, name)) continue;
      // From several groups, perhaps one after the other: it is out with the last of them.
      LeavingDip& one =
          all.try_emplace({key.service, name}, LeavingDip{key.service, dip->second, {}, {}}).first->second;
      one.since = std::max(one.since, leaving.since);
      one.deadline = std::max(one.deadline, leaving.deadline);
    }
  }
  std::vector<LeavingDip> list;
  list.reserve(all.size());
  for (auto& [name, dip] : all) list.push_back(std::move(dip));
  return list;
}

Live::Weight Live::weight_of_target(std::uint32_t index) const {
  const Directory::Target& target = directory_.targets[index];
  const std::string& service = directory_.services[target.service].name;
  const double unit = loads_.weights.contains(service) ? Loads::kUnit : 1;
  const double counts = target.dip.dip.weight / unit;
  if (target.dip.leaving) return {counts, 0};
  Weight weight{counts, counts};
  if (const config::Service* written = find(model_, service)) {
    for (const config::Group& group : written->groups) {
      const auto dip = std::ranges::find(group.dips, target.dip.name, dip_name);
      // In several groups: the one of this name, else that which lent it.
      if (dip != group.dips.end()) weight.configured = dip->weight;
      if (group.name == directory_.groups[target.group].name && dip != group.dips.end()) break;
    }
  }
  return weight;
}

std::optional<std::string> Live::refuse_leaving(const std::string& service_name,
                                                const std::string& dip) const {
  const config::Service* named = find(model_, service_name);
  if (!named) return {};
  // A DIP of a shared list leaves all services that share it.
  std::set<std::string> lists;
  for (const config::Group& group : named->groups) {
    if (std::ranges::any_of(group.dips, [&](const config::Dip& d) { return dip_name(d) == dip; }))
      lists.insert(group.dip_list);
  }
  lists.erase("");
  for (const config::Service& service : model_.services) {
    const bool shares = std::ranges::any_of(
        service.groups, [&](const config::Group& group) { return lists.contains(group.dip_list); });
    if ((&service == named || shares) && is_last(service, dip)) {
      return "DIP " + dip + " is the last one of service " + service.name +
             " that is up: add another first, or remove it with --now";
    }
  }
  return {};
}

// Is no other DIP left to take the service's new flows?
bool Live::is_last(const config::Service& service, const std::string& dip) const {
  return std::ranges::none_of(service.groups, [&](const config::Group& group) {
    return std::ranges::any_of(group.dips, [&](const config::Dip& other) {
      return dip_name(other) != dip && other.weight > 0 && history_.healthy(service.name, dip_name(other));
    });
  });
}

std::uint32_t Live::slots_of(std::uint32_t index) const {
  const Directory::Target& target = directory_.targets[index];
  const SlotView& view = snapshot().groups[target.group].dips;
  std::uint32_t held = 0;
  for (std::uint32_t slot = 0; slot < view.mod.divisor(); ++slot) held += view.slots[slot] == target.member;
  return held;
}

}  // namespace sluice::maps
