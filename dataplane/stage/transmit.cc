// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/stage/stages.h"

namespace sluice {
namespace {

// How often a full transmit ring is asked again before its packets are dropped: long enough for a NIC to
// fetch a burst, far too short to stall the worker.
constexpr unsigned kTxTries = 8;

// Adds to a counter of the port that each packet came in by; packets of one port come in runs.
class ByOrigin {
 public:
  explicit ByOrigin(WorkerCounters& counters) : counters_(counters) {}
  ~ByOrigin() { close(); }

  void sent(std::uint16_t port, std::uint64_t bytes) {
    if (port != port_) [[unlikely]] {
      close();
      port_ = port;
    }
    ++packets_;
    bytes_ += bytes;
  }

 private:
  void close() {
    if (packets_ == 0) return;
    counters_.port[port_].tx_packets.add(packets_);
    counters_.port[port_].tx_bytes.add(bytes_);
    packets_ = bytes_ = 0;
  }
  WorkerCounters& counters_;
  std::uint16_t port_ = 0;
  std::uint64_t packets_ = 0, bytes_ = 0;
};

void transmit_by(const PortLane& lane, unsigned egress, Burst& burst, std::uint64_t mask,
                 WorkerCounters& counters) {
  rte_mbuf* out[kBurstPackets];
  std::uint8_t index[kBurstPackets];
  std::uint16_t origin[kBurstPackets];
  std::uint32_t bytes[kBurstPackets];
  std::uint16_t count = 0;
  for_each(mask, [&](unsigned i) {
    rte_mbuf* m = burst.packet[i];
    out[count] = m;
    index[count] = static_cast<std::uint8_t>(i);
    origin[count] = m->port;  // a sent packet belongs to the driver: read what is wanted before
    bytes[count] = m->pkt_len;
    ++count;
  });
  if (!lane.owns_queue) {
    // The owner sends and counts them.
    const unsigned taken = rte_ring_enqueue_burst(lane.outbox, reinterpret_cast<void**>(out), count, nullptr);
    for (unsigned k = taken; k < count; ++k) burst.drop(index[k], DropReason::kTxFull);
    return;
  }
  std::uint16_t sent = 0;
  for (unsigned tries = 0; sent < count && tries < kTxTries; ++tries) {
    sent = static_cast<std::uint16_t>(
        sent + rte_eth_tx_burst(lane.dpdk_port, lane.tx_queue, out + sent, count - sent));
  }
  std::uint64_t wire_bytes = 0;
  {
    ByOrigin by_origin(counters);
    for (unsigned k = 0; k < sent; ++k) {
      by_origin.sent(origin[k], bytes[k]);
      wire_bytes += bytes[k];
    }
  }
  counters.port[egress].wire_tx_packets.add(sent);
  counters.port[egress].wire_tx_bytes.add(wire_bytes);
  for (unsigned k = sent; k < count; ++k) burst.drop(index[k], DropReason::kTxFull);
}

}  // namespace

void transmit(Burst& burst, PortLane* lanes, unsigned lane_count, WorkerCounters& counters) noexcept {
  const std::uint64_t leaving = burst.live | burst.ready;
  burst.live = burst.ready = 0;
  if (leaving == 0) return;
  if (lane_count == 1) {
    transmit_by(lanes[0], 0, burst, leaving, counters);
    return;
  }
  std::uint64_t by_port[kMaxPorts] = {};
  for_each(leaving, [&](unsigned i) { by_port[burst.egress[i]] |= 1ull << i; });
  for (unsigned port = 0; port < lane_count; ++port) {
    if (by_port[port]) transmit_by(lanes[port], port, burst, by_port[port], counters);
  }
}

void punt(Burst& burst, const Snapshot& tables, PortLane* lanes, std::uint64_t now_tsc) noexcept {
  if (burst.punted == 0) [[likely]]
    return;
  const std::uint64_t punted = burst.punted;
  burst.punted = 0;
  for_each(punted, [&](unsigned i) {
    PortLane& lane = lanes[burst.packet[i]->port];
    if (!lane.to_kernel) {
      burst.drop(i, DropReason::kNoKernelPath);
    } else if (!lane.kernel_rates.take(kernel_class(*burst.packet[i], tables), now_tsc)) {
      burst.drop(i, DropReason::kKernelRate);
    } else if (rte_ring_enqueue(lane.to_kernel, burst.packet[i]) != 0) {
      burst.drop(i, DropReason::kKernelQueueFull);
    }
  });
}

void release(Burst& burst, WorkerCounters& counters) noexcept {
  if (burst.dropped == 0) [[likely]]
    return;
  rte_mbuf* lost[kBurstPackets];
  unsigned count = 0;
  for_each(burst.dropped, [&](unsigned i) {
    rte_mbuf* m = burst.packet[i];
    counters.port[m->port].dropped[static_cast<unsigned>(burst.reason[i])].add(1);
    lost[count++] = m;
  });
  burst.dropped = 0;
  rte_pktmbuf_free_bulk(lost, count);
}

}  // namespace sluice
