// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Workers with flow tables, beside the loop that does what testpmd's 5tswap does, in one process on one port:
// both receive the same packets, written by the same callback.
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

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

unsigned lcore_after(unsigned before) {
  const unsigned lcore = rte_get_next_lcore(before, 1, 0);
  if (lcore == RTE_MAX_LCORE) throw std::runtime_error("EAL has too few lcores");
  return lcore;
}

// As testpmd's 5tswap.c: MAC addresses, IPv4 addresses, ports.
void swap_five(rte_mbuf* m) {
  auto* at = rte_pktmbuf_mtod(m, std::uint8_t*);
  auto* ethernet = reinterpret_cast<EthernetHeader*>(at);
  auto* ip = reinterpret_cast<Ipv4Header*>(at + sizeof(EthernetHeader));
  auto* ports = reinterpret_cast<PortPair*>(at + sizeof(EthernetHeader) + ip->header_bytes());
  std::swap(ethernet->source, ethernet->destination);
  std::swap(ip->source, ip->destination);
  std::swap(ports->source, ports->destination);
}

// {ns per packet} of a plain loop: receive, perhaps swap, send.
double measure_loop(std::uint16_t port, unsigned lcore, double seconds, bool swap) {
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> packets{0};
  Running running(lcore, [&] {
    rte_mbuf* burst[kBurstPackets];
    std::uint64_t done = 0;
    while (!stop.load(std::memory_order_relaxed)) {
      const unsigned count = rte_eth_rx_burst(port, 0, burst, kBurstPackets);
      for (unsigned i = 0; swap && i < count; ++i) rte_prefetch0(rte_pktmbuf_mtod(burst[i], void*));
      for (unsigned i = 0; swap && i < count; ++i) swap_five(burst[i]);
      const unsigned sent = rte_eth_tx_burst(port, 0, burst, static_cast<std::uint16_t>(count));
      rte_pktmbuf_free_bulk(burst + sent, count - sent);
      packets.store(done += count, std::memory_order_relaxed);
    }
  });
  wait(kWarmUpSeconds);
  const std::uint64_t packets_before = packets, cpu_before = running.cpu_ns();
  wait(seconds);
  const std::uint64_t count = packets - packets_before, cpu_ns = running.cpu_ns() - cpu_before;
  stop = true;
  return static_cast<double>(cpu_ns) / static_cast<double>(count);
}

WorkerSettings settings_of(unsigned index, const io::Port& port, const io::PacketPool& pool) {
  WorkerSettings settings;
  settings.index = index;
  settings.adaptive_idle = false;
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

// What `tables` remembers before the first packet: of a service with a flow table every flow, as if it had
// sent a SYN and more; of another one, which a transition is under way for, every second flow that it moves.
void remember(const Snapshot& tables, std::uint32_t flows) {
  const std::uint32_t now =
      static_cast<std::uint32_t>(rte_rdtsc() / (rte_get_tsc_hz() / FlowClock::kTicksPerSecond));
  FlowKey key;
  key.destination = service_vip(false, 0);
  key.destination_port.set(kServicePort);
  key.protocol = kProtoTcp;
  const Group& group = tables.groups.at(0);
  for (std::uint32_t n = 0; n < flows; ++n) {
    key.source = client_of(n);
    key.source_port.set(client_port_of(n));
    const std::uint64_t hash = tables.slot_hash(key, HashFields::kFiveTuple);
    const std::uint32_t slot = group.dips.slot(static_cast<std::uint32_t>(hash));
    const std::uint16_t member = group.dips.slots[slot];
    if (!tables.services[0].sticky && (n % 2 == 0 || group.base_slots[slot] == member)) continue;
    const auto opened = group.state->flows.insert(key, hash, tables.targets[member].counter, now);
    if (!opened.flow) throw std::runtime_error("the flow table does not take all flows");
    group.state->flows.touch(*opened.flow, {.bytes = 40}, now);
  }
}

// One or two workers on the port, from start to a stop in order.
class Workers {
 public:
  Workers(const io::Port& port, const io::PacketPool& pool, std::unique_ptr<const Snapshot> tables,
          bool pipeline)
      : count_(pipeline ? 2 : 1), publisher_(std::move(tables), count_) {
    unsigned lcore = rte_lcore_id();
    for (unsigned i = 0; i < count_; ++i) {
      WorkerSettings settings = settings_of(i, port, pool);
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

// What came out must be what the row claims to measure.
void check(const Workers& workers, FlowWork work, std::uint64_t flows) {
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
  const FlowEvents& events = workers.counters(workers.count() - 1).events[0];
  const std::uint64_t strange = events.untracked.get() + events.unknown.get() + events.broken_dip_down.get() +
                                events.broken_deadline.get();
  if (strange != 0) throw std::runtime_error(std::to_string(strange) + " packets found no entry");
  if (work == FlowWork::kStateless) return;
  const std::uint64_t known = workers.tables().groups[0].state->flows.size();
  const bool all = work != FlowWork::kNew && work != FlowWork::kTransition;
  if (known == 0 || (all && known != flows))
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

nlohmann::json measure_flows(const WorldShape& shape, FlowWork work, double seconds) {
  io::PacketPool pool(kBuffers, 1'500);
  io::Port port({.name = "bench", .device = kNullDevice, .tx_queues = 2}, pool.get());
  port.start();
  const unsigned lcore = lcore_after(rte_lcore_id());
  nlohmann::json out;
  {
    const NullTraffic traffic(port.dpdk_port(), shape.flows);
    out["io"] = measure_loop(port.dpdk_port(), lcore, seconds, false);
    out["5tswap"] = measure_loop(port.dpdk_port(), lcore, seconds, true);
  }
  const bool pipeline = work == FlowWork::kPipeline;
  auto tables = make_snapshot(shape_for(work, shape));
  if (work != FlowWork::kNew && work != FlowWork::kStateless) remember(*tables, shape.flows);
  const NullTraffic traffic(port.dpdk_port(), work == FlowWork::kNew ? 0 : shape.flows);
  Workers workers(port, pool, std::move(tables), pipeline);
  wait(kWarmUpSeconds);
  const Reading before = read(workers);
  wait(seconds);
  const Reading after = read(workers);
  if (const auto big = workers.counters(0).elephants.get();
      work == FlowWork::kElephants && big != shape.flows)
    throw std::runtime_error(std::to_string(big) + " flows became elephants");
  workers.stop();
  check(workers, work, shape.flows);
  const auto per_packet = [&](unsigned i) {
    return static_cast<double>(after.cpu_ns[i] - before.cpu_ns[i]) /
           static_cast<double>(after.packets[i] - before.packets[i]);
  };
  out["sluice"] = per_packet(pipeline);
  if (pipeline) out["tier 1"] = per_packet(0);
  if (const GroupState* state = workers.tables().groups[0].state) {
    out["flows"] = state->flows.size();
    out["flow_bytes"] = state->flows.bytes();
  }
  return out;
}

}  // namespace sluice::bench
