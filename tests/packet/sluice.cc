// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "tests/packet/sluice.h"

#include <gtest/gtest.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ring.h>

#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>

#include "tests/packet/ring_port.h"

namespace sluice::test {
namespace {

constexpr unsigned kBuffers = 8191, kBufferBytes = 9216 + RTE_PKTMBUF_HEADROOM, kRingDepth = 2048;

struct Ground {  // what lives as long as the program
  rte_mempool* pool = nullptr;
  std::array<RingPort, kRigPorts> ports;
  unsigned frames_outside = 0;  // frames in memory of their own that were not given back
};
Ground ground;
std::set<DropReason> seen;

rte_mbuf* buffer_of(const Bytes& frame, unsigned headroom) {
  rte_mbuf* m = frame_buffer(ground.pool, frame, headroom, ground.frames_outside);
  must(m, "the rig has no buffers left");
  return m;
}

Bytes bytes_of(const rte_mbuf* m) {
  const auto* at = rte_pktmbuf_mtod(m, const std::uint8_t*);
  return Bytes(at, at + m->data_len);
}

std::uint64_t ms_to_tsc(unsigned ms) {
  return rte_get_tsc_hz() / 1000 * ms;
}

}  // namespace

void start_rig(const char* program) {
  const char* arguments[] = {program,    "--no-huge",      "-m", "512", "--no-shconf",
                             "--no-pci", "--no-telemetry", "-l", "0",   "--log-level=error"};
  must(rte_eal_init(std::size(arguments), const_cast<char**>(arguments)) >= 0, "EAL does not start");
  ground.pool = rte_pktmbuf_pool_create("rig", kBuffers, 0, 0, kBufferBytes, SOCKET_ID_ANY);
  must(ground.pool, "no memory for packet buffers");
  for (unsigned i = 0; i < kRigPorts; ++i)
    ground.ports[i] = make_ring_port("rig" + std::to_string(i), kRingDepth, ground.pool);
}

const std::set<DropReason>& seen_reasons() {
  return seen;
}
void saw(DropReason reason) {
  seen.insert(reason);
}
void write_seen_reasons() {
  const char* file = std::getenv("SLUICE_TEST_REASONS");
  if (!file) return;
  std::ofstream out(file, std::ios::app);
  for (const DropReason reason : seen) out << describe(reason).word << '\n';
  must(out.good(), "the file of SLUICE_TEST_REASONS cannot be written");
}

rte_mempool* rig_pool() {
  return ground.pool;
}

WorkerSettings Sluice::settings(const RigOptions& options) {
  WorkerSettings s;
  s.pool = ground.pool;
  s.fragments.sets = options.fragment_sets;
  s.fragments.held_packets = options.held_packets;
  s.fragments.held_per_datagram = options.held_per_datagram;
  s.fragments.life_tsc = ms_to_tsc(options.fragment_life_ms);
  s.fragments.hold_tsc = ms_to_tsc(options.fragment_hold_ms);
  for (unsigned i = 0; i < options.ports; ++i) {
    const RingPort& port = ground.ports[i];
    s.receive.push_back({.port = static_cast<std::uint8_t>(i),
                         .dpdk_port = port.dpdk_port,
                         .queue = 0,
                         .reads_file = false,
                         .offers_rss = options.nic_hashes});
    PortLane lane;
    lane.dpdk_port = port.dpdk_port;
    lane.owns_queue = true;
    if (options.kernel) {
      to_kernel_[i] = rte_ring_create(("rig-kernel" + std::to_string(i)).c_str(), options.kernel_queue,
                                      SOCKET_ID_ANY, RING_F_EXACT_SZ);
      lane.to_kernel = to_kernel_[i];
    }
    lane.kernel_rates = KernelRates(options.kernel_rate_pps, options.kernel_burst, rte_get_tsc_hz());
    s.lanes.push_back(lane);
  }
  probes_ = rte_ring_create("rig-probes", 256, SOCKET_ID_ANY, RING_F_EXACT_SZ);
  s.probes = probes_;
  s.probe_ports = &probe_ports_;
  s.outboxes.resize(options.ports, nullptr);
  s.hand_to.resize(1, nullptr);
  return s;
}

Sluice::Sluice(const World& world, const RigOptions& options)
    : now_tsc_(rte_rdtsc()),
      sweep_turns_(options.fragment_sets / 4 + 1),
      publisher_(std::make_unique<Publisher>(world.build(), 1)),
      exchange_("rig"),
      buffers_before_(rte_mempool_avail_count(ground.pool)) {
  worker_ = std::make_unique<Worker>(settings(options), *publisher_, exchange_);
  publisher_->online(0);
  turn();
}

Sluice::~Sluice() {
  worker_->leave();
  worker_->run();  // gives up what it holds
  drain();
  check_balance();
  EXPECT_EQ(totals().held, 0u);
  for (rte_mbuf* m : hidden_) rte_pktmbuf_free(m);
  for (rte_ring* ring : to_kernel_) rte_ring_free(ring);
  rte_ring_free(probes_);
  EXPECT_EQ(rte_mempool_avail_count(ground.pool), buffers_before_) << "packet buffers were lost";
  EXPECT_EQ(ground.frames_outside, 0u) << "frames were lost";
}

void Sluice::receive(const Bytes& frame, const Arrival& how) {
  rte_mbuf* m = buffer_of(frame, how.headroom);
  if (how.nic_hash) {
    m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
    m->hash.rss = *how.nic_hash;
  }
  if (how.nic_says_checksum_good) m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD;
  if (how.in_two_segments) rte_pktmbuf_chain(m, buffer_of(pattern(100), 0));
  must(rte_ring_enqueue(ground.ports.at(how.port).rx, m) == 0, "the rig's ring is full");
}

void Sluice::kernel_sends(const Bytes& frame) {
  rte_mbuf* m = buffer_of(frame, RTE_PKTMBUF_HEADROOM);
  m->port = 0;
  ++from_kernel_;
  must(rte_ring_enqueue(probes_, m) == 0, "the rig's ring of probes is full");
}

void Sluice::receive(const std::vector<Bytes>& frames) {
  for (const Bytes& frame : frames) receive(frame);
}

void Sluice::drain() {
  void* item = nullptr;
  for (unsigned i = 0; i < kRigPorts; ++i) {
    while (rte_ring_dequeue(ground.ports[i].tx, &item) == 0) {
      auto* m = static_cast<rte_mbuf*>(item);
      if (fillers_.erase(m) == 0) {
        EXPECT_EQ(m->nb_segs, 1);
        EXPECT_EQ(m->pkt_len, m->data_len);
        fresh_.sent.push_back({i, bytes_of(m)});
      }
      rte_pktmbuf_free(m);
    }
    while (to_kernel_[i] && rte_ring_dequeue(to_kernel_[i], &item) == 0) {
      auto* m = static_cast<rte_mbuf*>(item);
      fresh_.punted.push_back({i, bytes_of(m)});
      ++punted_[i];
      rte_pktmbuf_free(m);
    }
  }
}

Outcome Sluice::turn() {
  while (worker_->turn(now_tsc_) != 0) {
    if (fillers_.empty()) drain();
  }
  // Enough idle turns for the fragment table to be looked through once.
  for (unsigned i = 0; i < sweep_turns_; ++i) worker_->turn(now_tsc_);
  drain();
  for (rte_mbuf* m : hidden_) rte_pktmbuf_free(m);
  hidden_.clear();
  check_balance();

  const Outcome now = totals();
  Outcome step = std::move(fresh_);
  fresh_ = {};
  step.rx = now.rx - seen_.rx;
  step.created = now.created - seen_.created;
  step.tx = now.tx - seen_.tx;
  step.held = now.held;
  const auto grown = [](const auto& after, const auto& before, auto& out) {
    for (const auto& [what, count] : after) {
      const auto old = before.find(what);
      const std::uint64_t more = count - (old == before.end() ? 0 : old->second);
      if (more != 0) out[what] = more;
    }
  };
  grown(now.dropped, seen_.dropped, step.dropped);
  grown(now.service, seen_.service, step.service);
  grown(now.target, seen_.target, step.target);
  seen_ = now;
  return step;
}

Outcome Sluice::totals() const {
  Outcome all;
  const WorkerCounters& counters = worker_->counters();
  for (const PortCounters& port : counters.port) {
    all.rx += port.rx_packets.get();
    all.created += port.created_packets.get();
    all.tx += port.tx_packets.get();
    all.held += port.held_packets.get();
    for (unsigned reason = 0; reason < kDropReasons; ++reason) {
      const std::uint64_t n = port.dropped[reason].get();
      if (n == 0) continue;
      all.dropped[static_cast<DropReason>(reason)] += n;
      saw(static_cast<DropReason>(reason));
    }
  }
  for (unsigned i = 0; i < snapshot().services.size(); ++i) {
    if (const auto n = counters.service[i].packets.get()) all.service[i] = n;
  }
  for (unsigned i = 0; i < snapshot().targets.size(); ++i) {
    if (const auto n = counters.target[i].packets.get()) all.target[i] = n;
  }
  return all;
}

void Sluice::check_balance() const {
  for (unsigned i = 0; i < kRigPorts; ++i) {
    const PortCounters& port = worker_->counters().port[i];
    std::uint64_t dropped = 0;
    for (const Counter& reason : port.dropped) dropped += reason.get();
    EXPECT_EQ(port.rx_packets.get() + port.created_packets.get() + (i == 0 ? from_kernel_ : 0),
              port.tx_packets.get() + punted_[i] + dropped + port.held_packets.get())
        << "the balance of port " << i << ": rx + created = tx + punted + dropped + held";
  }
}

void Sluice::pass_ms(unsigned ms) {
  now_tsc_ += ms_to_tsc(ms) + 1;
}

void Sluice::publish(const World& world) {
  publisher_->publish(world.build(++generation_));
  worker_->turn(now_tsc_);
  EXPECT_EQ(publisher_->reclaim(), 0u) << "the worker was quiet, and still a snapshot waits";
}

Explanation Sluice::explain(const FlowKey& key, bool opens_flow) {
  Request request = ExplainRequest{.key = key, .opens_flow = opens_flow, .looked = 0, .answer = {}};
  must(exchange_.submit(&request), "the exchange is full");
  worker_->turn(now_tsc_);
  EXPECT_EQ(exchange_.collect(), &request);
  return std::get<ExplainRequest>(request).answer;
}

void Sluice::let_port_fill_up(unsigned port, unsigned room) {
  rte_ring* tx = ground.ports.at(port).tx;
  while (rte_ring_free_count(tx) > room) {
    rte_mbuf* m = rte_pktmbuf_alloc(ground.pool);
    must(m && rte_ring_enqueue(tx, m) == 0, "the port cannot be filled");
    fillers_.insert(m);
  }
}

void Sluice::let_buffers_run_out(unsigned left) {
  while (rte_mempool_avail_count(ground.pool) > left) hidden_.push_back(rte_pktmbuf_alloc(ground.pool));
}

}  // namespace sluice::test
