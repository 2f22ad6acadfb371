// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A worker: one core that turns for ever. turn() is the table of contents of the dataplane: every packet's
// way through Sluice is the list of stages in forward().
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "dataplane/door/counters.h"
#include "dataplane/door/exchange.h"
#include "dataplane/door/publish.h"
#include "dataplane/stage/stages.h"
#include "dataplane/table/fragment_table.h"

struct rte_mempool;

namespace sluice {

struct RxQueue {
  std::uint8_t port = 0;  // index in the configuration's order
  std::uint16_t dpdk_port = 0, queue = 0;
  bool reads_file = false;  // has an end, and is read to it before the worker stops
  bool offers_rss = false;
};

struct WorkerSettings {
  unsigned index = 0, lcore = 0;
  bool adaptive_idle = true;
  std::vector<RxQueue> receive;
  std::vector<PortLane> lanes;      // by port
  std::vector<rte_ring*> outboxes;  // by port; null where another worker empties it
  FragmentTable::Limits fragments;
  rte_mempool* pool = nullptr;
};

class Worker {
 public:
  Worker(WorkerSettings settings, Publisher& publisher, Exchange& exchange);

  // Runs on the worker's core until stop(); then finishes what has come in, and returns.
  void run() noexcept;
  // One turn of run(), at the time `now_tsc`: run() is nothing but turns and rests, and a test makes its own
  // time. The caller is the reader `index` of the publisher, online. Returns the packets found.
  unsigned turn(std::uint64_t now_tsc) noexcept;
  // Control thread.
  void stop() { stopping_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] const WorkerCounters& counters() const { return counters_; }
  [[nodiscard]] unsigned index() const { return settings_.index; }
  [[nodiscard]] unsigned lcore() const { return settings_.lcore; }

 private:
  struct RssTruth {  // NIC truth test: the port's hash against ours
    unsigned checked = 0, bursts = 0;
    bool lied = false;
  };

  unsigned receive(RxQueue& queue) noexcept;
  void forward(Burst& burst, const Snapshot& tables) noexcept;
  void check_rss(const RxQueue& queue, const Snapshot& tables) noexcept;
  [[nodiscard]] bool rss_trusted(const RxQueue& queue) const;
  unsigned forward_released(const Snapshot& tables) noexcept;
  unsigned empty_outboxes() noexcept;
  void housekeep(const Snapshot& tables, unsigned found) noexcept;
  void drop_expired() noexcept;
  void explain(ExplainRequest& request, const Snapshot& tables) noexcept;  // explain.cc
  void rest(unsigned found) noexcept;
  [[nodiscard]] bool over(unsigned found) noexcept;
  void give_up_held() noexcept;

  WorkerSettings settings_;
  Publisher& publisher_;
  Exchange& exchange_;
  std::atomic<bool> stopping_{false};  // control writes, worker reads

  // The worker's own from here on.
  Burst burst_, further_;
  FragmentTable fragments_;
  TokenBucket answer_rate_;
  std::vector<RssTruth> rss_;  // by receive queue
  bool trusted_ = false;       // of the burst under way
  std::uint64_t now_tsc_ = 0, idle_since_tsc_ = 0, stop_tsc_ = 0;
  WorkerCounters counters_;
  WorkerCounters scratch_;  // explain's stages count here
};

}  // namespace sluice
