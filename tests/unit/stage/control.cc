// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "tests/unit/stage/control.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "dataplane/stage/strays.h"
#include "dataplane/wire/headers.h"
#include "tests/packet/key.h"

namespace sluice::test {
namespace {

constexpr std::uint32_t kSlots = 251, kVip = 0xcb00710a;
constexpr std::uint32_t kFlows = 4096;

const ToeplitzKey& toeplitz() {
  static const ToeplitzKey key(key_of());
  return key;
}
const KeyedHash& slot_hash() {
  static const KeyedHash hash(derive_secret(key_of(), "tests"));
  return hash;
}

WorkerCounters& counters() {
  static WorkerCounters counters;
  return counters;
}
ElephantDesk& elephants() {
  static ElephantDesk desk;
  return desk;
}

void count_gone(void*, const Flow& flow, FlowGone) noexcept {
  counters().target_flows[flow.target].subtract(1);
}

}  // namespace

FlowKey make_key(std::uint32_t n, std::uint8_t protocol) {
  FlowKey key;
  key.source = make_address(0xc6336400u + n % 251);
  key.destination = make_address(kVip);
  key.source_port.set(static_cast<std::uint16_t>(1024 + n));
  key.destination_port.set(80);
  key.protocol = protocol;
  return key;
}

Control::Control() {
  config::Service service;
  service.name = kName;
  service.vip = Prefix::host(make_address(kVip));
  service.protocol = config::Protocol::kAny;
  model_.services.push_back(service);
  for (unsigned id = 0; id < 4096; ++id) counters().target_flows[id].set(0);
  counters().events[0].untracked.set(0);
}

std::shared_ptr<GroupState> Control::state_of(const maps::PlannedService& service,
                                              const maps::PlannedGroup& group) {
  const bool sticky = service.service->stickiness == config::Stickiness::kFlow;
  if (!sticky && group.changes == 0 && service.older.empty()) return nullptr;
  std::shared_ptr<GroupState>& state = states_[group.name];
  if (!state) {
    FlowTable::Limits limits;
    limits.flows_v4 = kFlows;
    limits.probation_share = 1;
    limits.memory_bytes = 1u << 30;
    // Nobody is forgotten for silence but those that closed.
    limits.timeouts = {
        .syn_s = 86400, .established_s = 86400, .closing_s = 30, .udp_s = 86400, .other_s = 86400};
    if (service.service->flows != 0) limits.flows_v4 = service.service->flows;
    state = std::make_shared<GroupState>(limits, FlowObserver{nullptr, count_gone}, 0);
  }
  return state;
}

void Control::rebuild() {
  const maps::Plan plan = maps::make_plan(model_, history_);
  std::vector<maps::PortFacts> ports(1);
  ports[0].source4 = make_address(0x0a00000a);
  const maps::Inputs inputs{
      .plan = plan,
      .slots = kSlots,
      .ports = ports,
      .path_to =
          [](const IpAddress&) { return maps::Path{.resolved = true, .port = 0, .next_hop = {}, .why = {}}; },
      .own_addresses = {},
      .toeplitz = toeplitz(),
      .slot_hash = slot_hash(),
      .generation = ++generation_,
      .state_of = [this](const maps::PlannedService& s,
                         const maps::PlannedGroup& g) { return state_of(s, g); },
      .owner_of = [](const maps::PlannedService&, const maps::PlannedGroup&) { return 0u; },
  };
  built_ = maps::build_snapshot(inputs, service_ids_, target_ids_, cache_);
  std::erase_if(states_, [&](const auto& entry) {
    return std::ranges::find(built_.snapshot->states, entry.second) == built_.snapshot->states.end();
  });
}

void Control::replace(config::Service next, const maps::ChangeOptions& options) {
  if (history_.transitions.empty()) before_ = service();
  config::Model model = model_;
  model.services[0] = std::move(next);
  maps::begin_changes(history_, model_, model, now_, options);
  model_ = std::move(model);
  rebuild();
}

void Control::set_health(const std::string& dip, bool healthy) {
  if (healthy && history_.transitions.empty()) before_ = service();
  maps::set_health(history_, model_, kName, dip, healthy, now_);
  rebuild();
}

void Control::set_spare(maps::Loads::Factors spare) {
  history_.spare[kName] = std::move(spare);
  rebuild();
}

void Control::tick() {
  const auto empty = [&](const maps::MapKey& group, const std::string& dip,
                         const maps::Transitions::Leaving& leaving) {
    if (service().stickiness != config::Stickiness::kFlow || group.group.empty()) return false;
    return now_ - leaving.since >= std::chrono::seconds(2) && flows_on(dip) == 0;
  };
  const auto current = [&](const maps::MapKey& key) {
    if (key.group.empty()) return maps::members_of(service(), history_);
    const auto group = std::ranges::find(service().groups, key.group, &config::Group::name);
    return group == service().groups.end() ? maps::Members{} : maps::members_of(service(), *group, history_);
  };
  const auto settled = [&](const maps::MapKey& key) {
    std::uint64_t strays = 0;
    const Snapshot& tables = snapshot();
    for (std::uint32_t g = 0; key.group.empty() && g < tables.groups.size(); ++g) {
      GroupState* state = tables.groups[g].state;
      if (!state || tables.services[0].older_count == 0) continue;
      count_strays(tables, g, ~0u);
      EXPECT_EQ(state->strays.walked, tables.generation) << "one walk sees the whole table";
      strays += state->strays.count;
    }
    return strays == 0;
  };
  if (history_.transitions.tick(now_, empty, current, settled).empty()) return;
  maps::forget_left(history_, model_);
  rebuild();
}

void Control::pass(std::chrono::seconds time) {
  for (; time.count() > 0; time -= std::chrono::seconds(1)) {
    now_ += std::chrono::seconds(1);
    tick();
  }
  for (const auto& [name, state] : states_) {
    state->flows.age(static_cast<std::uint32_t>(now_s()) * FlowClock::kTicksPerSecond,
                     static_cast<std::uint32_t>(state->flows.span()));
  }
}

std::optional<config::Service> Control::before() const {
  return history_.transitions.empty() ? std::nullopt : before_;
}

std::vector<std::string> Control::carry(const std::vector<Arrival>& arrivals, bool dry) {
  static const auto burst = std::make_unique<Burst>();
  const Snapshot& tables = snapshot();
  burst->begin(static_cast<unsigned>(arrivals.size()));
  for (unsigned i = 0; i < arrivals.size(); ++i) {
    burst->packet[i] = nullptr;
    burst->key[i] = arrivals[i].key;
    burst->layout[i] = Layout{.ip_bytes = 100, .flags = arrivals[i].flags};
    burst->service[i] = 0;
  }
  select_group(*burst, tables, false);
  hash_flows(*burst, tables);
  const FlowDesk desk{static_cast<std::uint64_t>(now_s()) * FlowClock::kTicksPerSecond, dry, 0, counters(),
                      elephants()};
  while (const std::uint64_t looking = follow_flows(*burst, tables, desk))
    next_group(*burst, tables, looking);
  select_dip(*burst, tables);
  std::vector<std::string> went(arrivals.size());
  for_each(burst->live, [&](unsigned i) { went[i] = built_.directory.targets[burst->target[i]].dip.name; });
  return went;
}

std::string Control::by_newest_map(const FlowKey& key) const {
  const Snapshot& tables = snapshot();
  const Service& service = tables.services[0];
  std::uint32_t index = service.first_group;
  if (service.group_count > 1) {
    const auto slot = service.groups.slot(tables.toeplitz.hash(key, service.hash_fields));
    if (service.groups.slots[slot] == kNoMember) return "";
    index += service.groups.slots[slot];
  }
  const Group& group = tables.groups[index];
  const auto slot = group.dips.slot(static_cast<std::uint32_t>(tables.slot_hash(key, service.hash_fields)));
  const std::uint16_t member = group.dips.slots[slot];
  return member == kNoMember ? "" : built_.directory.targets[group.first_target + member].dip.name;
}

std::string Control::maps_of(const FlowKey& key) const {
  const Snapshot& tables = snapshot();
  const Service& service = tables.services[0];
  std::string text;
  const auto name = [&](const Group& group, std::uint16_t member) {
    return member == kNoMember ? "nobody" : built_.directory.targets[group.first_target + member].dip.name;
  };
  for (unsigned n = 0; n <= service.older_count; ++n) {
    const std::uint16_t* map = n < service.older_count ? service.older_groups[n] : service.groups.slots;
    const std::uint16_t g = service.group_count == 1
                                ? 0
                                : map[service.groups.slot(tables.toeplitz.hash(key, service.hash_fields))];
    if (g == kNoMember) {
      text += " [no group]";
      continue;
    }
    const Group& group = tables.groups[service.first_group + g];
    const auto slot = group.dips.slot(static_cast<std::uint32_t>(tables.slot_hash(key, service.hash_fields)));
    text += " [" + built_.directory.groups[service.first_group + g].name + ": base " +
            name(group, group.base_slots[slot]) + ", newest " + name(group, group.dips.slots[slot]) +
            (group.state ? "" : ", no state") + "]";
  }
  return text;
}

long Control::seconds_at(Time time) const {
  return static_cast<long>(std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count());
}

std::vector<std::string> Control::dips() const {
  std::vector<std::string> names;
  for (const config::Group& group : model_.services[0].groups) {
    for (const config::Dip& dip : group.dips) names.push_back(maps::dip_name(dip));
  }
  return names;
}

bool Control::in_model(const std::string& dip) const {
  const auto all = dips();
  return std::ranges::find(all, dip) != all.end();
}

bool Control::has_takers() const {
  return std::ranges::any_of(model_.services[0].groups, [&](const config::Group& group) {
    return std::ranges::any_of(
        group.dips, [&](const config::Dip& dip) { return dip.weight > 0 && healthy(maps::dip_name(dip)); });
  });
}

std::uint64_t Control::flows_on(const std::string& dip) const {
  std::uint64_t sum = 0;
  for (const maps::Directory::Target& target : built_.directory.targets) {
    if (target.dip.name == dip) sum += counters().target_flows[target.id].get();
  }
  return sum;
}

const FlowEvents& Control::events() const {
  return counters().events[built_.snapshot->services[0].counter];
}

}  // namespace sluice::test
