// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What the next snapshot is to contain: the model, who of it is up, and what transitions still need of the
// past. Pure; control/maps/build.h turns a plan into tables.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "control/config/model.h"
#include "control/maps/loads.h"
#include "control/maps/transition.h"

namespace sluice::maps {

enum class DipState : std::uint8_t { kUp, kDown, kDraining, kJoining };
std::string_view to_word(DipState state);

struct PlannedDip {
  config::Dip dip;
  std::string name;      // "10.1.0.11", "10.1.0.11:8080"
  bool leaving = false;  // not in the model: keeps its flows, gets no new ones
  bool gone = false;     // not in the model and not waited for any more: only its place in old maps is left
  bool healthy = true;
  std::uint32_t spare = Loads::kUnit;  // factor of the capacity that least-load counts with
  [[nodiscard]] bool usable() const { return healthy && !gone; }
  [[nodiscard]] DipState state() const {
    if (!usable()) return DipState::kDown;
    return leaving || dip.weight == 0 ? DipState::kDraining : DipState::kUp;
  }
};

struct PlannedGroup {
  std::string name = {};
  std::uint32_t weight = 0;             // tier 1's
  std::optional<unsigned> worker = {};  // lcore of its owner, when the operator chose
  bool leaving = false;                 // not in the model
  std::vector<PlannedDip> dips = {};    // the model's in its order, then those that leave
  const Members* base = nullptr;        // V; null when no transition is under way
  std::size_t changes = 0;              // under way
  [[nodiscard]] bool up() const;        // may get new flows
};

struct PlannedService {
  const config::Service* service = nullptr;
  std::vector<PlannedGroup> groups;
  std::vector<const Members*> older;  // tier 1's maps under way, oldest first
};

using Plan = std::vector<PlannedService>;

// The part of the past, and of the servers' health, that a plan needs.
struct History {
  Transitions transitions;
  std::map<MapKey, std::map<std::string, config::Dip>> left;  // DIPs that may be leaving, as they were
  std::map<std::string, std::set<std::string>> left_groups;   // by service: groups that may be leaving
  std::map<std::string, std::set<std::string>> down;          // by service: DIPs that are not healthy
  std::map<std::string, Loads::Factors> spare;                // Loads::spare in force

  [[nodiscard]] bool healthy(const std::string& service, const std::string& dip) const;
};

// The same VIP, protocol and port: flows of the one are flows of the other.
bool same_face(const config::Service& a, const config::Service& b);

std::string dip_name(const config::Dip& dip);
// Tier 1's share of a group: its own weight, or the sum of its DIPs'.
std::uint32_t weight_of(const config::Group& group);
// The newest map's members: of a group, and of a service's tier 1.
Members members_of(const config::Service& service, const config::Group& group, const History& history);
Members members_of(const config::Service& service, const History& history);

// How a change of the model is to happen.
struct ChangeOptions {
  std::optional<std::chrono::seconds> deadline = {};  // in place of the services' own
  bool now = false;                                   // nothing is waited for
  // Weights alone change, and nobody but Sluice wished it: over after `deadline_s`, also where the service
  // says `keep`, so that such changes do not pile up.
  bool by_load = false;
  // DIPs that are new to a service with probes get nothing before they have answered one.
  bool new_ones_join = false;
};

// DIPs that `next` brings to services with probes begin as if they were down; health says when they are up.
void begin_joining(History& history, const config::Model& before, const config::Model& next);

// Remembers what `next` changes in `before`: begins the transitions.
void begin_changes(History& history, const config::Model& before, const config::Model& next,
                   Clock::time_point now, const ChangeOptions& options);
// A DIP's health changed. Death moves its flows at once; a return is a transition.
void set_health(History& history, const config::Model& model, const std::string& service,
                const std::string& dip, bool healthy, Clock::time_point now);
// Groups of services with several in which nobody is left who can keep a flow: tier 1 leads nowhere near
// their tables any more, so the flows in them are lost.
std::set<MapKey> abandoned(const History& history, const config::Model& model);
// Forgets DIPs and groups that no remembered map names.
void forget_left(History& history, const config::Model& model);

Plan make_plan(const config::Model& model, const History& history);

}  // namespace sluice::maps
