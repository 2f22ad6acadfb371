// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "tests/fuzz/frames/rig.h"

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ring.h>

#include <cstring>
#include <string>

#include "tests/fuzz/must.h"
#include "tests/packet/bytes.h"
#include "tests/packet/ring_port.h"

namespace sluice::fuzz {
namespace {

using test::Bytes;

constexpr unsigned kBuffers = 4095, kBufferBytes = 4096 + RTE_PKTMBUF_HEADROOM, kRingDepth = 512;
constexpr unsigned kKernelQueue = 128, kMostTurns = 10'000;
constexpr std::uint64_t kStart_tsc = std::uint64_t{1} << 44;
constexpr std::uint16_t kFiller = 0xffff;      // rte_mbuf::port of what only takes room
constexpr std::uint16_t kFromKernel = 0xfeed;  // rte_mbuf::vlan_tci_outer of what leaves as it is

struct RigPort : test::RingPort {
  rte_ring *outbox = nullptr, *to_kernel = nullptr;
  std::uint64_t punted = 0;
};
struct Ground {  // what lives as long as the process
  rte_mempool* pool = nullptr;
  std::array<RigPort, kPorts> ports;
  rte_ring* probes = nullptr;
  std::uint64_t from_kernel = 0;
  std::array<std::unique_ptr<HandOverRing>, kWorkers> hand;  // to that worker, from the other
  std::array<std::unique_ptr<NoteRing>, kWorkers> notes;
  Blocks counters;
  WorkerCounters scratch;
  unsigned frames_outside = 0;  // frames in memory of their own that were not given back
};

Ground& make_ground() {
  static Ground g;
  const char* arguments[] = {"fuzz",     "--no-huge",      "-m", "96", "--no-shconf",
                             "--no-pci", "--no-telemetry", "-l", "0",  "--log-level=error"};
  must(rte_eal_init(std::size(arguments), const_cast<char**>(arguments)) >= 0, "EAL does not start");
  g.pool = rte_pktmbuf_pool_create("fuzz", kBuffers, 0, kHandOverBytes, kBufferBytes, SOCKET_ID_ANY);
  must(g.pool != nullptr, "no memory for packet buffers");
  for (unsigned i = 0; i < kPorts; ++i) {
    const std::string name = "fuzz" + std::to_string(i);
    g.ports[i] = {test::make_ring_port(name, kRingDepth, g.pool), test::make_ring(name + "-out", kRingDepth),
                  test::make_ring(name + "-kernel", kKernelQueue)};
  }
  g.probes = test::make_ring("fuzz-probes", kRingDepth);
  for (unsigned i = 0; i < kWorkers; ++i) {
    g.hand[i] = std::make_unique<HandOverRing>("fuzz-hand-" + std::to_string(i));
    g.notes[i] = std::make_unique<NoteRing>();
    g.counters.push_back(std::make_unique<WorkerCounters>());
  }
  return g;
}
Ground& ground() {
  static Ground& ground = make_ground();
  return ground;
}

// Null when there is no buffer: a NIC would not have received it.
rte_mbuf* buffer_of(std::span<const std::uint8_t> frame, unsigned headroom) {
  rte_mbuf* m = test::frame_buffer(ground().pool, frame, headroom, ground().frames_outside);
  if (m) m->vlan_tci_outer = 0;
  return m;
}

std::size_t l3_of(std::span<const std::uint8_t> frame) {
  return frame.size() > 18 && frame[12] == 0x81 && frame[13] == 0 ? 18 : 14;
}

// Makes the IPv4 checksum right, so that the parser goes on to what lies behind it.
void repair_ipv4(Bytes& frame) {
  const std::size_t l3 = l3_of(frame);
  if (frame.size() < l3 + 20 || frame[l3] >> 4 != 4) return;
  const std::size_t header_bytes = (frame[l3] & 15u) * 4;
  if (header_bytes < 20 || frame.size() < l3 + header_bytes) return;
  test::set16(frame, l3 + 10, 0);
  test::set16(frame, l3 + 10, test::naive_checksum(test::slice(frame, l3, l3 + header_bytes)));
}

// As a NIC with the appliance's key would.
std::uint32_t nic_hash(rte_mbuf* m, const Snapshot& tables) {
  static const auto burst = std::make_unique<Burst>();
  burst->packet[0] = m;
  burst->begin(1);
  parse(*burst);
  return burst->live ? tables.toeplitz.hash_with_ports(burst->key[0]) : 0;
}

template <typename F>
void empty_ring(rte_ring* ring, F&& each) {
  for (void* item = nullptr; rte_ring_dequeue(ring, &item) == 0;) each(static_cast<rte_mbuf*>(item));
}

}  // namespace

WorkerSettings Rig::settings(unsigned index) {
  Ground& g = ground();
  const unsigned other = 1 - index;
  const std::uint64_t hz = rte_get_tsc_hz();
  WorkerSettings s;
  s.index = index;
  s.adaptive_idle = false;
  s.pool = g.pool;
  s.counters = g.counters[index].get();
  s.scratch = &g.scratch;
  s.fragments = {.sets = 4, .held_packets = 64, .held_per_datagram = 8, .life_tsc = hz, .hold_tsc = hz / 5};
  s.hand_to.resize(kWorkers, nullptr);
  s.hand_from.resize(kWorkers, nullptr);
  s.notes_to.resize(kWorkers, nullptr);
  s.notes_from.resize(kWorkers, nullptr);
  s.hand_to[other] = g.hand[other].get();
  s.hand_from[other] = g.hand[index].get();
  s.notes_to[other] = g.notes[other].get();
  s.notes_from[other] = g.notes[index].get();
  const RigPort& own = g.ports[index];
  s.receive.push_back({.port = static_cast<std::uint8_t>(index),
                       .dpdk_port = own.dpdk_port,
                       .queue = 0,
                       .reads_file = false,
                       .offers_rss = true});
  for (const RigPort& port : g.ports) {  // worker 0 sends for both
    PortLane lane;
    lane.dpdk_port = port.dpdk_port;
    lane.owns_queue = index == 0;
    lane.outbox = port.outbox;
    lane.to_kernel = port.to_kernel;
    lane.kernel_rates = KernelRates(1'000, 64, hz);
    s.lanes.push_back(lane);
    s.outboxes.push_back(index == 0 ? port.outbox : nullptr);
  }
  if (index == 0) {
    s.probes = g.probes;
    s.probe_ports = &probe_ports_;
  }
  return s;
}

Rig::Rig() : control(ground().counters), now_tsc_(kStart_tsc) {
  Ground& g = ground();
  for (auto& notes : g.notes) {
    for (Note note; notes->take(note);) {
    }
  }
  publisher_ = std::make_unique<Publisher>(control.build(true), kWorkers);
  for (unsigned i = 0; i < kWorkers; ++i) {
    g.counters[i]->turns.set(0);  // housekeeping follows it
    exchange_[i] = std::make_unique<Exchange>("fuzz-door-" + std::to_string(i));
    worker_[i] = std::make_unique<Worker>(settings(i), *publisher_, *exchange_[i]);
    publisher_->online(i);
  }
}

Rig::~Rig() {
  turn();
  for (auto& worker : worker_) {
    worker->leave();
    worker->run();  // gives up what it holds
  }
  drain();
  check_balance();
  for (const auto& block : ground().counters) {
    for (const PortCounters& port : block->port) must(port.held_packets.get() == 0, "a packet is still held");
  }
  must(rte_mempool_avail_count(ground().pool) == kBuffers, "packet buffers were lost");
  must(ground().frames_outside == 0, "frames were lost");
}

void Rig::receive(std::span<const std::uint8_t> frame, const Arrival& how) {
  if (waiting_ == kRingDepth / 2) turn();
  Bytes bytes(frame.begin(), frame.end());
  if (how.repair_checksum) repair_ipv4(bytes);
  rte_mbuf* m = buffer_of(bytes, how.without_headroom ? 0 : RTE_PKTMBUF_HEADROOM);
  if (!m) return;
  if (how.nic_hashes) {
    m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
    m->hash.rss = nic_hash(m, publisher_->current()) + how.nic_lies;
  }
  if (how.nic_says_checksum_good) m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD;
  if (how.in_two_segments) {
    if (rte_mbuf* more = buffer_of(bytes, 0)) rte_pktmbuf_chain(m, more);
  }
  must(rte_ring_enqueue(ground().ports.at(how.port).rx, m) == 0, "the rig's ring is full");
  ++waiting_;
}

void Rig::kernel_sends(std::span<const std::uint8_t> frame) {
  if (waiting_probes_ == kRingDepth / 2) turn();
  rte_mbuf* m = buffer_of(frame, RTE_PKTMBUF_HEADROOM);
  if (!m) return;
  m->port = 0;
  m->vlan_tci_outer = kFromKernel;
  must(rte_ring_enqueue(ground().probes, m) == 0, "the rig's ring of probes is full");
  ++waiting_probes_;
  ++ground().from_kernel;
}

// What left is one packet of one buffer, with the length and the checksum that its header states.
void Rig::look_at(const rte_mbuf& sent) const {
  must(sent.nb_segs == 1 && sent.pkt_len == sent.data_len, "a packet left in pieces");
  const auto* at = rte_pktmbuf_mtod(&sent, const std::uint8_t*);
  const Bytes frame(at, at + sent.data_len);
  must(frame.size() >= 14, "a packet left without its Ethernet header");
  const std::size_t l3 = l3_of(frame);
  const unsigned type = test::get16(frame, l3 - 2);
  if (type == 0x0800) {
    must(frame.size() >= l3 + 20, "an IPv4 packet left without its header");
    const std::size_t header_bytes = (frame[l3] & 15u) * 4;
    must(frame[l3] >> 4 == 4 && header_bytes >= 20 && frame.size() >= l3 + header_bytes,
         "an IPv4 packet left with a wrong header");
    must(frame.size() >= l3 + test::get16(frame, l3 + 2), "an IPv4 packet left with a wrong length");
    must(test::naive_checksum(test::slice(frame, l3, l3 + header_bytes)) == 0,
         "an IPv4 packet left with a wrong checksum");
  } else {
    must(type == 0x86dd && frame.size() >= l3 + 40 && frame[l3] >> 4 == 6, "what left is no IP packet");
    must(frame.size() >= l3 + 40 + test::get16(frame, l3 + 4), "an IPv6 packet left with a wrong length");
  }
}

void Rig::drain() {
  for (RigPort& port : ground().ports) {
    empty_ring(port.tx, [this](rte_mbuf* m) {
      if (m->port != kFiller && m->vlan_tci_outer != kFromKernel) look_at(*m);
      rte_pktmbuf_free(m);
    });
    empty_ring(port.to_kernel, [&](rte_mbuf* m) {
      if (m->port != kFiller) ++port.punted;
      rte_pktmbuf_free(m);
    });
  }
}

unsigned Rig::turn_once() {
  unsigned found = 0;
  for (auto& worker : worker_) found += worker->turn(now_tsc_);
  if (!is_full_) drain();
  return found;
}

void Rig::turn() {
  unsigned turns = 0;
  while (turn_once() != 0) must(++turns < kMostTurns, "packets go round and round");
  // Enough idle turns for all groups and fragments to be looked through once.
  for (unsigned i = 0; i < 8; ++i) turn_once();
  waiting_ = waiting_probes_ = 0;
  end_trouble();
  while (turn_once() != 0) must(++turns < kMostTurns, "packets go round and round");
  check_balance();
  publisher_->reclaim();
}

void Rig::end_trouble() {
  is_full_ = false;
  for (rte_mbuf* m : hidden_) rte_pktmbuf_free(m);
  hidden_.clear();
  drain();
}

void Rig::check_balance() {
  const Ground& g = ground();
  for (unsigned i = 0; i < kPorts; ++i) {
    std::uint64_t in = i == 0 ? g.from_kernel : 0, out = g.ports[i].punted;
    for (const auto& block : g.counters) {
      const PortCounters& port = block->port[i];
      in += port.rx_packets.get() + port.created_packets.get();
      out += port.tx_packets.get() + port.held_packets.get();
      for (const Counter& reason : port.dropped) out += reason.get();
    }
    must(in == out, "the balance does not hold: rx + created = tx + punted + dropped + held");
  }
}

void Rig::publish() {
  publisher_->publish(control.build(publisher_->settled()));
}

void Rig::pass_ms(unsigned ms) {
  turn();
  now_tsc_ += rte_get_tsc_hz() / 1000 * ms + 1;
  control.pass(std::chrono::milliseconds(ms));
  publish();
  turn();
}

void Rig::ask(std::uint8_t what, std::span<const std::uint8_t> about) {
  Request request;
  const auto tables = control.tables();
  switch (what % 4) {
    case 0: {
      ExplainRequest explain{.key = {}, .opens_flow = (what & 4) != 0, .looked = 0, .answer = {}};
      std::memcpy(static_cast<void*>(&explain.key), about.data(), std::min(about.size(), sizeof explain.key));
      std::memset(explain.key.zero, 0, sizeof explain.key.zero);
      // Control asks about keys of one family only.
      if (explain.key.source.is_v4() != explain.key.destination.is_v4())
        explain.key.source = explain.key.destination;
      request = explain;
      break;
    }
    case 1: {
      if (tables.empty()) return;
      FlowPage page;
      page.state = tables[about.empty() ? 0 : about[0] % tables.size()].state;
      page.budget = 16;
      page.flush = (what & 4) != 0;
      page.rows.reserve(page.budget);
      request = std::move(page);
      break;
    }
    case 2: {
      ElephantPage page{.first = what / 4u};
      page.rows.reserve(16);
      request = std::move(page);
      break;
    }
    default:
      request = ForgetElephants{.service = what / 4u};
  }
  const unsigned worker = what >> 7;
  must(exchange_[worker]->submit(&request), "the exchange is full");
  turn();
  must(exchange_[worker]->collect() == &request, "the worker does not answer");
}

void Rig::let_ports_fill_up(unsigned room) {
  is_full_ = true;
  for (const RigPort& port : ground().ports) {
    while (rte_ring_free_count(port.tx) > room) {
      rte_mbuf* m = rte_pktmbuf_alloc(ground().pool);
      if (!m) return;
      m->port = kFiller;
      rte_ring_enqueue(port.tx, m);
    }
  }
}

void Rig::let_kernel_fill_up(unsigned room) {
  is_full_ = true;
  for (const RigPort& port : ground().ports) {
    while (rte_ring_free_count(port.to_kernel) > room) {
      rte_mbuf* m = rte_pktmbuf_alloc(ground().pool);
      if (!m) return;
      m->port = kFiller;
      rte_ring_enqueue(port.to_kernel, m);
    }
  }
}

void Rig::let_buffers_run_out(unsigned left) {
  while (rte_mempool_avail_count(ground().pool) > left) {
    rte_mbuf* m = rte_pktmbuf_alloc(ground().pool);
    if (!m) return;
    hidden_.push_back(m);
  }
}

}  // namespace sluice::fuzz
