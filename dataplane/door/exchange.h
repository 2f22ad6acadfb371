// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Questions from control to one worker, and the answers: a bounded ring each way of pointers to requests that
// control owns. Control fills a request in and submits it; the worker handles at most one a turn, writes the
// answer into the same request and gives it back. A full ring is told to the asker, never waited for.
#pragma once

#include <rte_ring.h>

#include <cstdint>
#include <string>

#include "dataplane/wire/flow_key.h"

namespace sluice {

// What happened to a made-up packet, stage by stage; ends where the packet ended.
struct Explanation {
  enum class End : std::uint8_t { kForwarded, kDropped, kPunted, kAnswered } end = End::kDropped;
  std::uint8_t drop_reason = 0;
  bool matched = false, grouped = false, chosen = false;  // which of the fields below are filled in
  std::uint32_t service = 0, group = 0, target = 0;       // indices into the snapshot of `generation`
  std::uint32_t hash = 0;                                 // Toeplitz
  std::uint64_t slot_hash = 0;
  std::uint32_t group_slot = 0, slot = 0;
  std::uint8_t egress = 0;
  std::uint64_t generation = 0;
};

struct ExplainRequest {
  FlowKey key;              // in
  bool opens_flow = false;  // in: TCP SYN, SCTP INIT
  Explanation answer;       // out
};

class Exchange {
 public:
  static constexpr unsigned kDepth = 64;

  explicit Exchange(const std::string& name);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Control thread. False: the worker is busy with kDepth earlier requests.
  bool submit(ExplainRequest* request) { return rte_ring_enqueue(requests_, request) == 0; }
  // Control thread: an answered request, or null.
  ExplainRequest* collect() { return take(answers_); }

  // Worker thread: the next request, or null; each one taken is given back by answer().
  ExplainRequest* next() { return take(requests_); }
  void answer(ExplainRequest* request) { rte_ring_enqueue(answers_, request); }

 private:
  static ExplainRequest* take(rte_ring* ring) {
    void* item = nullptr;
    return rte_ring_dequeue(ring, &item) == 0 ? static_cast<ExplainRequest*>(item) : nullptr;
  }
  rte_ring* requests_;  // both single producer, single consumer
  rte_ring* answers_;   // as deep as requests_, and never holds more than was asked
};

}  // namespace sluice
