// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What the writers (workers, and the thread of the kernel path) count, and how control reads it. Each writer
// has its own block and is its only writer; a reader sums the blocks. Relaxed stores are enough: a figure may
// be a moment old, never torn.
//
// The balance (interface.md), per port and in total, at any quiet moment:
//   rx_packets + created_packets = tx_packets + punted_packets + dropped_packets + held_packets
// A packet belongs, from its first to its last moment, to the port it came in by (a created one: to the port
// of the packet that caused it, or of the kernel interface that it came from). So tx_packets of a port counts
// the packets *of that port* that were sent, on whatever port they left; wire_tx_packets counts what left
// *through* it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include "dataplane/door/drop_reason.h"

namespace sluice {

inline constexpr unsigned kMaxPorts = 16;
inline constexpr unsigned kMaxWorkers = 64;
inline constexpr std::uint32_t kMaxServices = 1u << 16;  // counter ids; also the bound on configured services
inline constexpr std::uint32_t kMaxTargets = 1u << 20;   // (service, DIP) pairs

// One writer, any readers.
class Counter {
 public:
  void add(std::uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void subtract(std::uint64_t n) { add(-n); }
  void set(std::uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

struct alignas(64) PortCounters {
  Counter rx_packets, rx_bytes;
  Counter created_packets;
  Counter tx_packets, tx_bytes;
  Counter punted_packets;
  Counter held_packets;  // a gauge
  Counter wire_tx_packets, wire_tx_bytes;
  Counter rss_checked, rss_wrong;  // NIC truth test: hashes compared with software, and how many differed
  std::array<Counter, kDropReasons> dropped;
};

struct TrafficCounters {
  Counter packets, bytes;
};

// An array whose untouched pages cost no memory.
struct FreeMemory {
  void operator()(void* memory) const { std::free(memory); }
};
template <typename T>
using CounterArray = std::unique_ptr<T[], FreeMemory>;
template <typename T>
CounterArray<T> make_counter_array(std::size_t count) {
  auto* memory = static_cast<T*>(std::calloc(count, sizeof(T)));
  if (!memory) throw std::bad_alloc();
  return CounterArray<T>(memory);
}
using TrafficArray = CounterArray<TrafficCounters>;

// What happened to flows of a service (by counter id).
struct FlowEvents {
  Counter untracked;        // opened while probation or the table was full: served by the map
  Counter broken_dip_down;  // had to leave a DIP that died or was removed at once
  Counter broken_deadline;  // had to leave a DIP whose transition came to its deadline
  Counter reset;            // of these, told by a TCP RST
  Counter unknown;          // packets of flows that no table knew
};

struct WorkerCounters {
  std::array<PortCounters, kMaxPorts> port;
  Counter turns, packets;
  Counter busy_cycles, total_cycles;  // busy: turns that found packets
  // By counter id, which control gives out and the snapshot carries.
  TrafficArray service = make_counter_array<TrafficCounters>(kMaxServices);
  TrafficArray target = make_counter_array<TrafficCounters>(kMaxTargets);
  CounterArray<FlowEvents> events = make_counter_array<FlowEvents>(kMaxServices);
  // Flows in this worker's tables, by target id. A flow may be opened by one worker and end with another, so
  // only the sum over all workers means something (modulo 2^64).
  CounterArray<Counter> target_flows = make_counter_array<Counter>(kMaxTargets);
  // Health probes that went through the data path: counted here and with no service, DIP or flow.
  TrafficCounters probes;
  Counter flows, flow_bytes, elephants;  // gauges of this worker's tables
};

}  // namespace sluice
