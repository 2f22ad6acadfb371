// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/pool/path_watch.h"

#include <algorithm>

namespace sluice::pool {

void PathWatch::begin(const std::vector<std::string>& asked, bool held_up, TimePoint now) {
  // Who answered proves our own path before anybody is judged by it.
  if (std::ranges::any_of(members_, [](const auto& entry) { return entry.second.answered; }))
    proven_ = round_;
  for (auto& [name, member] : members_)
    if (member.answered || !held_up) judge(member, now);
  std::erase_if(members_,
                [&](const auto& entry) { return std::ranges::find(asked, entry.first) == asked.end(); });
  for (const std::string& name : asked) members_[name].answered = false;
  ++round_;
}

void PathWatch::judge(Member& member, TimePoint now) {
  member.judged = true;
  if (member.answered) {
    member.missed = 0;
    if (++member.good >= kGoodAgain) member.dead.reset();
    return;
  }
  ++missed_;
  ++member.missed;
  member.good = 0;
  if (!proven())
    member.dead.reset();
  else if (member.missed >= failures_ && !member.dead)
    member.dead = now;
}

void PathWatch::answered(const std::string& member) {
  const auto at = members_.find(member);
  if (at != members_.end()) at->second.answered = true;
}

bool PathWatch::in_doubt() const {
  return std::ranges::any_of(members_, [](const auto& entry) { return entry.second.missed != 0; });
}

PathWatch::Path PathWatch::of(const std::string& member) const {
  const auto at = members_.find(member);
  if (at == members_.end() || !at->second.judged) return Path::kUnknown;
  if (at->second.dead) return Path::kDead;
  return at->second.missed == 0 ? Path::kAlive : Path::kUnknown;
}

std::map<std::string, TimePoint> PathWatch::dead() const {
  std::map<std::string, TimePoint> dead;
  for (const auto& [name, member] : members_)
    if (member.dead) dead[name] = *member.dead;
  return dead;
}

}  // namespace sluice::pool
