// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A worker: one core that turns for ever. turn() is the table of contents of the dataplane: every packet's
// way through Sluice is the list of stages in forward().
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/door/bell.h"
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
  int wake_fd = -1;  // readable when packets wait; -1: only a look tells
};

struct WorkerSettings {
  unsigned index = 0, lcore = 0;
  bool adaptive_idle = true;
  std::uint64_t idle_housekeeping_tsc = 0;  // without packets, how long between two looks around
  std::vector<RxQueue> receive;
  std::vector<PortLane> lanes;  // by port
  bool tier1 = true, tier2 = true;
  WorkerCounters* counters = nullptr;  // this worker is the only writer; null: it brings its own
  WorkerCounters* scratch = nullptr;   // where stages count what is no client's; null: the same
  // By worker, null for this one and where nothing is handed over: packets to and from, notes to and from.
  std::vector<HandOverRing*> hand_to, hand_from;
  std::vector<NoteRing*> notes_to, notes_from;
  std::vector<rte_ring*> outboxes;  // by port; null where another worker empties it
  // This worker's, those of the other workers, and the kernel path's; without, it never sleeps, only naps.
  Bell* bell = nullptr;
  std::vector<Bell*> others;
  Bell* kernel = nullptr;
  // Frames of the kernel that may be health probes, and what tells their DIP; null where another worker does
  // it.
  rte_ring* probes = nullptr;
  const ProbePorts* probe_ports = nullptr;
  FragmentTable::Limits fragments;
  rte_mempool* pool = nullptr;
};

class Worker {
 public:
  Worker(WorkerSettings settings, Publisher& publisher, Exchange& exchange);

  // Runs on the worker's core until leave().
  void run() noexcept;
  // One turn of run(), at the time `now_tsc`: run() is nothing but turns and rests, and a test makes its own
  // time. The caller is the reader `index` of the publisher, online. Returns the packets found.
  unsigned turn(std::uint64_t now_tsc) noexcept;
  // Control thread: receive what has come in already, to the end of a file, and then no more. What other
  // workers hand over is still served.
  void drain() { phase_.store(Phase::kDraining, std::memory_order_relaxed); }
  // Control thread: after drain(), nothing more comes from this worker's own queues.
  [[nodiscard]] bool dry() const { return dry_.load(std::memory_order_acquire); }
  // Control thread: return from run(), when dry.
  void leave() { phase_.store(Phase::kLeaving, std::memory_order_relaxed); }
  [[nodiscard]] const WorkerCounters& counters() const { return counters_; }
  [[nodiscard]] unsigned index() const { return settings_.index; }
  [[nodiscard]] unsigned lcore() const { return settings_.lcore; }

 private:
  struct RssTruth {  // NIC truth test: the port's hash against ours
    unsigned checked = 0, bursts = 0;
    bool lied = false;
  };

  unsigned receive(RxQueue& queue) noexcept;
  [[nodiscard]] bool others_have_room() const noexcept;
  void forward(Burst& burst, const Snapshot& tables) noexcept;
  void deliver(Burst& burst, const Snapshot& tables, unsigned tier1) noexcept;
  unsigned deliver_handed(const Snapshot& tables) noexcept;
  void check_rss(const RxQueue& queue, const Snapshot& tables) noexcept;
  [[nodiscard]] bool rss_trusted(const RxQueue& queue) const;
  unsigned forward_released(const Snapshot& tables) noexcept;
  unsigned empty_outboxes() noexcept;
  unsigned send_probes(const Snapshot& tables) noexcept;
  void housekeep(const Snapshot& tables, unsigned found) noexcept;
  void drop_expired() noexcept;
  void age_flows(const Snapshot& tables) noexcept;
  void show_tables() noexcept;
  void handle(Request& request, const Snapshot& tables) noexcept;  // requests.cc
  void answer_to(ExplainRequest& request,
                 const Snapshot& tables) noexcept;  // explain.cc, with the next three
  void explain(ExplainRequest& request, rte_mbuf& packet, const Snapshot& tables) noexcept;
  bool look_for_elephant(Explanation& answer, Burst& burst, const Snapshot& tables) noexcept;
  bool look_through_groups(Explanation& answer, Burst& burst, const Snapshot& tables) noexcept;
  void answer_to(FlowPage& page, const Snapshot& tables) noexcept;
  void answer_to(ElephantPage& page, const Snapshot& tables) noexcept;
  void answer_to(const ForgetElephants& request, const Snapshot& tables) noexcept;
  void rest(unsigned found) noexcept;  // rest.cc, with the next four
  void wake_up() noexcept;
  void call_kernel() noexcept;
  [[nodiscard]] bool may_sleep() const noexcept;
  [[nodiscard]] bool sleep() noexcept;
  [[nodiscard]] bool over(unsigned found) noexcept;
  void see_if_dry(unsigned found) noexcept;
  void give_up_held() noexcept;

  WorkerSettings settings_;
  Publisher& publisher_;
  Exchange& exchange_;
  enum class Phase : std::uint8_t { kRunning, kDraining, kLeaving };
  std::atomic<Phase> phase_{Phase::kRunning};  // control writes, worker reads
  std::atomic<bool> dry_{false};               // worker writes, control reads

  // The worker's own from here on.
  Burst burst_, further_;
  FragmentTable fragments_;
  ElephantDesk elephants_;
  TokenBucket answer_rate_;
  std::vector<RssTruth> rss_;                            // by receive queue
  std::uint32_t next_aged_ = 0;                          // index of a group
  std::uint64_t flows_counted_ = 0, bytes_counted_ = 0;  // of this round over the groups
  bool held_back_ = false;  // a file was not read this turn, because others have no room
  bool trusted_ = false;    // of the burst under way
  std::uint64_t now_tsc_ = 0, idle_since_tsc_ = 0, stop_tsc_ = 0, housekept_tsc_ = 0;
  std::unique_ptr<WorkerCounters> own_counters_, own_scratch_;
  WorkerCounters& counters_;
  WorkerCounters& scratch_;  // explain's stages count here
};

}  // namespace sluice
