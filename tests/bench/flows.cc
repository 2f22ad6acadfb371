// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Workers with and without flow tables, on a port whose packets are written by a callback.
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "dataplane/io/port.h"
#include "dataplane/table/group_state.h"
#include "dataplane/worker/worker.h"
#include "tests/bench/measure.h"
#include "tests/bench/null_traffic.h"
#include "tests/bench/parts.h"
#include "tests/bench/running.h"

namespace sluice::bench {
namespace {

constexpr double kWarmUpSeconds = 0.5;
constexpr unsigned kBuffers = 32'767;
constexpr unsigned kMostTurns = 200;

unsigned lcore_after(unsigned before) {
  const unsigned lcore = rte_get_next_lcore(before, 1, 0);
  if (lcore == RTE_MAX_LCORE) throw std::runtime_error("EAL has too few lcores");
  return lcore;
}

WorkerSettings settings_of(unsigned index, const io::Port& port, const io::PacketPool& pool,
                           bool adaptive_idle) {
  WorkerSettings settings;
  settings.index = index;
  settings.adaptive_idle = adaptive_idle;
  PortLane& lane = settings.lanes.emplace_back();
  lane.dpdk_port = port.dpdk_port();
  lane.tx_queue = static_cast<std::uint16_t>(index);
  lane.owns_queue = true;
  settings.outboxes.push_back(nullptr);
  settings.hand_to.resize(2, nullptr);
  settings.hand_from.resize(2, nullptr);
  settings.notes_to.resize(2, nullptr);
  settings.notes_from.resize(2, nullptr);
  settings.pool = pool.get();
  return settings;
}

// One or two workers on the port, from start to a stop in order.
class Workers {
 public:
  Workers(const io::Port& port, const io::PacketPool& pool, std::unique_ptr<const Snapshot> tables,
          bool pipeline, bool adaptive_idle)
      : count_(pipeline ? 2 : 1), publisher_(std::move(tables), count_) {
    unsigned lcore = rte_lcore_id();
    for (unsigned i = 0; i < count_; ++i) {
      WorkerSettings settings = settings_of(i, port, pool, adaptive_idle);
      settings.lcore = lcore = lcore_after(lcore);
      if (i == 0) settings.receive.emplace_back().dpdk_port = port.dpdk_port();
      if (pipeline) connect(settings, i);
      exchange_[i] = std::make_unique<Exchange>("bench-" + std::to_string(i));
      worker_[i] = std::make_unique<Worker>(settings, publisher_, *exchange_[i]);
    }
    for (unsigned i = 0; i < count_; ++i)
      running_[i] = std::make_unique<Running>(worker_[i]->lcore(), [this, i] { worker_[i]->run(); });
  }
  ~Workers() { stop(); }

  void stop() {
    for (unsigned i = 0; i < count_; ++i) worker_[i]->drain();
    for (unsigned i = 0; i < count_; ++i) {
      while (!worker_[i]->dry()) wait(0.001);
    }
    for (unsigned i = 0; i < count_; ++i) worker_[i]->leave();
    for (unsigned i = 0; i < count_; ++i) running_[i]->join();
  }
  [[nodiscard]] unsigned count() const { return count_; }
  [[nodiscard]] const WorkerCounters& counters(unsigned i) const { return worker_[i]->counters(); }
  [[nodiscard]] std::uint64_t cpu_ns(unsigned i) const { return running_[i]->cpu_ns(); }
  [[nodiscard]] const Snapshot& tables() const { return publisher_.current(); }

 private:
  // Tier 1 on the first worker, tier 2 on the second.
  void connect(WorkerSettings& settings, unsigned i) {
    (i == 0 ? settings.hand_to : settings.hand_from)[1 - i] = &ring_;
    settings.notes_to[1 - i] = &notes_[i];
    settings.notes_from[1 - i] = &notes_[1 - i];
  }

  unsigned count_;
  HandOverRing ring_{"bench-hand"};
  NoteRing notes_[2];
  Publisher publisher_;
  std::unique_ptr<Exchange> exchange_[2];
  std::unique_ptr<Worker> worker_[2];
  std::unique_ptr<Running> running_[2];
};

struct Reading {
  std::uint64_t packets[2], cpu_ns[2];
};
Reading read(const Workers& workers) {
  Reading r{};
  for (unsigned i = 0; i < workers.count(); ++i) {
    r.packets[i] = workers.counters(i).packets.get();
    r.cpu_ns[i] = workers.cpu_ns(i);
  }
  return r;
}

bool all_moved(const Reading& before, const Reading& after, unsigned workers) {
  for (unsigned i = 0; i < workers; ++i) {
    if (after.packets[i] == before.packets[i]) return false;
  }
  return true;
}

// What came out must be what the row claims to measure.
void check(const Workers& workers, FlowWork work, const WorldShape& shape) {
  for (unsigned reason = 0; reason < kDropReasons; ++reason) {
    std::uint64_t lost = 0;
    for (unsigned i = 0; i < workers.count(); ++i) lost += workers.counters(i).port[0].dropped[reason].get();
    const auto why = static_cast<DropReason>(reason);
    // The port gives more than tier 2 can take.
    if (lost != 0 && !(work == FlowWork::kPipeline && why == DropReason::kHandoverFull)) {
      throw std::runtime_error(std::to_string(lost) +
                               " packets were dropped: " + std::string(describe(why).text));
    }
  }
  std::uint64_t strange = 0;
  for (unsigned service = 0; service < shape.services; ++service) {
    const FlowEvents& events = workers.counters(workers.count() - 1).events[service];
    strange += events.untracked.get() + events.unknown.get() + events.broken_dip_down.get() +
               events.broken_deadline.get();
  }
  if (strange != 0) throw std::runtime_error(std::to_string(strange) + " packets found no entry");
  if (work == FlowWork::kStateless) return;
  const std::uint64_t known = workers.tables().groups[0].state->flows.size();
  const bool all = work != FlowWork::kNew && work != FlowWork::kTransition;
  if (known == 0 || (all && known != shape.flows))
    throw std::runtime_error("there are " + std::to_string(known) + " flows in the table");
}

WorldShape shape_for(FlowWork work, WorldShape shape) {
  shape.sticky = work != FlowWork::kTransition && work != FlowWork::kStateless;
  shape.moved = work == FlowWork::kTransition ? 0.1 : 0;
  shape.elephant_pps = work == FlowWork::kElephants ? 400 : 0;
  shape.owner = work == FlowWork::kPipeline;
  return shape;
}

}  // namespace

nlohmann::json measure_flows(const WorldShape& small, const FlowsPlan& plan) {
  const WorldShape shape = shape_for(plan.work, small);
  const bool fresh = plan.work == FlowWork::kNew, pipeline = plan.work == FlowWork::kPipeline;
  io::PacketPool pool(kBuffers, 1'500);
  io::Port port({.name = "bench", .device = null_device(shape.v6), .tx_queues = 2}, pool.get());
  port.start();
  auto tables = make_snapshot(shape);
  if (shape.sticky ? !fresh : shape.moved > 0) remember(*tables, shape);
  const NullTraffic traffic(port.dpdk_port(), fresh ? Order::kNew : plan.order, shape.flows, shape.v6,
                            shape.services);
  Workers workers(port, pool, std::move(tables), pipeline, plan.adaptive_idle);
  wait(kWarmUpSeconds);
  const Reading before = read(workers);
  Reading after = before;
  // Where others keep a worker off its cpu for so long, it takes longer.
  for (unsigned turn = 0; turn < kMostTurns && !all_moved(before, after, workers.count()); ++turn) {
    wait(plan.seconds);
    after = read(workers);
  }
  if (const auto big = workers.counters(0).elephants.get();
      plan.work == FlowWork::kElephants && big != shape.flows)
    throw std::runtime_error(std::to_string(big) + " flows became elephants");
  workers.stop();
  check(workers, plan.work, shape);
  const auto per_packet = [&](unsigned i) {
    return static_cast<double>(after.cpu_ns[i] - before.cpu_ns[i]) /
           static_cast<double>(after.packets[i] - before.packets[i]);
  };
  nlohmann::json out;
  out["sluice"] = per_packet(pipeline);
  if (pipeline) out["tier 1"] = per_packet(0);
  if (const GroupState* state = workers.tables().groups[0].state) {
    out["flows"] = state->flows.size();
    out["flow_bytes"] = state->flows.bytes();
  }
  return out;
}

}  // namespace sluice::bench
