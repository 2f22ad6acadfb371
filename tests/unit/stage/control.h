// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// One service under a clock of the test's own: control/maps makes the snapshots, the stages of both tiers
// decide. No ports, no packets: a burst whose keys and layouts are written by hand.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/maps/build.h"
#include "control/maps/plan.h"
#include "dataplane/stage/stages.h"
#include "dataplane/table/group_state.h"

namespace sluice::test {

using Time = maps::Clock::time_point;

struct Arrival {
  FlowKey key;
  std::uint8_t flags = 0;  // of Layout
};

// An IPv4 address from its number.
inline IpAddress make_address(std::uint32_t number) {
  return IpAddress::v4(Big32(number));
}
// The flow of client number `n` to the service.
FlowKey make_key(std::uint32_t n, std::uint8_t protocol);

class Control {
 public:
  Control();

  // Changes here count from the next rebuild on, without a transition.
  config::Service& service() { return model_.services[0]; }
  void rebuild();

  void replace(config::Service next, const maps::ChangeOptions& options);
  void set_health(const std::string& dip, bool healthy);
  // Factors of the DIPs' capacities, in 256ths.
  void set_spare(maps::Loads::Factors spare);
  void pass(std::chrono::seconds time);
  // The service as it was before the transitions under way.
  [[nodiscard]] std::optional<config::Service> before() const;

  // The way of a burst through tier 1 and 2: where each packet went, "" when it was dropped.
  std::vector<std::string> carry(const std::vector<Arrival>& arrivals, bool dry = false);
  // What all maps under way say of a key, for the story of a history that went wrong: tier 1's, oldest first,
  // each with the base of its group; the newest is the last.
  [[nodiscard]] std::string maps_of(const FlowKey& key) const;
  [[nodiscard]] std::string by_newest_map(const FlowKey& key) const;

  [[nodiscard]] Time now() const { return now_; }
  [[nodiscard]] long seconds_at(Time time) const;
  [[nodiscard]] long now_s() const { return seconds_at(now_); }
  [[nodiscard]] bool healthy(const std::string& dip) const { return history_.healthy(kName, dip); }
  [[nodiscard]] std::vector<std::string> dips() const;  // of the model
  [[nodiscard]] bool in_model(const std::string& dip) const;
  [[nodiscard]] bool has_takers() const;
  [[nodiscard]] std::size_t older_maps() const { return history_.transitions.maps({kName, ""}).size(); }
  [[nodiscard]] const Snapshot& snapshot() const { return *built_.snapshot; }
  [[nodiscard]] std::uint64_t flows_on(const std::string& dip) const;
  [[nodiscard]] const FlowEvents& events() const;
  [[nodiscard]] GroupState* state() const { return built_.snapshot->groups[0].state; }

 private:
  static constexpr const char* kName = "web";
  [[nodiscard]] std::shared_ptr<GroupState> state_of(const maps::PlannedService& service,
                                                     const maps::PlannedGroup& group);
  void tick();

  Time now_{};
  config::Model model_;
  std::optional<config::Service> before_;
  maps::History history_;
  std::map<std::string, std::shared_ptr<GroupState>> states_;
  maps::Ids service_ids_{16}, target_ids_{4096};
  maps::MapCache cache_;
  maps::Built built_;
  std::uint64_t generation_ = 0;
};

}  // namespace sluice::test
