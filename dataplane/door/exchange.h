// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Questions from control to one worker, and the answers: a bounded ring each way of pointers to requests that
// control owns. Control fills a request in and submits it; the worker handles at most one in a while, writes
// the answer into the same request and gives it back. Each is a bounded piece of work: what is long, such as
// a list of a million flows, is asked for in pages. A full ring is told to the asker, never waited for.
#pragma once

#include <rte_ring.h>

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "dataplane/table/flow.h"
#include "dataplane/wire/flow_key.h"

namespace sluice {

struct GroupState;

// What happens to a made-up packet, stage by stage; ends where the packet ends.
struct Explanation {
  enum class End : std::uint8_t { kForwarded, kDropped, kPunted, kAnswered } end = End::kDropped;
  enum class Table : std::uint8_t { kMap, kTransition, kFlow, kElephant } table = Table::kMap;
  std::uint8_t drop_reason = 0;
  bool matched = false, grouped = false, chosen = false;  // which of the fields below are filled in
  bool elsewhere = false;                                 // the flow table is worker `owner`'s: ask there
  unsigned looked = 0;                                    // groups in which it is not, to be said there
  bool known_flow = false;                                // `flow` is its entry
  bool in_transition = false;
  std::uint8_t owner = 0, egress = 0;
  std::uint32_t service = 0, group = 0, target = 0;  // indices into the snapshot of `generation`
  std::uint32_t hash = 0;                            // Toeplitz
  std::uint32_t group_slot = 0, slot = 0;
  std::uint64_t slot_hash = 0;
  std::uint64_t generation = 0;
  Flow flow;
  std::uint32_t now = 0;  // FlowClock
};

struct ExplainRequest {
  FlowKey key;              // in
  bool opens_flow = false;  // in: TCP SYN, SCTP INIT
  unsigned looked = 0;      // in: groups in which other workers have looked already
  Explanation answer;       // out
};

// The flows of one group among the next `budget` entries of its table. The group's keeper answers.
struct FlowPage {
  struct Row {
    FlowKey key;
    Flow flow;
  };
  std::shared_ptr<GroupState> state;  // in
  std::uint64_t cursor = 0;           // in and out; FlowTable::kEnd = no more
  std::uint32_t budget = 4096;        // in
  std::vector<Row> rows;              // out; control reserves `budget`, the worker never allocates
  std::uint32_t now = 0;              // out: FlowClock
  bool flush = false;                 // in: forget them instead of listing them
  bool elsewhere = false;             // out: the group has moved, nothing was done; ask its keeper
};

// A tier-1 worker's elephants from `first` on.
struct ElephantPage {
  struct Row {
    FlowKey key;
    std::uint32_t target = 0, service = 0;  // stable ids
    std::uint64_t packets = 0, bytes = 0, age_tsc = 0;
    bool active = false;
  };
  std::uint32_t first = 0;  // in
  std::vector<Row> rows;    // out; control reserves room
};

// A tier-1 worker forgets the elephants of a service.
struct ForgetElephants {
  std::uint32_t service = 0;  // stable id
};

using Request = std::variant<ExplainRequest, FlowPage, ElephantPage, ForgetElephants>;

class Exchange {
 public:
  static constexpr unsigned kDepth = 64;

  explicit Exchange(const std::string& name);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Control thread. False: the worker is busy with kDepth earlier requests.
  bool submit(Request* request) { return rte_ring_enqueue(requests_, request) == 0; }
  // Control thread: an answered request, or null.
  Request* collect() { return take(answers_); }

  // Worker thread: the next request, or null; each one taken is given back by answer().
  Request* next() { return take(requests_); }
  void answer(Request* request) { rte_ring_enqueue(answers_, request); }

 private:
  static Request* take(rte_ring* ring) {
    void* item = nullptr;
    return rte_ring_dequeue(ring, &item) == 0 ? static_cast<Request*>(item) : nullptr;
  }
  rte_ring* requests_;  // both single producer, single consumer
  rte_ring* answers_;   // as deep as requests_, and never holds more than was asked
};

}  // namespace sluice
