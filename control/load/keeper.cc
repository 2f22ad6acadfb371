// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/load/keeper.h"

#include <algorithm>
#include <cstdio>

#include "control/load/policy.h"

namespace sluice::load {
namespace {

using std::chrono::seconds;

constexpr seconds kLeastPatience{5};

Clock::duration patience(const config::Service& service) {
  const auto three = 3 * std::chrono::milliseconds(service.health.interval_ms) +
                     std::chrono::milliseconds(service.health.timeout_ms);
  return std::max<Clock::duration>(three, kLeastPatience);
}

Bounds bounds_of(const config::Service& service) {
  const seconds spread(service.transition.deadline_s / kMostUnderWay + 1);
  return {.lowest = service.load.lowest_percent / 100.0,
          .highest = service.load.highest_percent / 100.0,
          .gap = std::max(seconds(service.load.interval_s), spread)};
}

bool hears_agents(const config::Service& service) {
  return service.health.type == config::HealthType::kAgent ||
         service.health.type == config::HealthType::kAgentCheck;
}

const config::Service* find(const config::Model& model, const std::string& name) {
  const auto at = std::ranges::find(model.services, name, &config::Service::name);
  return at == model.services.end() ? nullptr : &*at;
}

maps::Loads::Factors factors_in(const std::map<std::string, maps::Loads::Factors>& table,
                                const std::string& service) {
  const auto at = table.find(service);
  return at == table.end() ? maps::Loads::Factors{} : at->second;
}

std::string times(double factor) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", factor);
  return text;
}

// "10.1.0.11 1.50, 10.1.0.12 0.75": the first few of those that are not 1.
std::string list(const maps::Loads::Factors& factors) {
  constexpr std::size_t kListed = 8;
  std::string text;
  std::size_t n = 0;
  for (const auto& [dip, factor] : factors) {
    if (n++ == kListed) break;
    text += (text.empty() ? "" : ", ") + dip + " " + times(factor / double{maps::Loads::kUnit});
  }
  if (factors.size() > kListed) text += " and " + std::to_string(factors.size() - kListed) + " more";
  return text.empty() ? "as configured" : text;
}

}  // namespace

void Keeper::report(const std::string& service, const std::string& dip, const health::Report& report,
                    TimePoint now) {
  said_[{service, dip}] = {report, now};
}

std::optional<health::Report> Keeper::last(const config::Service& service, const std::string& dip,
                                           TimePoint now) const {
  const auto at = said_.find({service.name, dip});
  if (at == said_.end() || now - at->second.when > patience(service)) return {};
  return at->second.report;
}

std::vector<Server> Keeper::servers_of(const config::Service& service, const Down& down,
                                       TimePoint now) const {
  std::vector<Server> servers;
  std::set<std::string> named;
  for (const config::Group& group : service.groups) {
    for (const config::Dip& dip : group.dips) {
      const std::string name = maps::dip_name(dip);
      if (!named.insert(name).second) continue;
      Server server{.dip = name, .weight = dip.weight, .up = !down.contains({service.name, name})};
      if (const auto said = last(service, name, now)) server.figure = figure_of(*said, service.vip);
      servers.push_back(std::move(server));
    }
  }
  return servers;
}

std::vector<GroupOf> Keeper::groups_of(const View& view, const config::Service& service,
                                       const std::vector<Server>& servers) const {
  std::vector<GroupOf> groups;
  const config::Service* in_force = find(view.effective, service.name);
  if (!in_force) return groups;
  for (const config::Group& group : in_force->groups) {
    GroupOf out{.name = group.name, .members = {}};
    for (const config::Dip& dip : group.dips) {
      const std::string name = maps::dip_name(dip);
      const auto server = std::ranges::find(servers, name, &Server::dip);
      if (server == servers.end()) continue;
      std::string home = group.name;
      for (const config::Group& written : service.groups) {
        const bool here = std::ranges::find(written.dips, name, maps::dip_name) != written.dips.end();
        const auto lent = view.loads.lent.find(service.name);
        if (here && lent != view.loads.lent.end() && lent->second.contains({name, written.name}) &&
            lent->second.at({name, written.name}) == group.name) {
          home = written.name;
        }
      }
      out.members.push_back({*server, std::move(home)});
    }
    groups.push_back(std::move(out));
  }
  return groups;
}

void Keeper::lend(const config::Service& service, const Loan& loan) {
  auto& lent = next_.lent[service.name];
  // Lent on, or given back: it is still its home's.
  std::string home = loan.from;
  for (auto at = lent.begin(); at != lent.end();) {
    const bool same = at->first.dip == loan.dip && at->second == loan.from;
    if (same) home = at->first.from;
    at = same ? lent.erase(at) : std::next(at);
  }
  if (home != loan.to) lent[{loan.dip, home}] = loan.to;
  if (lent.empty()) next_.lent.erase(service.name);
  sentences_.push_back("service " + service.name + ": DIP " + loan.dip + " goes from group " + loan.from +
                       " to group " + loan.to + ", since " + loan.why);
}

void Keeper::round(const View& view, const config::Service& service, const Down& down, TimePoint now) {
  Policies& policies = policies_[service.name];
  if (now < policies.next_round) return;
  policies.next_round = now + seconds(service.load.interval_s);
  const std::vector<Server> servers = servers_of(service, down, now);
  const bool adapts = service.weights == config::Weights::kAdaptive;
  if (const auto factors = policies.weights.round(factors_in(view.loads.weights, service.name),
                                                  weight_targets(servers, adapts), bounds_of(service), now)) {
    next_.weights[service.name] = *factors;
    sentences_.push_back("service " + service.name + ": weights by load: " + list(*factors));
  }
  if (service.scheduler == config::Scheduler::kLeastLoad) {
    Bounds bounds = bounds_of(service);
    bounds.gap = seconds(service.load.interval_s);  // no transition, so nothing is remembered
    if (auto factors = policies.spare.round(factors_in(view.loads.spare, service.name),
                                            spare_targets(servers), bounds, now))
      next_.spare[service.name] = std::move(*factors);
  }
  if (!service.balance_groups) return;
  const BalanceBounds bounds{.difference = service.load.group_difference_percent / 100.0,
                             .interval = seconds(service.load.group_interval_s),
                             .least = service.load.group_least_dips};
  if (const auto loan = policies.balance.round(groups_of(view, service, servers), bounds, now))
    lend(service, *loan);
}

// What the configuration does not ask for any more is taken back.
void Keeper::forget_the_gone(const config::Model& model) {
  std::set<std::string> hearing;
  std::set<std::pair<std::string, std::string>> named;
  for (const config::Service& service : model.services) {
    if (!hears_agents(service)) continue;
    hearing.insert(service.name);
    for (const config::Group& group : service.groups) {
      for (const config::Dip& dip : group.dips) named.emplace(service.name, maps::dip_name(dip));
    }
    if (service.scheduler != config::Scheduler::kLeastLoad) next_.spare.erase(service.name);
    if (!service.balance_groups) next_.lent.erase(service.name);
  }
  const auto deaf = [&](const auto& entry) { return !hearing.contains(entry.first); };
  std::erase_if(next_.weights, deaf);
  std::erase_if(next_.spare, deaf);
  std::erase_if(next_.lent, deaf);
  std::erase_if(policies_, deaf);
  std::erase_if(said_, [&](const auto& entry) { return !named.contains(entry.first); });
  for (auto& [service, lent] : next_.lent) {
    const auto gone = [&, name = service](const auto& entry) {
      return !named.contains({name, entry.first.dip});
    };
    std::erase_if(lent, gone);
  }
  std::erase_if(next_.lent, [](const auto& entry) { return entry.second.empty(); });
}

void Keeper::bring_into_force(const View& view) {
  maps::Loads loads = next_;
  // Loans first: with the services' own deadline, since a DIP leaves a group.
  if (loads.lent != view.loads.lent) {
    maps::Loads lent = view.loads;
    lent.lent = loads.lent;
    if (const auto trouble = apply_(std::move(lent), {})) {
      if (last_trouble_ != *trouble) log_("load: " + *trouble);
      last_trouble_ = *trouble;
      next_ = view.loads;
      return;
    }
  }
  const bool changed = loads.weights != view.loads.weights || loads.spare != view.loads.spare;
  const auto trouble = changed ? apply_(std::move(loads), {.by_load = true}) : std::nullopt;
  if (trouble && last_trouble_ != *trouble) log_("load: " + *trouble);
  last_trouble_ = trouble.value_or("");
  for (const std::string& sentence : sentences_) log_(sentence);
}

void Keeper::tick(const View& view, TimePoint now) {
  next_ = view.loads;
  sentences_.clear();
  forget_the_gone(view.model);
  Down down;
  for (const maps::Directory::Target& target : view.directory.targets) {
    if (!target.dip.healthy) down.emplace(view.directory.services[target.service].name, target.dip.name);
  }
  for (const config::Service& service : view.model.services) {
    if (hears_agents(service)) round(view, service, down, now);
  }
  if (next_ != view.loads) bring_into_force(view);
}

}  // namespace sluice::load
