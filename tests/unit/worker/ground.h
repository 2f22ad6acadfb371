// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What workers in real threads stand on: EAL, packet buffers and ports that are made of code of ours, so that
// the thread sanitizer, which does not see into DPDK's libraries, sees every hand-over of a packet. The pool
// is guarded by a mutex; a port is a ring in (filled by the test) and nothing out (what is sent is counted
// and freed).
#pragma once

#include <rte_mbuf.h>

#include <atomic>
#include <cstdint>
#include <vector>

struct rte_ring;

namespace sluice::test {

void start_ground();  // once a process
void stop_ground();   // at its end: the pool's own memory is DPDK's, which the leak check does not look
                      // through
rte_mempool* watched_pool();
inline constexpr unsigned kWatchedBuffers = 4095;

class WatchedPort {
 public:
  explicit WatchedPort(unsigned index);
  ~WatchedPort();
  WatchedPort(const WatchedPort&) = delete;
  WatchedPort& operator=(const WatchedPort&) = delete;

  [[nodiscard]] std::uint16_t dpdk_port() const { return dpdk_port_; }
  // Readable when packets wait.
  [[nodiscard]] int wake_fd() const { return wake_fd_; }
  // Test thread: false when the ring, or the pool, has no room.
  bool receive(const std::vector<std::uint8_t>& frame);
  [[nodiscard]] std::uint64_t received() const { return received_; }
  // Any thread.
  [[nodiscard]] std::uint64_t sent() const { return sent_.load(std::memory_order_relaxed); }

 private:
  static std::uint16_t rx(void* queue, rte_mbuf** packets, std::uint16_t most);
  static std::uint16_t tx(void* queue, rte_mbuf** packets, std::uint16_t count);

  std::uint16_t dpdk_port_;
  int wake_fd_;
  rte_ring* in_;
  void* queue_ = this;
  void* callbacks_ = nullptr;
  std::uint64_t received_ = 0;
  std::atomic<std::uint64_t> sent_{0};
};

}  // namespace sluice::test
