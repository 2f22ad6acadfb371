// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "dataplane/io/port.h"
#include "dataplane/worker/worker.h"
#include "tests/bench/measure.h"
#include "tests/bench/parts.h"
#include "tests/bench/running.h"

namespace sluice::bench {
namespace {

constexpr double kWarmUpSeconds = 0.3;
constexpr std::uint32_t kSpareBuffers = 16'384;  // beside those that hold the preloaded capture

struct Reading {
  std::uint64_t packets, busy_cycles, cpu_ns;
};

Reading read(const Worker& worker, const Running& running) {
  return {worker.counters().packets.get(), worker.counters().busy_cycles.get(), running.cpu_ns()};
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
  Running running(lcore, [&] { worker.run(); });
  wait(kWarmUpSeconds);
  const Reading before = read(worker, running);
  wait(seconds);
  const Reading after = read(worker, running);
  worker.drain();
  while (!worker.dry()) wait(0.001);
  worker.leave();
  running.join();
  check(worker.counters());
  return {{"packets", after.packets - before.packets},
          {"busy_cycles", after.busy_cycles - before.busy_cycles},
          {"cpu_ns", after.cpu_ns - before.cpu_ns},
          {"tsc_hz", rte_get_tsc_hz()}};
}

}  // namespace sluice::bench
