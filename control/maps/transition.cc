// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/maps/transition.h"

#include <algorithm>

namespace sluice::maps {

void Transitions::begin(const MapKey& group, const Members& before, const Members& after,
                        Clock::time_point now, std::chrono::seconds deadline, bool until_deadline,
                        bool until_settled) {
  if (before == after) return;
  History& history = groups_[group];
  history.changes.push_back({before, now, now + deadline, until_deadline, until_settled});
  for (const auto& [dip, share] : after) history.gone.erase(dip);  // it came back
}

void Transitions::skip(const MapKey& group, const std::string& dip) {
  const auto at = groups_.find(group);
  if (at == groups_.end()) return;
  at->second.gone.insert(dip);
  take_out(at->second, dip);
}

void Transitions::take_out(History& history, const std::string& member) {
  for (Change& change : history.changes) {
    if (const auto at = change.before.find(member); at != change.before.end()) at->second.up = false;
  }
}

void Transitions::died(const MapKey& group, const std::string& member) {
  if (const auto at = groups_.find(group); at != groups_.end()) take_out(at->second, member);
}

void Transitions::last_until_deadline(const MapKey& group) {
  const auto at = groups_.find(group);
  if (at == groups_.end()) return;
  for (Change& change : at->second.changes) change.until_deadline = true;
}

std::map<std::string, Transitions::Leaving> Transitions::leaving(const MapKey& group,
                                                                 const Members& current) const {
  std::map<std::string, Leaving> all;
  const auto at = groups_.find(group);
  if (at == groups_.end()) return all;
  for (const Change& change : at->second.changes) {
    for (const auto& [dip, share] : change.before) {
      // The last change that names it is the one that took it out: its deadline counts.
      if (!current.contains(dip)) {
        all[dip] = {share.weight, at->second.gone.contains(dip), change.started, change.deadline};
      }
    }
  }
  return all;
}

std::size_t Transitions::over(const History& history, const Members& current, Clock::time_point now,
                              bool settled) {
  std::size_t count = 0;
  for (; count < history.changes.size(); ++count) {
    const Change& change = history.changes[count];
    if (change.until_settled && !settled) break;
    if (change.deadline <= now) continue;
    if (change.until_deadline) break;
    const Members& after = count + 1 < history.changes.size() ? history.changes[count + 1].before : current;
    bool took_out = false, all_gone = true;
    for (const auto& [dip, share] : change.before) {
      if (after.contains(dip)) continue;
      took_out = true;
      all_gone = all_gone && history.gone.contains(dip);
    }
    if (!took_out || !all_gone) break;
  }
  return count;
}

void Transitions::hasten(const MapKey& group, Clock::time_point now) {
  const auto at = groups_.find(group);
  if (at == groups_.end()) return;
  for (Change& change : at->second.changes) change.deadline = std::min(change.deadline, now);
}

std::vector<Transitions::Ended> Transitions::tick(Clock::time_point now, const Empty& empty,
                                                  const Current& current, const Settled& settled) {
  std::vector<Ended> all;
  for (auto at = groups_.begin(); at != groups_.end();) {
    const MapKey& group = at->first;
    History& history = at->second;
    const Members in_force = current(group);
    Ended ended{.group = group, .emptied = {}, .at_deadline = {}};
    for (const auto& [dip, leaving] : leaving(group, in_force)) {
      if (leaving.gone) continue;
      const bool late = leaving.deadline <= now;
      if (!late && !empty(group, dip, leaving)) continue;
      (late ? ended.at_deadline : ended.emptied).push_back(dip);
      history.gone.insert(dip);
      take_out(history, dip);
    }
    const std::size_t done = over(history, in_force, now, !settled || settled(group));
    history.changes.erase(history.changes.begin(),
                          history.changes.begin() + static_cast<std::ptrdiff_t>(done));
    if (done > 0 || !ended.emptied.empty() || !ended.at_deadline.empty()) all.push_back(std::move(ended));
    at = history.changes.empty() ? groups_.erase(at) : std::next(at);
  }
  return all;
}

std::optional<Transitions::Ended> Transitions::finish(const MapKey& group, const Members& current) {
  const auto at = groups_.find(group);
  if (at == groups_.end()) return {};
  Ended ended{.group = group, .emptied = {}, .at_deadline = {}};
  for (const auto& [dip, leaving] : leaving(group, current)) {
    if (!leaving.gone) ended.at_deadline.push_back(dip);
  }
  groups_.erase(at);
  return ended;
}

const Members* Transitions::base(const MapKey& group) const {
  const auto at = groups_.find(group);
  return at == groups_.end() ? nullptr : &at->second.changes.front().before;
}

std::vector<const Members*> Transitions::maps(const MapKey& group) const {
  std::vector<const Members*> all;
  if (const auto at = groups_.find(group); at != groups_.end()) {
    for (const Change& change : at->second.changes) all.push_back(&change.before);
  }
  return all;
}

std::optional<Clock::time_point> Transitions::deadline(const MapKey& group) const {
  const auto at = groups_.find(group);
  if (at == groups_.end()) return {};
  return std::ranges::max_element(at->second.changes, {}, &Change::deadline)->deadline;
}

std::vector<MapKey> Transitions::groups() const {
  std::vector<MapKey> names;
  for (const auto& [group, history] : groups_) names.push_back(group);
  return names;
}

}  // namespace sluice::maps
