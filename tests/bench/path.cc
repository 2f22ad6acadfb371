// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <pthread.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <time.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "dataplane/io/port.h"
#include "dataplane/worker/worker.h"
#include "tests/bench/measure.h"
#include "tests/bench/parts.h"

namespace sluice::bench {
namespace {

constexpr double kWarmUpSeconds = 0.3;
constexpr std::uint32_t kSpareBuffers = 16'384;  // beside those that hold the preloaded capture

struct Running {
  Worker& worker;
  std::atomic<bool> started{false};
  pthread_t thread{};

  static int main(void* self) {
    auto& running = *static_cast<Running*>(self);
    running.thread = pthread_self();
    running.started.store(true, std::memory_order_release);
    running.worker.run();
    return 0;
  }
};

struct Reading {
  std::uint64_t packets, busy_cycles, cpu_ns;
};

Reading read(const Running& running) {
  clockid_t clock;
  timespec used{};
  if (pthread_getcpuclockid(running.thread, &clock) != 0 || clock_gettime(clock, &used) != 0) {
    throw std::runtime_error("the cpu time of the worker cannot be read");
  }
  const WorkerCounters& counters = running.worker.counters();
  return {counters.packets.get(), counters.busy_cycles.get(),
          static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(used.tv_nsec)};
}

void wait(double seconds) {
  timespec left{static_cast<time_t>(seconds),
                static_cast<long>((seconds - static_cast<double>(static_cast<time_t>(seconds))) * 1e9)};
  while (nanosleep(&left, &left) != 0) {
  }
}

// Every packet that came in went out; one burst may be under way.
void check(const WorkerCounters& counters) {
  const PortCounters& port = counters.port[0];
  for (unsigned reason = 0; reason < kDropReasons; ++reason) {
    if (const auto lost = port.dropped[reason].get(); lost != 0) {
      throw std::runtime_error(std::to_string(lost) + " packets were dropped: " +
                               std::string(describe(static_cast<DropReason>(reason)).text));
    }
  }
  if (port.rx_packets.get() == 0 || port.rx_packets.get() != port.tx_packets.get()) {
    throw std::runtime_error("not every packet that came in went out");
  }
}

}  // namespace

nlohmann::json measure_path(const WorldShape& shape, const std::string& device, double seconds) {
  const unsigned lcore = rte_get_next_lcore(rte_lcore_id(), 1, 0);
  if (lcore == RTE_MAX_LCORE) throw std::runtime_error("EAL has no lcore for the worker");
  io::PacketPool pool(shape.flows + kSpareBuffers, 1'500);
  io::Port port({.name = "bench", .device = device}, pool.get());
  port.start();

  Publisher publisher(make_snapshot(shape), 1);
  Exchange exchange("bench");
  WorkerSettings settings;
  settings.lcore = lcore;
  settings.adaptive_idle = false;
  settings.receive.emplace_back().dpdk_port = port.dpdk_port();
  PortLane& lane = settings.lanes.emplace_back();
  lane.dpdk_port = port.dpdk_port();
  lane.owns_queue = true;
  settings.outboxes.push_back(nullptr);
  settings.pool = pool.get();
  Worker worker(settings, publisher, exchange);
  Running running{worker};
  if (rte_eal_remote_launch(Running::main, &running, lcore) != 0) {
    throw std::runtime_error("the worker's lcore is busy");
  }
  while (!running.started.load(std::memory_order_acquire)) {
  }
  wait(kWarmUpSeconds);
  const Reading before = read(running);
  wait(seconds);
  const Reading after = read(running);
  worker.drain();
  while (!worker.dry()) wait(0.001);
  worker.leave();
  rte_eal_wait_lcore(lcore);
  check(worker.counters());
  return {{"packets", after.packets - before.packets},
          {"busy_cycles", after.busy_cycles - before.busy_cycles},
          {"cpu_ns", after.cpu_ns - before.cpu_ns},
          {"tsc_hz", rte_get_tsc_hz()}};
}

}  // namespace sluice::bench
