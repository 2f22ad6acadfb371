// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Transitions V -> V' (A7): what a group's map was before its members or weights changed, for as long as old
// flows may rely on it. Pure: time comes in as an argument; nothing here touches a worker.
//
//   base    the oldest map under way; packets of old flows follow it
//   newest  the map of the model and of who is up; new flows follow it
//
// Members that are down now are down in all of these maps: death is no transition, its flows move at once. A
// member that comes back is one: until it ends, old flows stay with those who stood in.
//
// A change of tier 1 (of groups) in a service with flow tables also outlasts its deadline, until no flow is
// left in a group that only a remembered map leads to: a table that tier 1 does not find is a table of lost
// flows.
//
// Several changes in a row queue up (V, V', V'' …). When the oldest ends, the next one's "before" becomes the
// base; when the last ends, base and newest are one and nothing is remembered. A DIP that a remembered map
// holds and the model does not is leaving: it keeps its old flows and gets no new ones, until the last of
// them has gone or its own deadline comes. Then it is gone: it stays in the remembered maps as one that is
// down, so that its slots move and no others. An abort is one more change, back to the base, so flows born
// since stay where they are.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control/config/model.h"

namespace sluice::maps {

using Clock = std::chrono::steady_clock;

// The members of one map by name: DIPs of a group ("10.1.0.11", "10.1.0.11:8080"), or groups of a service.
struct Share {
  std::uint32_t weight = 0;
  bool up = true;  // a member that was down when this map was in force held nothing in it
  friend bool operator==(const Share&, const Share&) = default;
};
using Members = std::map<std::string, Share>;

// Whose map: a group's (tier 2), or with group = "" a service's (tier 1).
struct MapKey {
  std::string service, group;
  friend auto operator<=>(const MapKey&, const MapKey&) = default;
};

class Transitions {
 public:
  struct Change {
    Members before;  // the map that was in force until then
    Clock::time_point started, deadline;
    // Flows that no table knows rely on it: it does not end early when all that it took out is gone.
    bool until_deadline = false;
    // It does not end before nobody relies on it, see Settled.
    bool until_settled = false;
  };
  struct Leaving {
    std::uint32_t weight = 0;  // what it weighed last
    bool gone = false;
    Clock::time_point since, deadline;
  };
  struct Ended {
    MapKey group;
    std::vector<std::string> emptied, at_deadline;  // DIPs that are gone now, and why
  };
  // Has this leaving DIP no flow left?
  using Empty = std::function<bool(const MapKey&, const std::string&, const Leaving&)>;
  struct History {                // of one map
    std::vector<Change> changes;  // oldest first
    std::set<std::string> gone;
  };
  // Does no flow rely on a remembered map of this one?
  using Settled = std::function<bool(const MapKey&)>;
  // The members of the newest map.
  using Current = std::function<Members(const MapKey&)>;

  // The map goes from `before` to `after`; nothing happens when they are equal.
  void begin(const MapKey& group, const Members& before, const Members& after, Clock::time_point now,
             std::chrono::seconds deadline, bool until_deadline = false, bool until_settled = false);
  // This member died. Flows that it held in remembered maps are with those who stood in; they stay there
  // when it returns.
  void died(const MapKey& group, const std::string& member);
  // This DIP is not waited for: it is gone from the start.
  void skip(const MapKey& group, const std::string& dip);
  // The group is gone: so is its history.
  void forget(const MapKey& group) { groups_.erase(group); }
  // Flows of these maps may be in no table: whatever seems empty, all changes so far last until their
  // deadline.
  void last_until_deadline(const MapKey& group);

  // Ends what is over. Every group named in the answer needs new maps.
  std::vector<Ended> tick(Clock::time_point now, const Empty& empty, const Current& current,
                          const Settled& settled = {});
  // Ends all changes of a group now, as their deadline would; nothing when it has none.
  std::optional<Ended> finish(const MapKey& group, const Members& current);
  // Brings the deadline of all changes of a group forward to now; the next tick ends them.
  void hasten(const MapKey& group, Clock::time_point now);

  // The oldest map under way; null when the group has no transition.
  [[nodiscard]] const Members* base(const MapKey& group) const;
  // All maps under way, oldest first; empty when the group has no transition.
  [[nodiscard]] std::vector<const Members*> maps(const MapKey& group) const;
  [[nodiscard]] std::map<std::string, Leaving> leaving(const MapKey& group, const Members& current) const;
  // Until the last change of the group ends.
  [[nodiscard]] std::optional<Clock::time_point> deadline(const MapKey& group) const;
  [[nodiscard]] std::vector<MapKey> groups() const;
  [[nodiscard]] bool empty() const { return groups_.empty(); }

  // All that is remembered, and its way back in the next process (F4).
  [[nodiscard]] const std::map<MapKey, History>& all() const { return groups_; }
  void resume(const MapKey& group, History history) {
    if (!history.changes.empty()) groups_[group] = std::move(history);
  }

 private:
  // Changes at the front that are over: by time, or because all that they took out is gone.
  static void take_out(History& history, const std::string& member);
  static std::size_t over(const History& history, const Members& current, Clock::time_point now,
                          bool settled);

  std::map<MapKey, History> groups_;
};

}  // namespace sluice::maps
