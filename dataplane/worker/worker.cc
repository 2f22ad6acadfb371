// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/worker/worker.h"

#include <pthread.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <sys/prctl.h>

#include <algorithm>
#include <utility>

#include "dataplane/stage/nic_hash.h"
#include "dataplane/stage/strays.h"
#include "dataplane/table/group_state.h"

namespace sluice {
namespace {

constexpr unsigned kRssChecks = 64;             // packets compared before a port's hash is believed
constexpr unsigned kRssBursts = 10'000;         // a port that gave no hash in so many bursts is asked no more
constexpr std::uint64_t kAnswersPerS = 10'000;  // ICMP answers of one worker
constexpr std::uint64_t kAnswersAtOnce = 1'000;
constexpr std::uint32_t kFragmentSetsPerTurn = 4;
constexpr unsigned kNotesPerTurn = 32, kElephantsPerTurn = 8;
constexpr std::uint32_t kFlowsAgedPerTurn = 256;  // entries looked at
constexpr unsigned kGroupsPerTurn = 64;           // passed over on the way to one of this worker's
constexpr unsigned kHousekeepEvery = 64;          // turns under load
constexpr unsigned kDrainLimitMs = 500;
constexpr unsigned kFileRoom = 1024;  // packets that others must have room for before a file is read on

}  // namespace

Worker::Worker(WorkerSettings settings, Publisher& publisher, Exchange& exchange)
    : settings_(std::move(settings)),
      publisher_(publisher),
      exchange_(exchange),
      fragments_(publisher.current().slot_hash, settings_.fragments),
      answer_rate_(kAnswersPerS, kAnswersAtOnce, rte_get_tsc_hz()),
      rss_(settings_.receive.size()),
      own_counters_(settings_.counters ? nullptr : std::make_unique<WorkerCounters>()),
      own_scratch_(settings_.scratch ? nullptr : std::make_unique<WorkerCounters>()),
      counters_(settings_.counters ? *settings_.counters : *own_counters_),
      scratch_(settings_.scratch ? *settings_.scratch : *own_scratch_) {
  elephants_.self = settings_.index;
  elephants_.tsc_hz = rte_get_tsc_hz();
  elephants_.to = settings_.notes_to;
  elephants_.from = settings_.notes_from;
  elephants_.handed = settings_.hand_to;
}

void Worker::run() noexcept {
  prctl(PR_SET_TIMERSLACK, 1'000);  // a rest of 50 us is not one of 100
  publisher_.online(settings_.index);
  now_tsc_ = rte_rdtsc();
  for (unsigned found = 1; !over(found);) {
    found = turn(now_tsc_);
    rest(found);
  }
  give_up_held();
  publisher_.offline(settings_.index);
}

// One screen: what a worker does, and in which order.
unsigned Worker::turn(std::uint64_t now_tsc) noexcept {
  now_tsc_ = now_tsc;
  const Snapshot& tables = publisher_.take();
  give_up_moved(tables, settings_.index);
  unsigned found = 0;
  held_back_ = false;
  for (RxQueue& queue : settings_.receive) {
    if (dry()) [[unlikely]]
      break;
    const unsigned count = receive(queue);
    if (count == 0) continue;
    check_rss(queue, tables);
    forward(burst_, tables);
    found += count;
  }
  found += forward_released(tables);
  found += deliver_handed(tables);
  found += empty_outboxes();
  if (settings_.probes) found += send_probes(tables);
  housekeep(tables, found);
  publisher_.quiet(settings_.index);
  return found;
}

// One screen: a packet's way. Tier 1, on the core that received it:
void Worker::forward(Burst& burst, const Snapshot& tables) noexcept {
  parse(burst);
  join_fragments(burst, tables, fragments_, now_tsc_, counters_);
  match_service(burst, tables, counters_, answer_rate_);
  read_control(burst, tables);
  find_elephants(burst, tables, elephants_, now_tsc_);
  select_group(burst, tables, trusted_);
  hand_over(burst, tables, settings_.index, settings_.hand_to.data());
  deliver(burst, tables, settings_.index);
}

// Tier 2, on the core that owns the packet's group, or by a direct call where that is the same:
void Worker::deliver(Burst& burst, const Snapshot& tables, unsigned tier1) noexcept {
  further_.begin(0);
  hash_flows(burst, tables);
  const FlowDesk desk{now_tsc_, false, tier1, counters_, elephants_};
  while (const std::uint64_t looking = follow_flows(burst, tables, desk)) {
    next_group(burst, tables, looking);
    hand_over(burst, tables, settings_.index, settings_.hand_to.data());
  }
  select_dip(burst, tables);
  if (const std::uint64_t oversized = next_hop(burst, tables, counters_)) {
    split(burst, oversized, further_, tables, counters_);
  }
  encapsulate(burst, tables, counters_);
  if (burst.dropped) answer(burst, further_, tables, answer_rate_, counters_);
  transmit(burst, settings_.lanes.data(), settings_.lanes.size(), counters_);
  punt(burst, tables, settings_.lanes.data(), now_tsc_);
  release(burst, counters_);
  if (further_.size == 0) return;
  encapsulate(further_, tables, counters_);
  transmit(further_, settings_.lanes.data(), settings_.lanes.size(), counters_);
  release(further_, counters_);
}

// What other workers handed over.
unsigned Worker::deliver_handed(const Snapshot& tables) noexcept {
  unsigned found = 0;
  for (unsigned from = 0; from < settings_.hand_from.size(); ++from) {
    HandOverRing* ring = settings_.hand_from[from];
    if (!ring) continue;
    const unsigned count = ring->take(burst_.packet.data(), kBurstPackets);
    if (count == 0) continue;
    burst_.begin(count);
    take_over(burst_, tables);
    // A newer snapshot may have another owner for the group, and a group that moves still its former keeper.
    hand_over(burst_, tables, settings_.index, settings_.hand_to.data());
    deliver(burst_, tables, from);
    ring->mark_done(count);
    found += count;
  }
  return found;
}

// A wire does not wait, and what it brings too fast is dropped and counted; a file can wait.
bool Worker::others_have_room() const noexcept {
  return std::ranges::all_of(settings_.hand_to,
                             [](const HandOverRing* r) { return !r || r->room() >= kFileRoom; }) &&
         std::ranges::all_of(settings_.lanes, [](const PortLane& lane) {
           return lane.owns_queue || rte_ring_free_count(lane.outbox) >= kFileRoom;
         });
}

unsigned Worker::receive(RxQueue& queue) noexcept {
  if (queue.reads_file && !others_have_room()) {
    held_back_ = true;
    return 0;
  }
  const unsigned count = rte_eth_rx_burst(queue.dpdk_port, queue.queue, burst_.packet.data(), kBurstPackets);
  burst_.begin(count);
  if (count == 0) return 0;
  std::uint64_t bytes = 0;
  for (unsigned i = 0; i < count; ++i) {
    rte_mbuf* m = burst_.packet[i];
    rte_prefetch0(rte_pktmbuf_mtod(m, void*));
    m->port = queue.port;  // from here on a packet's port is ours, in the configuration's order
    bytes += m->pkt_len;
  }
  counters_.port[queue.port].rx_packets.add(count);
  counters_.port[queue.port].rx_bytes.add(bytes);
  return count;
}

// Packets that waited for the first fragment of their datagram start over; now it is known.
unsigned Worker::forward_released(const Snapshot& tables) noexcept {
  if (fragments_.held() == 0) [[likely]]
    return 0;
  drop_expired();
  const unsigned count = fragments_.take_released(burst_.packet.data(), kBurstPackets);
  if (count == 0) return 0;
  burst_.begin(count);
  for (unsigned i = 0; i < count; ++i) counters_.port[burst_.packet[i]->port].held_packets.subtract(1);
  trusted_ = false;
  forward(burst_, tables);
  return count;
}

void Worker::drop_expired() noexcept {
  const unsigned count = fragments_.take_expired(burst_.packet.data(), kBurstPackets);
  burst_.begin(count);
  for (unsigned i = 0; i < count; ++i) {
    counters_.port[burst_.packet[i]->port].held_packets.subtract(1);
    burst_.drop(i, DropReason::kFragmentTimeout);
  }
  release(burst_, counters_);
}

void Worker::give_up_held() noexcept {
  fragments_.give_up_all();
  while (fragments_.held() != 0) drop_expired();
}

// Frames that the kernel or another worker wants sent on a queue of ours.
unsigned Worker::empty_outboxes() noexcept {
  unsigned found = 0;
  for (unsigned port = 0; port < settings_.outboxes.size(); ++port) {
    rte_ring* outbox = settings_.outboxes[port];
    if (!outbox) continue;
    const unsigned count = rte_ring_dequeue_burst(outbox, reinterpret_cast<void**>(burst_.packet.data()),
                                                  kBurstPackets, nullptr);
    if (count == 0) continue;
    burst_.begin(count);
    for (unsigned i = 0; i < count; ++i) burst_.finish(i, static_cast<std::uint8_t>(port));
    transmit(burst_, settings_.lanes.data(), settings_.lanes.size(), counters_);
    release(burst_, counters_);
    found += count;
  }
  return found;
}

// Health probes on their way through the data path: a client's way, but for the choice of the DIP, which is
// made, and for the counters and flow tables of clients, which do not see them. What the path does not take
// is told to the kernel, whose socket it is.
unsigned Worker::send_probes(const Snapshot& tables) noexcept {
  const unsigned count = rte_ring_dequeue_burst(
      settings_.probes, reinterpret_cast<void**>(burst_.packet.data()), kBurstPackets, nullptr);
  if (count == 0) [[likely]]
    return 0;
  burst_.begin(count);
  further_.begin(0);
  parse(burst_);
  find_probes(burst_, tables, *settings_.probe_ports, counters_);
  find_service(burst_, tables);
  hash_flows(burst_, tables);
  if (const std::uint64_t oversized = next_hop(burst_, tables, scratch_)) {
    split(burst_, oversized, further_, tables, counters_);
  }
  encapsulate(burst_, tables, scratch_);
  if (burst_.dropped) {
    answer(burst_, further_, tables, answer_rate_, counters_);
    further_.punted = std::exchange(further_.ready, 0);
  }
  transmit(burst_, settings_.lanes.data(), settings_.lanes.size(), counters_);
  release(burst_, counters_);
  encapsulate(further_, tables, scratch_);
  transmit(further_, settings_.lanes.data(), settings_.lanes.size(), counters_);
  punt(further_, tables, settings_.lanes.data(), now_tsc_);
  release(further_, counters_);
  return count;
}

bool Worker::rss_trusted(const RxQueue& queue) const {
  const RssTruth& truth = rss_[static_cast<std::size_t>(&queue - settings_.receive.data())];
  return queue.offers_rss && !truth.lied && truth.checked >= kRssChecks;
}

// A port's hash is believed after kRssChecks packets on which it agreed with ours, and never again after a
// lie.
void Worker::check_rss(const RxQueue& queue, const Snapshot& tables) noexcept {
  RssTruth& truth = rss_[static_cast<std::size_t>(&queue - settings_.receive.data())];
  trusted_ = rss_trusted(queue);
  if (!queue.offers_rss || truth.lied || truth.checked >= kRssChecks) [[likely]]
    return;
  if (++truth.bursts > kRssBursts) return;
  Burst probe = burst_;
  parse(probe);
  for_each(probe.live, [&](unsigned i) {
    const rte_mbuf* m = probe.packet[i];
    if (!nic_hash_fits(probe, i)) return;
    ++truth.checked;
    counters_.port[queue.port].rss_checked.add(1);
    if (m->hash.rss == tables.toeplitz.hash_with_ports(probe.key[i])) return;
    truth.lied = true;
    counters_.port[queue.port].rss_wrong.add(1);
  });
}

void Worker::housekeep(const Snapshot& tables, unsigned found) noexcept {
  const bool due = found != 0 ? counters_.turns.get() % kHousekeepEvery == 0
                              : now_tsc_ - housekept_tsc_ >= settings_.idle_housekeeping_tsc;
  if (!due) return;
  housekept_tsc_ = now_tsc_;
  answer_rate_.refill(now_tsc_);
  elephants_.read_notes(tables, now_tsc_, kNotesPerTurn);
  elephants_.review(tables, now_tsc_, kElephantsPerTurn);
  call_kernel();
  age_flows(tables);
  fragments_.expire(now_tsc_, kFragmentSetsPerTurn);
  if (Request* request = exchange_.next()) {
    handle(*request, tables);
    exchange_.answer(request);
  }
}

// Looks through the flow tables of this worker's groups in turn, a slice at a time.
void Worker::age_flows(const Snapshot& tables) noexcept {
  counters_.elephants.set(elephants_.table.size());
  if (tables.states.empty()) return show_tables();
  const std::uint32_t now = elephants_.flow_clock(now_tsc_);
  for (unsigned looked = 0; looked < kGroupsPerTurn; ++looked) {
    if (++next_aged_ >= tables.groups.size()) show_tables();
    const Group& group = tables.groups[next_aged_];
    if (!group.state || keeper_of(group, tables, settings_.index) != settings_.index) continue;
    group.state->flows.age(now, kFlowsAgedPerTurn);
    flows_counted_ += group.state->flows.size();
    bytes_counted_ += group.state->flows.bytes();
    count_strays(tables, next_aged_, kFlowsAgedPerTurn);
    break;
  }
}

// A round over the groups is complete.
void Worker::show_tables() noexcept {
  counters_.flows.set(flows_counted_);
  counters_.flow_bytes.set(bytes_counted_);
  flows_counted_ = bytes_counted_ = 0;
  next_aged_ = 0;
}

// Has everything that came in been received? A live port may never run dry, so its time is limited.
void Worker::see_if_dry(unsigned found) noexcept {
  if (stop_tsc_ == 0) {
    stop_tsc_ = now_tsc_;  // what has come in before it is received in a turn that begins now
    return;
  }
  const bool file = std::ranges::any_of(settings_.receive, &RxQueue::reads_file);
  const std::uint64_t limit_tsc = rte_get_tsc_hz() / 1000 * kDrainLimitMs;
  if ((found == 0 && !held_back_) || (!file && now_tsc_ - stop_tsc_ > limit_tsc))
    dry_.store(true, std::memory_order_release);
}

bool Worker::over(unsigned found) noexcept {
  const Phase phase = phase_.load(std::memory_order_relaxed);
  if (phase == Phase::kRunning) [[likely]]
    return false;
  if (!dry()) see_if_dry(found);
  return phase == Phase::kLeaving && dry();
}

}  // namespace sluice
