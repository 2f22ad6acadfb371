// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "tests/fuzz/frames/control.h"

#include <algorithm>
#include <string>

#include "control/config/dip_lists.h"
#include "control/config/parse.h"
#include "tests/fuzz/frames/services.h"
#include "tests/fuzz/must.h"
#include "tests/packet/key.h"

namespace sluice::fuzz {
namespace {

constexpr std::uint64_t kMemory = std::uint64_t{1} << 30;
constexpr std::uint32_t kMostIds = 1024;
constexpr std::size_t kMostDips = 8, kMostGroups = 5;

const ToeplitzKey& toeplitz() {
  static const ToeplitzKey key(test::key_of());
  return key;
}

IpAddress address(const char* text) {
  return *parse_address(text);
}

const std::vector<maps::PortFacts>& ports() {
  static const std::vector<maps::PortFacts> facts = [] {
    std::vector<maps::PortFacts> all(kPorts);
    all[0].source4 = address("10.0.0.10");
    all[0].source6 = address("2001:db8:a::10");
    all[1].source4 = address("10.9.0.10");
    all[1].vlan = 7;
    return all;
  }();
  return facts;
}

maps::Path path_to(const IpAddress& dip, bool unreachable) {
  const auto in = [&](const char* prefix) { return parse_prefix(prefix)->contains(dip); };
  maps::Path path{.resolved = true, .port = 0, .next_hop = *parse_mac("02:00:00:00:00:fe"), .why = {}};
  if (in("10.66.0.0/16") || (unreachable && in("10.2.0.0/16"))) path.resolved = false;
  if (in("10.7.0.0/16")) path.port = 1;
  if (in("10.8.0.0/16") || in("2001:db8:8::/48")) path.mtu = 1400;
  return path;
}

// Flows leave a table that this worker owns.
FlowObserver observer(WorkerCounters& counters) {
  return {&counters, [](void* context, const Flow& flow, FlowGone) noexcept {
            static_cast<WorkerCounters*>(context)->target_flows[flow.target].subtract(1);
          }};
}

maps::MapCache& maps_so_far() {
  static maps::MapCache cache;
  return cache;
}

}  // namespace

const config::Model& first_model() {
  static const config::Model model = [] {
    config::Result result = config::parse_text(kConfiguration, "the fuzz target");
    for (const config::Problem& problem : result.problems)
      std::fprintf(stderr, "%s\n", config::to_string(problem).c_str());
    must(result.model.has_value(), "the target's own configuration is wrong");
    return *result.model;
  }();
  return model;
}

const KeyedHash& slot_hash() {
  static const KeyedHash hash(derive_secret(test::key_of(), "fuzz"));
  return hash;
}

Control::Control(Blocks& counters)
    : counters_(counters),
      model_(first_model()),
      tables_(
          model_.dataplane, [this](unsigned worker) { return observer(*counters_[worker]); }, kMemory),
      service_ids_(kMostIds),
      target_ids_(kMostIds) {
  for (const auto& block : counters_) {
    for (unsigned id = 0; id < kMostIds; ++id) block->target_flows[id].set(0);
  }
}

std::unique_ptr<const Snapshot> Control::build(bool settled) {
  const maps::Plan plan = maps::make_plan(model_, history_);
  tables_.begin(plan, true);
  const maps::Inputs inputs{
      .plan = plan,
      .slots = model_.dataplane.slots,
      .ports = ports(),
      .path_to = [this](const IpAddress& dip) { return path_to(dip, unreachable_); },
      .own_addresses = {address("10.0.0.10"), address("10.9.0.10"), address("2001:db8:a::10"),
                        address("fe80::10")},
      .toeplitz = toeplitz(),
      .slot_hash = slot_hash(),
      .generation = ++generation_,
      .state_of = [this](const maps::PlannedService& s,
                         const maps::PlannedGroup& g) { return tables_.state_of(s, g); },
      .owner_of = [this](const maps::PlannedService& s,
                         const maps::PlannedGroup& g) { return tables_.owner_of(s, g); },
  };
  maps::Built built = maps::build_snapshot(inputs, service_ids_, target_ids_, maps_so_far());
  // The slot maps that every input begins with stay in the cache.
  static const std::vector<std::shared_ptr<const SlotMap>> kept = built.snapshot->maps;
  directory_ = std::move(built.directory);
  tables_.end(directory_, *built.snapshot, settled);
  return std::move(built.snapshot);
}

void Control::replace(config::Model next, const maps::ChangeOptions& options) {
  config::share_dips(next);
  maps::begin_changes(history_, model_, next, now_, options);
  model_ = std::move(next);
  maps::forget_left(history_, model_);
}

void Control::change_group(config::Service& service, config::Group& group, std::uint8_t what,
                           std::uint8_t where) {
  const auto dip = static_cast<std::ptrdiff_t>(group.dips.empty() ? 0 : where % group.dips.size());
  switch (what % 7) {
    case 0:
      if (group.dips.size() >= kMostDips) return;
      group.dips.push_back({.address = service.vip.address.is_v4() || where & 1
                                           ? IpAddress::v4(Big32(0x0a020100u + where))
                                           : address("2001:db8:1::77"),
                            .port = 0,
                            .weight = 1u + where % 3});
      if (std::ranges::count(group.dips, group.dips.back().address, &config::Dip::address) > 1)
        group.dips.pop_back();
      break;
    case 1:
      if (group.dips.size() > 1) group.dips.erase(group.dips.begin() + dip);
      break;
    case 2:
      if (!group.dips.empty()) group.dips[static_cast<std::size_t>(dip)].weight = where % 4;
      break;
    case 3:
      group.weight = where % 5;
      break;
    case 4:
      group.worker = 1u + where % kWorkers;  // the group moves
      return;
    case 5:
      if (service.groups.size() >= kMostGroups) return;
      service.groups.push_back(group);
      service.groups.back().name = "new" + std::to_string(service.groups.size());
      return;
    default:
      if (service.groups.size() > 1)
        service.groups.erase(service.groups.begin() + (&group - service.groups.data()));
      return;
  }
  // What has DIPs of its own shares them with nobody.
  group.dip_list.clear();
}

void Control::change(std::uint8_t what, std::uint8_t whom, std::uint8_t where) {
  config::Model next = model_;
  config::Service& service = next.services[whom % next.services.size()];
  if (service.groups.empty()) return;
  config::Group& group = service.groups[where / 16 % service.groups.size()];
  const maps::ChangeOptions options{.deadline = std::chrono::seconds(1 + where % 16),
                                    .now = (what & 0x40) != 0};
  if (what < 0x80) {
    change_group(service, group, what & 0x3f, where);
    return replace(std::move(next), options);
  }
  switch (what % 6) {
    case 0:
    case 1: {  // a probe's news
      if (group.dips.empty()) return;
      const std::string name = maps::dip_name(group.dips[where % group.dips.size()]);
      return maps::set_health(history_, model_, service.name, name, what % 6 == 1, now_);
    }
    case 2:
      unreachable_ = !unreachable_;
      return;
    case 3:  // a load report's
      if (!group.dips.empty()) history_.spare[service.name][maps::dip_name(group.dips[0])] = 1 + where * 8u;
      return;
    case 4:  // its flows end, and their ids have new owners
      if (next.services.size() < 4) return;
      next.services.erase(next.services.begin() + (&service - next.services.data()));
      history_.down.erase(model_.services[whom % model_.services.size()].name);
      return replace(std::move(next), options);
    default:
      service.stickiness = service.stickiness == config::Stickiness::kFlow ? config::Stickiness::kNone
                                                                           : config::Stickiness::kFlow;
      return replace(std::move(next), options);
  }
}

std::uint64_t Control::flows_on(const maps::MapKey& group, const std::string& dip) const {
  std::uint64_t sum = 0;
  for (const maps::Directory::Target& target : directory_.targets) {
    if (target.dip.name != dip || directory_.groups[target.group].name != group.group ||
        directory_.services[target.service].name != group.service)
      continue;
    for (const auto& block : counters_) sum += block->target_flows[target.id].get();
  }
  return sum;
}

void Control::pass(std::chrono::milliseconds time) {
  now_ += time;
  const auto find = [this](const std::string& name) {
    const auto at = std::ranges::find(model_.services, name, &config::Service::name);
    return at == model_.services.end() ? nullptr : &*at;
  };
  const auto empty = [&](const maps::MapKey& group, const std::string& dip,
                         const maps::Transitions::Leaving& leaving) {
    const config::Service* service = find(group.service);
    return service && service->stickiness == config::Stickiness::kFlow && !group.group.empty() &&
           now_ - leaving.since >= std::chrono::seconds(2) && flows_on(group, dip) == 0;
  };
  const auto current = [&](const maps::MapKey& key) {
    const config::Service* service = find(key.service);
    if (!service) return maps::Members{};
    if (key.group.empty()) return maps::members_of(*service, history_);
    const auto group = std::ranges::find(service->groups, key.group, &config::Group::name);
    return group == service->groups.end() ? maps::Members{} : maps::members_of(*service, *group, history_);
  };
  const auto settled = [&](const maps::MapKey& key) {
    return !key.group.empty() || tables_.without_strays(key.service, generation_);
  };
  if (!history_.transitions.tick(now_, empty, current, settled).empty()) maps::forget_left(history_, model_);
}

}  // namespace sluice::fuzz
