// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/load/drain_teller.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "control/config/words.h"
#include "control/health/spec.h"
#include "control/maps/plan.h"

namespace sluice::load {
namespace {

using nlohmann::json;
using std::chrono::seconds;

// A drain is not over before the workers have long seen that the DIP gets nothing new.
constexpr seconds kSettled{2};
constexpr unsigned kEmptyAnswers = 2;
constexpr std::uint64_t kMostConnections = 1'000'000'000;
constexpr int kDeepest = 8;

const config::Service* find(const config::Model& model, const std::string& name) {
  const auto at = std::ranges::find(model.services, name, &config::Service::name);
  return at == model.services.end() ? nullptr : &*at;
}

bool serves(const config::Service& service, const std::string& dip) {
  return std::ranges::any_of(service.groups, [&](const config::Group& group) {
    return std::ranges::find(group.dips, dip, maps::dip_name) != group.dips.end();
  });
}

json service_of(const config::Service& service) {
  return {{"vip", to_string(service.vip)},
          {"protocol", config::to_word(service.protocol)},
          {"port", service.port}};
}

}  // namespace

std::optional<std::uint64_t> connections_in(std::string_view answer) {
  const auto shallow = [](int depth, json::parse_event_t, json&) { return depth <= kDeepest; };
  const json body = json::parse(answer, shallow, false);
  if (!body.is_object()) return {};
  const auto at = body.find("connections");
  if (at == body.end() || !at->is_number_unsigned() || at->get<std::uint64_t>() > kMostConnections) return {};
  return at->get<std::uint64_t>();
}

void DrainTeller::tick(const config::Model& model, const std::vector<Leaving>& leaving, TimePoint now) {
  for (auto& [name, drain] : drains_) drain.leaves = false;
  for (const Leaving& one : leaving) {
    const config::Service* service = find(model, one.service);
    if (service && service->health.type == config::HealthType::kAgent) begin(*service, one);
  }
  for (auto at = drains_.begin(); at != drains_.end();) {
    auto& [name, drain] = *at;
    const config::Service* service = find(model, name.first);
    const bool wanted = !drain.leaves && service && serves(*service, name.second);
    // The agent forgets at the deadline as well.
    const bool over = !drain.leaves && (now >= drain.deadline || drain.tries >= kUndrainTries ||
                                        (!drain.told && !drain.asking) || !service);
    if (over && !drain.asking) {
      at = drains_.erase(at);
      continue;
    }
    if (drain.leaves)
      ask(name, drain, now);
    else if (wanted)
      take_back(name, drain, now);
    ++at;
  }
}

void DrainTeller::begin(const config::Service& service, const Leaving& leaving) {
  const Name name{service.name, maps::dip_name(leaving.dip)};
  if (!drains_.contains(name) && drains_.size() >= kMostRemembered) return;
  Drain& drain = drains_[name];
  drain.leaves = true;
  drain.tries = 0;
  if (drain.since != leaving.since) {
    drain.empty = 0;
    drain.next = {};
  }
  const health::Spec spec = health::spec_of(service, leaving.dip);
  drain.agent = {spec.address, spec.port};
  drain.what = service_of(service).dump();
  drain.counts = service.protocol == config::Protocol::kTcp;
  drain.since = leaving.since;
  drain.deadline = leaving.deadline;
}

void DrainTeller::send(const Name& name, Drain& drain, const char* path, const std::string& body,
                       TimePoint now) {
  drain.asking = true;
  drain.next = now + kAskEvery;
  ++asking_;
  send_({drain.agent, path, body},
        [this, name, now, alive = std::weak_ptr(alive_)](const AgentAnswer& answer) {
          if (!alive.expired()) answered(name, now, answer);
        });
}

void DrainTeller::ask(const Name& name, Drain& drain, TimePoint now) {
  if (drain.asking || now < drain.next || asking_ >= kMostAtOnce) return;
  json order = json::parse(drain.what);
  order["deadline_s"] =
      std::max<std::int64_t>(0, std::chrono::duration_cast<seconds>(drain.deadline - now).count());
  send(name, drain, "/drain", order.dump(), now);
}

void DrainTeller::take_back(const Name& name, Drain& drain, TimePoint now) {
  if (drain.asking || now < drain.next || asking_ >= kMostAtOnce) return;
  ++drain.tries;
  drain.empty = 0;
  send(name, drain, "/undrain", drain.what, now);
}

void DrainTeller::answered(const Name& name, TimePoint asked, const AgentAnswer& answer) {
  --asking_;
  const auto at = drains_.find(name);
  if (at == drains_.end()) return;
  Drain& drain = at->second;
  drain.asking = false;
  if (!answer.good) {
    drain.empty = 0;
    drain.next = asked + kAskAgainAfterTrouble;
    if (drain.trouble != answer.text)
      log_("the agent at " + config::to_string(drain.agent) + " cannot be told that service " + name.first +
           (drain.leaves ? " drains" : " wants") + " its DIP: " + answer.text);
    drain.trouble = answer.text;
    return;
  }
  drain.trouble.clear();
  if (!drain.leaves && drain.tries > 0) {
    drain.told = false;  // and taken back
    return;
  }
  drain.told = true;
  const auto connections = connections_in(answer.text);
  const bool empty = connections == std::uint64_t{0} && asked >= drain.since + kSettled;
  drain.empty = empty ? drain.empty + 1 : 0;
}

bool DrainTeller::says_empty(const std::string& service, const std::string& dip) const {
  const auto at = drains_.find({service, dip});
  return at != drains_.end() && at->second.leaves && at->second.counts && at->second.empty >= kEmptyAnswers;
}

}  // namespace sluice::load
