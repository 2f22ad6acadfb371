// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/monitor.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "control/config/address_port.h"
#include "control/health/probe.h"
#include "control/health/watch.h"

namespace sluice::health {
namespace {

using std::chrono::milliseconds;

// One probe, and who wants its results.
struct Target {
  std::shared_ptr<Probe> probe;
  std::vector<Member*> members;
};

std::size_t default_probes() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return 256;
  return std::clamp<std::size_t>(files.rlim_cur / 4, 16, 2048);
}

Policy policy_of(const config::Health& health) {
  return {.failures = std::max(1u, health.failures),
          .successes = std::max(1u, health.successes),
          .interval = milliseconds(health.interval_ms)};
}

std::string name_of(const config::Dip& dip) {
  return config::to_string(config::AddressPort{dip.address, dip.port});
}

}  // namespace

class Monitor::State {
 public:
  State(boost::asio::io_context& io, Verdict verdict, Options options)
      : verdict_(std::move(verdict)),
        options_(std::move(options)),
        gate_(options_.most_probes != 0 ? options_.most_probes : default_probes()),
        around_{.io = io, .pinger = nullptr, .tls = nullptr, .data_path = options_.data_path} {
    around_.most_kept = options_.most_kept != 0     ? options_.most_kept
                        : options_.most_probes != 0 ? options_.most_probes
                                                    : default_probes();
  }
  ~State() {
    for (auto& [spec, target] : targets_) target.probe->stop();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void configure(const std::vector<config::Service>& services) {
    pending_ = services;
    if (!busy_) dispatch();
  }

  [[nodiscard]] std::vector<Row> rows() const;
  [[nodiscard]] Stats stats() const;

 private:
  void apply(const std::vector<config::Service>& services);
  void apply(Watch& watch, const config::Service& service);
  void begin_anew(Watch& watch, const config::Service& service);
  void set_gate(Member& member);
  void walk_if_due(Member& member);
  void walked(Member& member, const Finding& finding);
  void walk_again_later(Member& member);
  void add(Watch& watch, const std::string& dip, const Policy& policy, const Spec& spec);
  void remove(Member& member);
  void attach(Member& member, const Spec& spec);
  void detach(Member& member);
  std::optional<unsigned> observed(const Spec& spec, const Answer& answer, const Result& result);
  void settle(Member& member, bool changed, TimePoint now);
  void say_of_panic(const Watch& watch, Panic::Change change);
  void judge(Member& member);
  void dispatch();

  struct Said {
    std::string service, dip;
    bool healthy;
    std::string why;
  };

  Verdict verdict_;
  Options options_;
  Gate gate_;
  Surroundings around_;
  std::map<Spec, Target> targets_;
  std::map<std::string, Watch> watches_;
  std::deque<Said> said_;
  std::optional<std::vector<config::Service>> pending_;
  bool busy_ = false, first_ = true;
  std::uint64_t made_ = 0,
                joining_ = 0;  // probes made; DIPs of this configure() that wait for the first answer
  Stats counted_;
};

// --- configuration -------------------------------------------------------------------------------------

void Monitor::State::apply(const std::vector<config::Service>& services) {
  joining_ = 0;
  std::set<std::string> named;
  for (const config::Service& service : services) {
    named.insert(service.name);
    Watch& watch = watches_[service.name];
    watch.name = service.name;
    begin_anew(watch, service);
    apply(watch, service);
  }
  for (auto at = watches_.begin(); at != watches_.end();) {
    if (named.contains(at->first)) {
      ++at;
      continue;
    }
    for (auto& [name, member] : at->second.members) detach(*member);
    at = watches_.erase(at);
  }
  first_ = false;
}

// A service with another face has forgotten what was said of its DIPs.
void Monitor::State::begin_anew(Watch& watch, const config::Service& service) {
  config::Service alone = service;
  alone.groups.clear();
  const config::Service before = std::exchange(watch.service, std::move(alone));
  if (before == watch.service) return;
  for (const auto& [name, member] : watch.members) member->admission.begin_anew();
  const bool same_face =
      before.vip == service.vip && before.protocol == service.protocol && before.port == service.port;
  if (same_face) return;
  for (const auto& [name, member] : watch.members) {
    if (!member->reported) said_.push_back({watch.name, name, false, member->why()});
  }
}

void Monitor::State::apply(Watch& watch, const config::Service& service) {
  const Policy policy = policy_of(service.health);
  watch.panic_policy = PanicPolicy::of(service.health.panic, policy, milliseconds(service.health.timeout_ms));
  std::set<std::string> there, watched;
  for (const config::Group& group : service.groups) {
    for (const config::Dip& dip : group.dips) {
      const std::string name = name_of(dip);
      there.insert(name);
      if (service.health.type == config::HealthType::kNone) continue;
      if (!watched.insert(name).second) continue;  // in several groups
      add(watch, name, policy, spec_of(service, dip));
      Member& member = *watch.members[name];
      member.as_configured = dip;
      set_gate(member);
    }
  }
  for (auto at = watch.members.begin(); at != watch.members.end();) {
    Member& member = *(at++)->second;
    if (watched.contains(member.dip)) continue;
    remove(member);
  }
  if (service.health.type == config::HealthType::kNone && !first_) {
    // What was said of a DIP of this name in an earlier life no longer holds.
    for (const std::string& name : there) {
      if (!watch.known.contains(name)) said_.push_back({service.name, name, true, "not watched"});
    }
  }
  watch.known = std::move(there);
}

void Monitor::State::add(Watch& watch, const std::string& dip, const Policy& policy, const Spec& spec) {
  auto& member = watch.members[dip];
  if (member) {
    watch.sure -= member->sure();
    member->machine.set_policy(policy);
    watch.sure += member->sure();
    if (member->spec == spec) return;
    detach(*member);
    attach(*member, spec);
    return;
  }
  const bool joins = !first_ && !watch.known.contains(dip);
  const bool down = first_ && options_.was_down && options_.was_down(watch.name, dip);
  const health::State state = joins  ? health::State::kJoining
                              : down ? health::State::kDown
                                     : health::State::kUp;
  member = std::make_unique<Member>(watch, dip, policy, state, Clock::now());
  watch.sure += member->sure();
  if (joins) {
    said_.push_back({watch.name, dip, false, member->machine.why()});
  }
  attach(*member, spec);
}

// A DIP that is not watched any more, while its service goes on.
void Monitor::State::remove(Member& member) {
  Watch& watch = member.watch;
  detach(member);
  if (!member.reported) said_.push_back({watch.name, member.dip, true, "not watched any more"});
  watch.sure -= member.sure();
  watch.panic.forget(member.dip);
  watch.members.erase(std::string(member.dip));
}

void Monitor::State::attach(Member& member, const Spec& spec) {
  member.spec = spec;
  Target& target = targets_[spec];
  target.members.push_back(&member);
  const bool joins = member.machine.state() == health::State::kJoining;
  const bool is_new = target.probe == nullptr;
  if (is_new) {
    target.probe = std::make_shared<Probe>(
        around_, gate_, spec, phase_of(made_++, spec.interval),
        [this, spec](const Answer& answer, const Result& result) { return observed(spec, answer, result); });
  }
  if (joins)
    target.probe->start_at(Clock::now() + delay_of_joining(joining_++));
  else if (is_new)
    target.probe->start_in_phase();
}

void Monitor::State::detach(Member& member) {
  const auto at = targets_.find(member.spec);
  std::erase(at->second.members, &member);
  if (!at->second.members.empty()) return;
  at->second.probe->stop();
  targets_.erase(at);
}

// --- results -------------------------------------------------------------------------------------------

std::optional<unsigned> Monitor::State::observed(const Spec& spec, const Answer& answer,
                                                 const Result& result) {
  ++counted_.asked;
  counted_.failed += result.judgement == Judgement::kBad;
  counted_.not_counted += result.judgement == Judgement::kNone;
  const TimePoint now = Clock::now();
  std::optional<unsigned> failures;
  busy_ = true;
  for (Member* member : targets_.at(spec).members) {
    if (answer.report) {
      member->report = answer.report;
      if (options_.report) options_.report(member->watch.name, member->dip, *answer.report);
    }
    const bool was_sure = member->sure();
    const bool changed = member->machine.observe(result, now);
    member->watch.sure = member->watch.sure + member->sure() - was_sure;
    settle(*member, changed, now);
    walk_if_due(*member);
    if (member->machine.suspect())
      failures = std::min(failures.value_or(~0u), member->machine.policy().failures);
  }
  dispatch();
  return failures;
}

void Monitor::State::settle(Member& member, bool changed, TimePoint now) {
  Watch& watch = member.watch;
  if (!changed && !watch.panic.active()) return;
  const Panic::Change change = watch.panic.update(
      watch.sure, changed && !member.machine.alive(), [&](TimePoint when) { return watch.doubtful(when); },
      watch.panic_policy, now);
  if (change == Panic::Change::kNone) return judge(member);
  say_of_panic(watch, change);
  for (auto& [name, other] : watch.members) judge(*other);
}

void Monitor::State::say_of_panic(const Watch& watch, Panic::Change change) {
  if (!options_.log) return;
  options_.log(change == Panic::Change::kBegan
                   ? "panic: all DIPs of service " + watch.name + " look dead at once; the " +
                         std::to_string(watch.panic.size()) + " that were up until now stay in use"
                   : "panic of service " + watch.name + " is over: " + std::to_string(watch.sure) + " of " +
                         std::to_string(watch.members.size()) + " DIPs answer");
}

void Monitor::State::judge(Member& member) {
  const bool healthy = member.machine.alive() || member.watch.panic.keeps(member.dip);
  if (healthy == member.reported) return;
  member.reported = healthy;
  said_.push_back({member.watch.name, member.dip, healthy, member.why()});
}

void Monitor::State::dispatch() {
  struct Flag {
    bool& flag;
    ~Flag() { flag = false; }
  } const guard{busy_ = true};
  while (!said_.empty() || pending_) {
    if (said_.empty()) {
      const std::vector<config::Service> services = std::move(*pending_);
      pending_.reset();
      apply(services);
      continue;
    }
    const Said said = std::move(said_.front());
    said_.pop_front();
    verdict_(said.service, said.dip, said.healthy, said.why);
  }
}

// --- the way to a DIP that joins -------------------------------------------------------------------------

void Monitor::State::set_gate(Member& member) {
  const bool doctor = options_.walk && member.watch.service.health.admit == config::Admit::kDoctor;
  member.machine.set_gate(doctor);
}

void Monitor::State::walk_if_due(Member& member) {
  if (!member.machine.at_gate() || !member.admission.due(Clock::now())) return;
  const std::weak_ptr<const void> ticket = member.admission.begin();
  options_.walk(member.watch.service, member.as_configured, [this, ticket, &member](const Finding& finding) {
    if (!ticket.expired()) walked(member, finding);
  });
}

void Monitor::State::walked(Member& member, const Finding& finding) {
  const TimePoint now = Clock::now();
  ++counted_.walks;
  if (finding.refused) {
    ++counted_.refused_walks;
    const bool news = member.admission.refuse(finding, now);
    if (news && options_.log)
      options_.log("service " + member.watch.name + ": DIP " + member.dip +
                   " gets nothing yet: the doctor: " + member.admission.verdict());
    return walk_again_later(member);
  }
  member.admission.end();
  if (!member.machine.at_gate()) return;  // failed a probe meanwhile: its next good one begins another walk
  busy_ = true;
  member.machine.admit(finding.text, now);
  member.watch.sure += member.sure();
  settle(member, true, now);
  dispatch();
}

void Monitor::State::walk_again_later(Member& member) {
  if (!member.next_walk) member.next_walk = std::make_shared<boost::asio::steady_timer>(around_.io);
  member.next_walk->expires_at(member.admission.next());
  const std::weak_ptr<const void> there = member.next_walk;  // as long as the member
  member.next_walk->async_wait([this, there, &member](const boost::system::error_code& error) {
    if (!error && !there.expired()) walk_if_due(member);
  });
}

// --- what is shown -------------------------------------------------------------------------------------

std::vector<Row> Monitor::State::rows() const {
  std::vector<Row> rows;
  const TimePoint now = Clock::now();
  for (const auto& [service, watch] : watches_) {
    for (const auto& [dip, member] : watch.members) rows.push_back(member->row(now));
  }
  return rows;
}

Stats Monitor::State::stats() const {
  Stats stats = counted_;
  stats.probes = targets_.size();
  stats.under_way = gate_.inside();
  stats.waiting = gate_.waiting();
  stats.kept_connections = around_.kept;
  return stats;
}

Monitor::Monitor(boost::asio::io_context& io, Verdict verdict, Options options)
    : state_(std::make_unique<State>(io, std::move(verdict), std::move(options))) {}
Monitor::~Monitor() = default;

void Monitor::configure(const std::vector<config::Service>& services) {
  state_->configure(services);
}

std::vector<Row> Monitor::rows() const {
  return state_->rows();
}

Stats Monitor::stats() const {
  return state_->stats();
}

}  // namespace sluice::health
