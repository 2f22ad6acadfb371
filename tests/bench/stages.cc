// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/stage/stages.h"

#include <rte_mbuf.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "dataplane/io/port.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/headers.h"
#include "tests/bench/flow_order.h"
#include "tests/bench/measure.h"
#include "tests/bench/parts.h"

namespace sluice::bench {
namespace {

constexpr const char* kStages[] = {"parse",          "join_fragments", "match_service", "read_control",
                                   "find_elephants", "select_group",   "hand_over",     "hash_flows",
                                   "follow_flows",   "select_dip",     "next_hop",      "encapsulate"};
constexpr unsigned kStageCount = std::size(kStages);

// All that a worker has, without the worker.
class Bench {
 public:
  explicit Bench(const WorldShape& shape)
      : tables_(make_snapshot(shape)),
        order_(Order::kRandom, shape.flows),
        writer_({.v6 = shape.v6}),
        pool_(8'191, 1'500),
        fragments_(tables_->slot_hash, {}),
        answer_rate_(1'000, 1'000, rte_get_tsc_hz()) {
    if (shape.sticky) remember(*tables_, shape);
  }

  // One burst through all stages; stamps[k] is taken before stage k, and the last one at the end.
  void run(std::uint64_t (&stamps)[kStageCount + 1]) {
    fill();
    const Snapshot& tables = *tables_;
    HandOverRing* const nowhere[1] = {};
    unsigned k = 0;
    stamps[k++] = stamp();
    const FlowDesk desk{stamps[0], false, 0, counters_, elephants_};
    parse(burst_);
    stamps[k++] = stamp();
    join_fragments(burst_, tables, fragments_, stamps[0], counters_);
    stamps[k++] = stamp();
    match_service(burst_, tables, counters_, answer_rate_);
    stamps[k++] = stamp();
    read_control(burst_, tables);
    stamps[k++] = stamp();
    find_elephants(burst_, tables, elephants_, stamps[0]);
    stamps[k++] = stamp();
    select_group(burst_, tables, false);
    stamps[k++] = stamp();
    hand_over(burst_, tables, 0, nowhere);
    stamps[k++] = stamp();
    hash_flows(burst_, tables);
    stamps[k++] = stamp();
    keep(follow_flows(burst_, tables, desk));
    stamps[k++] = stamp();
    select_dip(burst_, tables);
    stamps[k++] = stamp();
    keep(next_hop(burst_, tables, counters_));
    stamps[k++] = stamp();
    encapsulate(burst_, tables, counters_);
    stamps[k] = stamp();
  }

  // The burst of the last run() is as it should be when it leaves.
  void check(bool v6) const {
    if (burst_.live != ~0ull) throw std::runtime_error("not every packet came through the stages");
    for (unsigned i = 0; i < kBurstPackets; ++i) {
      const auto* ip4 = burst_.at<Ipv4Header>(i, sizeof(EthernetHeader));
      const auto* ip6 = burst_.at<Ipv6Header>(i, sizeof(EthernetHeader));
      const bool right = v6 ? ip6->next_header == kProtoIpv6
                            : ip4->protocol == kProtoIpv4 && ipv4_checksum_holds(*ip4) &&
                                  ipv4_checksum_holds(ip4[1]) && ip4[1].ttl == 63;
      if (!right) throw std::runtime_error("a packet left with a wrong header");
    }
  }

  void empty() { rte_pktmbuf_free_bulk(burst_.packet.data(), kBurstPackets); }

 private:
  // As a port's receive does it: buffers from the pool, frames written in.
  void fill() {
    if (rte_pktmbuf_alloc_bulk(pool_.get(), burst_.packet.data(), kBurstPackets) != 0) {
      throw std::runtime_error("no packet buffers");
    }
    for (unsigned i = 0; i < kBurstPackets; ++i) {
      rte_mbuf* m = burst_.packet[i];
      m->port = 0;
      m->ol_flags = 0;
      writer_.write(reinterpret_cast<std::uint8_t*>(rte_pktmbuf_append(m, writer_.bytes())), order_.next());
    }
    burst_.begin(kBurstPackets);
  }

  std::unique_ptr<const Snapshot> tables_;
  FlowOrder order_;
  FrameWriter writer_;
  io::PacketPool pool_;
  FragmentTable fragments_;
  ElephantDesk elephants_;
  TokenBucket answer_rate_;
  WorkerCounters counters_;
  Burst burst_;
};

}  // namespace

nlohmann::json measure_stages(const WorldShape& shape) {
  Bench bench(shape);
  std::vector<std::uint32_t> cycles[kStageCount];
  for (unsigned round = 0; round < shape.rounds; ++round) {
    std::uint64_t stamps[kStageCount + 1];
    bench.run(stamps);
    if (round % 64 == 0) bench.check(shape.v6);
    bench.empty();
    for (unsigned k = 0; k < kStageCount; ++k) {
      cycles[k].push_back(static_cast<std::uint32_t>(stamps[k + 1] - stamps[k]));
    }
  }
  const double overhead = stamp_cycles();
  nlohmann::json out;
  for (unsigned k = 0; k < kStageCount; ++k) {
    out[kStages[k]] = ns_of(std::max(0.0, median(cycles[k]) - overhead)) / kBurstPackets;
  }
  return out;
}

}  // namespace sluice::bench
