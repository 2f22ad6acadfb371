// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The flows of one group (B2, B3, B4): key -> Flow. One owner thread at a time and no locks; a table moves to
// another owner as an object (hand its unique_ptr over, with release and acquire between the two threads).
//
// Built for packets in random order, where nothing counts but the cache lines touched: a bucket is one line
// of ten 16-bit tags and ten entry indices; a key has two buckets, and lives in the first unless that one is
// nearly full, so a hit touches two lines (bucket, entry) and a miss mostly one. The full key is compared.
// Entries lie apart, at an index that never changes: 32 bytes for IPv4, 64 for IPv6.
//
// What floods can do (F6). A new flow is in probation, which has a bounded number of entries, half of them
// for TCP and SCTP, half for the rest, so a UDP flood does not keep connections out. Full probation: no entry
// ("untracked": the map serves the packet), unless the oldest one's time is over. Full table: the oldest in
// probation makes room, then one that is closing and silent for a second, then the longest idle of those
// idle for `evict_idle_s`; a flow that had a packet since then is never pushed out. Families do not share
// room. All work is bounded: by 64 entries looked at per insert, by the budget elsewhere.
//
// Memory is reserved at once and taken as it is touched: 11 bytes for each flow of the capacity by the first
// flows (index), the entry with the flow, 12 bytes for each place in probation. All in 46 bytes a flow for
// IPv4 and 78 for IPv6 at capacity. No pointers inside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/table/flow.h"
#include "dataplane/table/flow_record.h"
#include "dataplane/wire/flow_key.h"

namespace sluice {

template <typename Key>
class FlowStore;
struct FlowKeyV4;
struct FlowKeyV6;

struct FlowCounters {  // since the table was made; wrap at 2^64
  std::uint64_t opened = 0, reopened = 0, restored = 0, expired = 0, erased = 0;
  std::uint64_t evicted_probation = 0, evicted_closing = 0, evicted_idle = 0;
  std::uint64_t untracked_probation = 0;  // insert: probation was full
  std::uint64_t untracked_table = 0;      // insert: nothing could make room
  std::uint64_t untracked_bucket = 0;     // insert: there was room, but not in the key's two buckets

  [[nodiscard]] std::uint64_t untracked() const {
    return untracked_probation + untracked_table + untracked_bucket;
  }
  FlowCounters& operator+=(const FlowCounters& other);
};

class FlowTable {
 public:
  struct Limits {
    std::uint32_t flows_v4 = 1u << 20;  // 0 = none of this family; at most kMostFlows each
    std::uint32_t flows_v6 = 0;
    double probation_share = 0.25;    // of the flows, 0 < share <= 1
    std::uint32_t evict_idle_s = 60;  // an established flow silent for less never makes room
    std::uint64_t memory_bytes = 0;   // refuse what would not fit; 0 = what the machine has free now
    // All memory when the table is made (0.1 s a GiB) instead of as it is touched: then the worker never
    // meets a page fault, which costs 0.2 to 0.35 ms where the kernel clears a huge page.
    bool memory_at_once = false;
    FlowTimeouts timeouts;
  };
  static constexpr std::uint32_t kMostFlows = 100'000'000;

  // Control thread. Throws std::runtime_error, one sentence: what is wrong with the limits, or how many flows
  // would fit.
  explicit FlowTable(const Limits& limits, FlowObserver observer = {});
  ~FlowTable();
  FlowTable(FlowTable&&) noexcept;
  FlowTable& operator=(FlowTable&&) noexcept;

  // What a table of these limits takes when all its flows are there.
  [[nodiscard]] static std::uint64_t bytes_for(const Limits& limits);

  // The rest is the owner's. `hash` is the keyed hash of exactly what distinguishes keys in this table
  // (Burst::slot_hash): where a service hashes fewer fields, the fields it leaves out must be zero in the
  // key, or else all flows of one source would meet in two buckets. `now`: FlowClock.

  // Has the lines that find() will want first come, for a caller that has other work before it calls find, or
  // a few packets for each of many tables.
  void prefetch(const FlowKey* keys, const std::uint64_t* hashes, std::uint64_t mask) const noexcept;
  // For each bit i of `mask`: out[i] = the flow of keys[i], or nullptr; other out[i] stay as they are.
  // Returns the bits found. A flow whose timeout is over is removed on sight and not found. Flows stay valid
  // until the next find, insert, erase or age: a stage handles what was found first, then inserts what was
  // not.
  std::uint64_t find(const FlowKey* keys, const std::uint64_t* hashes, std::uint64_t mask, Flow** out,
                     std::uint32_t now) noexcept;
  // One key; changes nothing: for explain and `flow show`. An expired flow is not found.
  [[nodiscard]] const Flow* peek(const FlowKey& key, std::uint64_t hash, std::uint32_t now) const noexcept;

  struct Opened {
    Flow* flow;  // null: untracked
    bool fresh;  // false: the key was there (an earlier packet of this burst); touch it
  };
  // The first packet of a flow, in probation and counted as its first.
  Opened insert(const FlowKey& key, std::uint64_t hash, std::uint32_t target, std::uint32_t now) noexcept;

  // Another packet of a flow. Reopening needs room in probation; without, the flow stays closing and says
  // nothing.
  FlowEvent touch(Flow& flow, const FlowPacket& packet, std::uint32_t now) noexcept {
    const bool usual = flow.state() == FlowState::kEstablished && !packet.closes;
    if (!usual) [[unlikely]]
      return touch_slowly(flow, packet, now);
    flow.count(packet.bytes, now);
    return FlowEvent::kNothing;
  }

  void erase(Flow& flow) noexcept;

  // Looks at the next `budget` entries, round and round, and removes those whose timeout is over; how many.
  // A whole round is taken when the budgets add up to span().
  std::uint32_t age(std::uint32_t now, std::uint32_t budget) noexcept;
  [[nodiscard]] std::uint64_t span() const;

  // Listing in slices: fn(const FlowKey&, Flow&) for the flows among the next `budget` entries; the place to
  // go on from, or kEnd. Start at 0. Between slices the table may change: a flow that stays all the time is
  // visited exactly once. `fn` may change and erase the flow it is given.
  static constexpr std::uint64_t kEnd = ~0ull;
  template <typename Fn>
  std::uint64_t visit(std::uint64_t cursor, std::uint32_t budget, Fn&& fn) {
    for (; budget > 0 && cursor != kEnd; --budget) {
      FlowKey key;
      if (Flow* flow = at(cursor, key)) fn(static_cast<const FlowKey&>(key), *flow);
      cursor = next(cursor);
    }
    return cursor;
  }

  // Restart (F4), on the control thread while no worker runs. pack() writes records of the flows of one
  // family that have not timed out, as many as fit `out`, from `cursor` on; the bytes written, 0 = no more.
  // First those that have proven themselves, so that these find room in a smaller table, then those in
  // probation, the oldest first. restore() takes them into a table, which may hold others already, pushes
  // nobody out, and believes nothing: whatever the bytes are, the table stays sound.
  std::size_t pack(FlowFamily family, FlowPackCursor& cursor, std::span<std::byte> out,
                   std::uint32_t now) const;
  FlowsRestored restore(FlowFamily family, std::span<const std::byte> records, const FlowRestoring& how);

  // For flows from now on and for those that are there.
  void set_timeouts(const FlowTimeouts& timeouts);
  void set_observer(FlowObserver observer);

  [[nodiscard]] std::uint64_t size() const;
  [[nodiscard]] std::uint64_t probation_size() const;
  // What it takes when all its flows are there. Any thread.
  [[nodiscard]] std::uint64_t capacity_bytes() const { return capacity_bytes_; }
  // Taken of memory, all in: index, lists and the entries that were ever in use.
  [[nodiscard]] std::uint64_t bytes() const;
  [[nodiscard]] FlowCounters counters() const;

 private:
  FlowEvent touch_slowly(Flow& flow, const FlowPacket& packet, std::uint32_t now) noexcept;
  Flow* at(std::uint64_t cursor, FlowKey& key) noexcept;
  [[nodiscard]] std::uint64_t next(std::uint64_t cursor) const noexcept;

  std::unique_ptr<FlowStore<FlowKeyV4>> v4_;
  std::unique_ptr<FlowStore<FlowKeyV6>> v6_;
  std::uint64_t capacity_bytes_ = 0;
  bool aging_v6_ = false;  // where the hand of age() is
};

}  // namespace sluice
