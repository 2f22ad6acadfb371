// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Snapshots in: control publishes a whole one by a pointer swap; a worker takes it once a turn; the old one
// is freed when every worker has passed a quiet point after the swap (rte_rcu_qsbr). Nobody waits.
#pragma once

#include <rte_rcu_qsbr.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/table/snapshot.h"

namespace sluice {

class Publisher {
 public:
  // `readers`: how many workers will take snapshots, numbered 0..readers-1. Control thread, before they
  // start.
  Publisher(std::unique_ptr<const Snapshot> first, unsigned readers);
  ~Publisher();  // control thread, after the workers have stopped
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // Control thread: workers see `next` from their next turn on.
  void publish(std::unique_ptr<const Snapshot> next);
  // Control thread, now and then: frees what no worker can see any more; the number of snapshots still
  // waiting.
  std::size_t reclaim();
  // Control thread: the readers that keep the oldest waiting snapshot alive (to be named in the log).
  [[nodiscard]] std::vector<unsigned> late_readers() const;
  // Control thread: true once every online reader works with the snapshot published last.
  [[nodiscard]] bool settled() const;
  // Control thread: what was published last.
  [[nodiscard]] const Snapshot& current() const { return *owned_; }

  // Worker threads. online() before the first take(), offline() after the last one.
  void online(unsigned reader);
  void offline(unsigned reader);
  // The snapshot for this turn; valid until the reader's next quiet().
  [[nodiscard]] const Snapshot& take() const { return *shared_.load(std::memory_order_acquire); }
  // This reader holds no snapshot now.
  void quiet(unsigned reader) { rte_rcu_qsbr_quiescent(qsbr(), reader); }

 private:
  struct Retired {
    std::unique_ptr<const Snapshot> snapshot;
    std::uint64_t token;
  };
  [[nodiscard]] rte_rcu_qsbr* qsbr() const { return reinterpret_cast<rte_rcu_qsbr*>(qsbr_.get()); }

  std::atomic<const Snapshot*> shared_;    // control writes, workers read
  std::unique_ptr<const Snapshot> owned_;  // control only
  std::deque<Retired> retired_;            // control only, oldest first
  struct Free {
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte, Free> qsbr_;
  unsigned readers_;
};

}  // namespace sluice
