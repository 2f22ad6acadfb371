// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// From tier 1 to tier 2 on another core: one ring for each pair of workers, and beside each packet, in its
// buffer's private area, what tier 1 has found out. Bounded; a full ring is a counted drop, never a stall.
//
// The ring also tells tier 1 how far tier 2 has come: packets up to done() have left. That is what lets an
// elephant change from one way to the other without overtaking itself.
#pragma once

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/wire/flow_key.h"

namespace sluice {

// What travels with a packet. Indices are those of the snapshot of `generation`; tier 2 looks them up anew
// when it has another one. A whole number of cache lines, so that the packets behind it begin on one: a
// minimal frame is then one line and not two.
struct alignas(64) HandOver {
  FlowKey key;
  std::uint64_t layout = 0;  // a Layout, as bytes
  std::uint32_t service = 0, group = 0, hash = 0;
  std::uint32_t chain = 0;  // Burst::chain when the packet still looks for its flow, else 0
  std::uint64_t generation = 0;

  static HandOver& of(rte_mbuf* packet) { return *static_cast<HandOver*>(rte_mbuf_to_priv(packet)); }
};
// The private area that every packet buffer needs.
inline constexpr unsigned kHandOverBytes = sizeof(HandOver);
static_assert(kHandOverBytes % RTE_MBUF_PRIV_ALIGN == 0);

class HandOverRing {
 public:
  static constexpr unsigned kDepth = 2048;

  // Control thread; throws std::runtime_error with one sentence when there is no memory.
  explicit HandOverRing(const std::string& name);
  ~HandOverRing();  // frees what is still inside
  HandOverRing(const HandOverRing&) = delete;
  HandOverRing& operator=(const HandOverRing&) = delete;

  // Tier-1 worker: how many of the packets were taken.
  unsigned put(rte_mbuf** packets, unsigned count) {
    const unsigned taken =
        rte_ring_sp_enqueue_burst(ring_, reinterpret_cast<void**>(packets), count, nullptr);
    sent_.store(sent_.load(std::memory_order_relaxed) + taken, std::memory_order_release);
    return taken;
  }
  // Tier-1 worker: how many would be taken now.
  [[nodiscard]] unsigned room() const { return rte_ring_free_count(ring_); }
  // Any thread: the number of packets put in so far.
  [[nodiscard]] std::uint64_t sent() const { return sent_.load(std::memory_order_acquire); }
  // Any thread: of these, how many have left Sluice.
  [[nodiscard]] std::uint64_t done() const { return done_.load(std::memory_order_acquire); }

  // Tier-2 worker.
  unsigned take(rte_mbuf** packets, unsigned most) {
    return rte_ring_sc_dequeue_burst(ring_, reinterpret_cast<void**>(packets), most, nullptr);
  }
  void mark_done(unsigned packets) {
    done_.store(done_.load(std::memory_order_relaxed) + packets, std::memory_order_release);
  }
  // Any thread: packets that wait inside.
  [[nodiscard]] unsigned waiting() const { return rte_ring_count(ring_); }

 private:
  rte_ring* ring_;
  alignas(64) std::atomic<std::uint64_t> sent_{0};  // tier 1 writes
  alignas(64) std::atomic<std::uint64_t> done_{0};  // tier 2 writes, tier 1 reads
};

// Control thread: no packet is in any of these rings (pointers, some null), nor in the hands of a worker that
// took it from one and may put it into another. For the end of all: nothing else puts packets in any more.
template <typename Rings>
bool at_rest(const Rings& rings) {
  std::vector<std::uint64_t> done;
  done.reserve(std::size(rings));
  for (const auto& ring : rings) done.push_back(ring ? ring->done() : 0);
  // Read later: what was taken and not yet let go of shows as sent and not done, whoever has it meanwhile.
  std::size_t i = 0;
  for (const auto& ring : rings) {
    if (ring && ring->sent() != done[i]) return false;
    ++i;
  }
  return true;
}

}  // namespace sluice
