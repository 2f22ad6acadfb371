// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "tests/unit/worker/ground.h"

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstring>
#include <mutex>
#include <stdexcept>
#include <string>

#include "dataplane/door/hand_over.h"

namespace sluice::test {
namespace {

constexpr unsigned kBufferBytes = 2048 + RTE_PKTMBUF_HEADROOM, kRingDepth = 1024;
constexpr std::uint16_t kFirstPort = 24;  // beyond all that EAL has made

struct Buffers {  // what a mempool keeps its objects in
  std::mutex mutex;
  std::vector<void*> free;
};

int make(rte_mempool* pool) {
  pool->pool_data = new Buffers;
  return 0;
}
void drop(rte_mempool* pool) {
  delete static_cast<Buffers*>(pool->pool_data);
}
int put(rte_mempool* pool, void* const* objects, unsigned count) {
  auto& buffers = *static_cast<Buffers*>(pool->pool_data);
  const std::lock_guard lock(buffers.mutex);
  buffers.free.insert(buffers.free.end(), objects, objects + count);
  return 0;
}
int take(rte_mempool* pool, void** objects, unsigned count) {
  auto& buffers = *static_cast<Buffers*>(pool->pool_data);
  const std::lock_guard lock(buffers.mutex);
  if (buffers.free.size() < count) return -ENOBUFS;
  std::copy(buffers.free.end() - count, buffers.free.end(), objects);
  buffers.free.resize(buffers.free.size() - count);
  return 0;
}
unsigned count_free(const rte_mempool* pool) {
  auto& buffers = *static_cast<Buffers*>(pool->pool_data);
  const std::lock_guard lock(buffers.mutex);
  return static_cast<unsigned>(buffers.free.size());
}

void must(bool true_, const char* otherwise) {
  if (!true_) throw std::runtime_error(otherwise);
}

rte_mempool* pool = nullptr;

}  // namespace

void start_ground() {
  const char* arguments[] = {"threads",  "--no-huge",      "-m", "64", "--no-shconf",
                             "--no-pci", "--no-telemetry", "-l", "0",  "--log-level=error"};
  must(rte_eal_init(std::size(arguments), const_cast<char**>(arguments)) >= 0, "EAL does not start");
  rte_mempool_ops ops{};
  std::strncpy(ops.name, "watched", sizeof ops.name - 1);
  ops.alloc = make;
  ops.free = drop;
  ops.enqueue = put;
  ops.dequeue = take;
  ops.get_count = count_free;
  must(rte_mempool_register_ops(&ops) >= 0, "no place for another kind of pool");
  pool = rte_pktmbuf_pool_create_by_ops("watched", kWatchedBuffers, 0, kHandOverBytes, kBufferBytes,
                                        SOCKET_ID_ANY, "watched");
  must(pool != nullptr, "no memory for packet buffers");
}

void stop_ground() {
  rte_mempool_free(pool);
  pool = nullptr;
}

rte_mempool* watched_pool() {
  return pool;
}

WatchedPort::WatchedPort(unsigned index)
    : dpdk_port_(static_cast<std::uint16_t>(kFirstPort + index)),
      wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      in_(rte_ring_create(("watched-" + std::to_string(index)).c_str(), kRingDepth, SOCKET_ID_ANY,
                          RING_F_SP_ENQ | RING_F_SC_DEQ)) {
  must(wake_fd_ >= 0 && in_ != nullptr, "no memory for a port");
  struct rte_eth_fp_ops& port = rte_eth_fp_ops[dpdk_port_];
  port.rx_pkt_burst = rx;
  port.tx_pkt_burst = tx;
  port.rxq = port.txq = {.data = &queue_, .clbk = &callbacks_};
}

WatchedPort::~WatchedPort() {
  rte_ring_free(in_);
  close(wake_fd_);
}

bool WatchedPort::receive(const std::vector<std::uint8_t>& frame) {
  rte_mbuf* m = rte_pktmbuf_alloc(pool);
  if (!m) return false;
  std::memcpy(rte_pktmbuf_append(m, static_cast<std::uint16_t>(frame.size())), frame.data(), frame.size());
  if (rte_ring_enqueue(in_, m) != 0) {
    rte_pktmbuf_free(m);
    return false;
  }
  ++received_;
  const std::uint64_t once = 1;
  return write(wake_fd_, &once, sizeof once) == sizeof once;
}

std::uint16_t WatchedPort::rx(void* queue, rte_mbuf** packets, std::uint16_t most) {
  auto& port = *static_cast<WatchedPort*>(queue);
  std::uint64_t calls = 0;
  // Before the look, so that what comes after it is called for again.
  if (rte_ring_empty(port.in_) && read(port.wake_fd_, &calls, sizeof calls) < 0) return 0;
  return static_cast<std::uint16_t>(
      rte_ring_dequeue_burst(port.in_, reinterpret_cast<void**>(packets), most, nullptr));
}

std::uint16_t WatchedPort::tx(void* queue, rte_mbuf** packets, std::uint16_t count) {
  auto& port = *static_cast<WatchedPort*>(queue);
  for (unsigned i = 0; i < count; ++i) rte_pktmbuf_free(packets[i]);
  port.sent_.fetch_add(count, std::memory_order_relaxed);
  return count;
}

}  // namespace sluice::test
