// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Reads the workers' counters: sums of all writers, as of now. Counters that an id inherited from a former
// owner are taken off. Control thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "dataplane/door/counters.h"

namespace sluice::metrics {

struct PortTotals {
  std::uint64_t rx_packets = 0, rx_bytes = 0, created_packets = 0, tx_packets = 0, tx_bytes = 0;
  std::uint64_t punted_packets = 0, dropped_packets = 0, held_packets = 0;
  std::uint64_t wire_tx_packets = 0, wire_tx_bytes = 0, rss_checked = 0, rss_wrong = 0;
  std::array<std::uint64_t, kDropReasons> dropped{};
};

struct Traffic {
  std::uint64_t packets = 0, bytes = 0;
};

struct FlowEventTotals {
  std::uint64_t untracked = 0, broken_dip_down = 0, broken_deadline = 0, reset = 0, unknown = 0;
  [[nodiscard]] std::uint64_t broken() const { return broken_dip_down + broken_deadline; }
};

class Totals {
 public:
  // `counters` outlives this.
  void add_writer(const WorkerCounters* counters) { writers_.push_back(counters); }
  // Packets of a port that wait in queues between writers (the way to the kernel, outboxes).
  void set_queued(std::function<std::uint64_t(unsigned port)> queued) { queued_ = std::move(queued); }

  [[nodiscard]] PortTotals port(unsigned index) const;
  [[nodiscard]] std::uint64_t dropped(DropReason reason, unsigned ports) const;
  [[nodiscard]] Traffic service(std::uint32_t id) const;
  [[nodiscard]] Traffic target(std::uint32_t id) const;
  // Health probes that went through the data path.
  [[nodiscard]] Traffic probes() const;

  [[nodiscard]] FlowEventTotals events(std::uint32_t service_id) const;
  // What no worker sees: flows that were lost with a whole table.
  void add_broken(std::uint32_t service_id, std::uint64_t flows, bool deadline);
  // Flows in the tables that go to this target.
  [[nodiscard]] std::uint64_t flows_of_target(std::uint32_t id) const;

  // These ids have new owners: what they count so far is not theirs.
  void forget_services(const std::set<std::uint32_t>& ids);
  void forget_targets(const std::set<std::uint32_t>& ids);

 private:
  using Array = TrafficArray WorkerCounters::*;
  [[nodiscard]] Traffic sum(Array array, std::uint32_t id) const;

  std::vector<const WorkerCounters*> writers_;
  std::function<std::uint64_t(unsigned)> queued_;
  [[nodiscard]] FlowEventTotals raw_events(std::uint32_t service_id) const;

  std::map<std::uint32_t, Traffic> service_base_, target_base_;
  std::map<std::uint32_t, FlowEventTotals> event_base_, lost_;
};

}  // namespace sluice::metrics
