// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Workers in threads of their own, while control does all at once: publishes changes under their packets,
// moves groups from one to the other, asks questions, reads counters, lets them sleep and wakes them. In the
// unit suite it proves that nothing is lost; built with the thread sanitizer (scripts/test --tsan) that
// nothing is shared without order. (F4, docs/publishing.md.)
#include <gtest/gtest.h>
#include <rte_mempool.h>

#include <chrono>
#include <random>
#include <thread>

#include "dataplane/worker/worker.h"
#include "tests/fuzz/frames/control.h"
#include "tests/packet/packet.h"
#include "tests/unit/worker/ground.h"

namespace sluice::test {
namespace {

using fuzz::kPorts;
using fuzz::kWorkers;
using namespace std::chrono_literals;

constexpr auto kPatience = 60s;  // for what takes milliseconds on an idle machine

template <typename Condition>
bool comes_true(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(100us);
  }
  return true;
}

// Two workers as control/machine makes them: each receives from its own port, and worker 0 sends for both.
class Machine {
 public:
  Machine() : control_(counters()), publisher_(control_.build(true), kWorkers) {
    buffers_before_ = rte_mempool_avail_count(watched_pool());
    for (unsigned i = 0; i < kPorts; ++i) {
      ports_[i] = std::make_unique<WatchedPort>(i);
      outboxes_[i] =
          rte_ring_create(("outbox-" + std::to_string(i)).c_str(), 1024, SOCKET_ID_ANY, RING_F_SC_DEQ);
    }
    for (unsigned i = 0; i < kWorkers; ++i) {
      hand_[i] = std::make_unique<HandOverRing>("hand-" + std::to_string(i));
      notes_[i] = std::make_unique<NoteRing>();
      exchange_[i] = std::make_unique<Exchange>("door-" + std::to_string(i));
    }
    for (unsigned i = 0; i < kWorkers; ++i)
      worker_[i] = std::make_unique<Worker>(settings(i), publisher_, *exchange_[i]);
    for (unsigned i = 0; i < kWorkers; ++i) thread_[i] = std::thread([this, i] { worker_[i]->run(); });
  }
  ~Machine() {
    stop();
    for (rte_ring* ring : outboxes_) rte_ring_free(ring);
  }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // As control/machine stops it; then all that came is accounted for, and all buffers are back.
  void stop() {
    if (!thread_[0].joinable()) return;
    for (const auto& worker : worker_) worker->drain();
    EXPECT_TRUE(comes_true([this] {
      return std::ranges::all_of(worker_, [](const auto& w) { return w->dry(); }) && at_rest(hand_);
    }));
    for (const auto& worker : worker_) worker->leave();
    for (std::thread& thread : thread_) thread.join();
    // What worker 1 had for worker 0 at the very end.
    for (unsigned i = 0; i < kPorts; ++i) {
      void* left = nullptr;
      while (rte_ring_dequeue(outboxes_[i], &left) == 0) {
        rte_pktmbuf_free(static_cast<rte_mbuf*>(left));
        ++left_;
      }
    }
    for (auto& ring : hand_) ring.reset();
    std::uint64_t in = 0, out = left_;
    for (const auto& block : counters()) {
      for (const PortCounters& port : block->port) {
        in += port.rx_packets.get() + port.created_packets.get();
        out += port.tx_packets.get() + port.held_packets.get();
        for (const Counter& reason : port.dropped) out += reason.get();
      }
    }
    EXPECT_EQ(in, out) << "rx + created = tx + dropped + held";
    EXPECT_EQ(received() - received_before_, ports_[0]->received() + ports_[1]->received())
        << "what had come in when the end began was received";
    EXPECT_EQ(rte_mempool_avail_count(watched_pool()), buffers_before_);
  }

  bool receive(unsigned port, const Bytes& frame) { return ports_[port]->receive(frame); }
  void change(std::uint8_t what, std::uint8_t whom, std::uint8_t where) {
    control_.change(what, whom, where);
    publish();
  }
  void pass(std::chrono::milliseconds time) {
    control_.pass(time);
    publish();
  }
  // Control's turn of every second.
  std::uint64_t look_around() {
    publisher_.reclaim();
    static_cast<void>(publisher_.late_readers());
    std::uint64_t sum = 0;
    for (const auto& block : counters()) {
      for (const PortCounters& port : block->port) sum += port.rx_packets.get();
      sum += block->flows.get() + block->busy_cycles.get();
    }
    return sum;
  }
  bool ask(unsigned worker, Request& request) {
    if (!exchange_[worker]->submit(&request)) return false;
    bells_[worker].wake();
    return comes_true([&] { return exchange_[worker]->collect() == &request; });
  }
  bool all_sleep() {
    return comes_true([this] {
      return std::ranges::all_of(bells_, [](const Bell& b) { return b.state() == Bell::State::kAsleep; });
    });
  }
  [[nodiscard]] std::uint64_t received() const {
    std::uint64_t sum = 0;
    for (const auto& block : counters()) {
      for (const PortCounters& port : block->port) sum += port.rx_packets.get();
    }
    return sum;
  }
  [[nodiscard]] auto tables() const { return control_.tables(); }
  bool settles() {
    return comes_true([this] { return publisher_.settled(); });
  }

 private:
  // For the life of the process: ids of one machine mean nothing to the next.
  static fuzz::Blocks& counters() {
    static fuzz::Blocks blocks = [] {
      fuzz::Blocks all;
      for (unsigned i = 0; i < kWorkers; ++i) all.push_back(std::make_unique<WorkerCounters>());
      return all;
    }();
    return blocks;
  }

  void publish() {
    publisher_.publish(control_.build(publisher_.settled()));
    publisher_.reclaim();
  }

  WorkerSettings settings(unsigned index) {
    const unsigned other = 1 - index;
    const std::uint64_t hz = rte_get_tsc_hz();
    WorkerSettings s;
    s.index = index;
    s.pool = watched_pool();
    s.counters = counters()[index].get();
    s.idle_housekeeping_tsc = hz / 10'000;
    s.fragments = {
        .sets = 16, .held_packets = 64, .held_per_datagram = 8, .life_tsc = hz, .hold_tsc = hz / 100};
    s.hand_to.resize(kWorkers, nullptr);
    s.hand_from.resize(kWorkers, nullptr);
    s.notes_to.resize(kWorkers, nullptr);
    s.notes_from.resize(kWorkers, nullptr);
    s.hand_to[other] = hand_[other].get();
    s.hand_from[other] = hand_[index].get();
    s.notes_to[other] = notes_[other].get();
    s.notes_from[other] = notes_[index].get();
    s.bell = &bells_[index];
    s.others = {&bells_[other]};
    s.receive.push_back({.port = static_cast<std::uint8_t>(index),
                         .dpdk_port = ports_[index]->dpdk_port(),
                         .queue = 0,
                         .reads_file = false,
                         .offers_rss = false,
                         .wake_fd = ports_[index]->wake_fd()});
    for (unsigned i = 0; i < kPorts; ++i) {
      PortLane lane;
      lane.dpdk_port = ports_[i]->dpdk_port();
      lane.owns_queue = index == 0;
      lane.outbox = outboxes_[i];
      s.lanes.push_back(lane);
      s.outboxes.push_back(index == 0 ? outboxes_[i] : nullptr);
    }
    return s;
  }

  fuzz::Control control_;
  std::array<std::unique_ptr<WatchedPort>, kPorts> ports_;
  std::array<rte_ring*, kPorts> outboxes_{};
  std::array<std::unique_ptr<HandOverRing>, kWorkers> hand_;  // to that worker
  std::array<std::unique_ptr<NoteRing>, kWorkers> notes_;
  std::array<Bell, kWorkers> bells_;
  Publisher publisher_;
  std::array<std::unique_ptr<Exchange>, kWorkers> exchange_;
  std::array<std::unique_ptr<Worker>, kWorkers> worker_;
  std::array<std::thread, kWorkers> thread_;
  unsigned buffers_before_ = 0;
  std::uint64_t received_before_ = received();
  static inline std::uint64_t left_ = 0;  // in outboxes, when their worker had gone
};

// A packet of one of many connections to services of both workers.
Bytes some_packet(std::mt19937& random) {
  static constexpr std::string_view kVips[] = {"203.0.113.10", "203.0.113.33", "203.0.113.20"};
  const unsigned client = random() % 512, what = random() % 16;
  const std::string_view vip = kVips[client % std::size(kVips)];
  Packet p = packet().ipv4("198.51.100." + std::to_string(client % 200), vip).tcp(2000 + client, 80);
  if (what == 0) return p.syn();
  if (what == 1) return p.l4_byte(13, 0x11);
  if (what == 2)
    return packet().ipv4("198.51.100.1", "203.0.113.53").udp(client, 53).payload(40).piece(8 * client, true);
  return p.ack().payload(100);
}

void send_some(Machine& machine, std::mt19937& random, unsigned count) {
  for (unsigned n = 0; n < count; ++n) machine.receive(n % kPorts, some_packet(random));
}

TEST(Threads, NothingIsLostWhileControlPublishesMovesAndAsks) {
  std::mt19937 random(1);
  Machine machine;
  constexpr unsigned kRounds = 150;
  for (unsigned round = 0; round < kRounds; ++round) {
    send_some(machine, random, 64);
    // Mostly moves of groups from core to core, and servers that come, go and die.
    const auto where = static_cast<std::uint8_t>(random());
    machine.change(round % 2 ? 4 : static_cast<std::uint8_t>(random() % 4), round % 3 ? 15 : 0, where);
    if (round % 5 == 0) machine.change(0x80 | random() % 6, static_cast<std::uint8_t>(random()), where);
    if (round % 10 == 0) machine.pass(2s);
    machine.look_around();
  }
  EXPECT_TRUE(machine.settles()) << "a worker holds on to an old snapshot";
  machine.stop();
  EXPECT_GT(machine.received(), 0u);
}

TEST(Threads, QuestionsAreAnsweredUnderLoadByWhoeverKeepsTheGroup) {
  std::mt19937 random(2);
  Machine machine;
  for (unsigned round = 0; round < 60; ++round) {
    send_some(machine, random, 32);
    machine.change(4, 15, static_cast<std::uint8_t>(random()));
    const unsigned worker = round % kWorkers;
    ExplainRequest explain;
    explain.key.source = *parse_address("198.51.100.1");
    explain.key.destination = *parse_address("203.0.113.33");
    explain.key.destination_port.set(80);
    explain.key.protocol = 6;
    Request request = explain;
    ASSERT_TRUE(machine.ask(worker, request));
    EXPECT_TRUE(std::get<ExplainRequest>(request).answer.matched);
    const auto tables = machine.tables();
    ASSERT_FALSE(tables.empty());
    FlowPage page;
    page.state = tables[round % tables.size()].state;
    page.rows.reserve(64);
    page.flush = round % 7 == 0;
    request = std::move(page);
    ASSERT_TRUE(machine.ask(worker, request));
    request = ElephantPage{};
    std::get<ElephantPage>(request).rows.reserve(16);
    ASSERT_TRUE(machine.ask(worker, request));
    machine.look_around();
  }
}

TEST(Threads, ASleepingWorkerIsWokenByAPacketAQuestionAndTheOtherWorker) {
  std::mt19937 random(3);
  Machine machine;
  for (unsigned round = 0; round < 10; ++round) {
    ASSERT_TRUE(machine.all_sleep());
    const std::uint64_t before = machine.received();
    // To one port only, and partly for groups of the other worker.
    for (unsigned n = 0; n < 32; ++n) ASSERT_TRUE(machine.receive(round % kPorts, some_packet(random)));
    EXPECT_TRUE(comes_true([&] { return machine.received() == before + 32; }));
    ASSERT_TRUE(machine.all_sleep());
    Request request = ElephantPage{};
    EXPECT_TRUE(machine.ask(round % kWorkers, request));
    machine.change(4, 15, static_cast<std::uint8_t>(random()));
    EXPECT_TRUE(machine.settles()) << "a worker that sleeps holds no snapshot";
  }
}

TEST(Threads, AMachineStartsAndStopsAgainAndAgain) {
  std::mt19937 random(4);
  for (unsigned round = 0; round < 5; ++round) {
    Machine machine;
    send_some(machine, random, 256);
    machine.change(4, 15, static_cast<std::uint8_t>(round * 16));
    if (round % 2) machine.stop();
  }
}

}  // namespace
}  // namespace sluice::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (GTEST_FLAG_GET(list_tests)) return RUN_ALL_TESTS();
  sluice::test::start_ground();
  const int result = RUN_ALL_TESTS();
  sluice::test::stop_ground();
  return result;
}
