// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// One family's half of a FlowTable: index, entries, and the lists of those in probation. What it promises is
// said in flow_table.h.
#pragma once

#include <rte_prefetch.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "dataplane/table/flow_index.h"
#include "dataplane/table/flow_table.h"
#include "dataplane/table/probation_list.h"
#include "dataplane/wire/headers.h"

namespace sluice {

// The keys as they lie in the entries, without the protocol, which is in Flow.
struct FlowKeyV4 {
  static constexpr bool kIsV6 = false;

  std::uint32_t source, destination, ports;  // raw

  explicit FlowKeyV4(const FlowKey& key)
      : source(key.source.v4().raw()), destination(key.destination.v4().raw()) {
    std::memcpy(&ports, &key.source_port, 4);
  }
  // Compared where it lies. Put together first, it would be read in other pieces than it was written in, and
  // the cpu would wait for the stores: 5 ns a packet.
  [[nodiscard]] bool is(const FlowKey& key) const {
    static_assert(offsetof(FlowKey, source_port) == offsetof(FlowKey, destination) + sizeof(IpAddress));
    std::uint64_t ours, theirs;
    std::memcpy(&ours, &destination, sizeof ours);
    std::memcpy(&theirs, &key.destination.byte[12], sizeof theirs);
    return ours == theirs && source == key.source.v4().raw();
  }
  [[nodiscard]] FlowKey wide() const {
    FlowKey key;
    key.source = IpAddress::v4(Big32::from_raw(source));
    key.destination = IpAddress::v4(Big32::from_raw(destination));
    return key;
  }
};

struct FlowKeyV6 {
  static constexpr bool kIsV6 = true;

  IpAddress source, destination;
  std::uint32_t ports;

  explicit FlowKeyV6(const FlowKey& key) : source(key.source), destination(key.destination) {
    std::memcpy(&ports, &key.source_port, 4);
  }
  [[nodiscard]] bool is(const FlowKey& key) const {
    return source == key.source && destination == key.destination &&
           std::memcmp(&ports, &key.source_port, sizeof ports) == 0;
  }
  [[nodiscard]] FlowKey wide() const {
    FlowKey key;
    key.source = source;
    key.destination = destination;
    return key;
  }
};

template <typename Key>
struct alignas(Key::kIsV6 ? 64 : 32) FlowEntry {  // never over the edge of a cache line
  Key key;
  Flow flow;
};
static_assert(sizeof(FlowEntry<FlowKeyV4>) == 32 && sizeof(FlowEntry<FlowKeyV6>) == 64);

template <typename Key>
class FlowStore {
 public:
  using Entry = FlowEntry<Key>;
  using Spot = FlowIndex::Spot;

  // Throws std::bad_alloc.
  FlowStore(std::uint32_t flows, const FlowTable::Limits& limits, FlowObserver observer);
  static std::uint64_t bytes_for(std::uint32_t flows, double probation_share);

  void prefetch(std::uint64_t hash) const noexcept { rte_prefetch0(&index_.at(index_.spot(hash).first)); }
  std::uint64_t find(const FlowKey* keys, const std::uint64_t* hashes, std::uint64_t mask, Flow** out,
                     std::uint32_t now) noexcept;
  [[nodiscard]] const Flow* peek(const FlowKey& key, std::uint64_t hash, std::uint32_t now) const noexcept;
  FlowTable::Opened insert(const FlowKey& key, std::uint64_t hash, std::uint32_t target,
                           std::uint32_t now) noexcept;
  FlowEvent touch_slowly(Flow& flow, const FlowPacket& packet, std::uint32_t now) noexcept;
  void erase(Flow& flow) noexcept { remove(index_of(flow), FlowGone::kErased); }

  struct Aged {
    std::uint32_t looked, removed;
    bool end;  // the next call starts over
  };
  Aged age(std::uint32_t now, std::uint32_t budget) noexcept;
  Flow* at(std::uint32_t index, FlowKey& key) noexcept;

  // flow_record.cc
  std::size_t pack(FlowPackCursor& cursor, std::span<std::byte> out, std::uint32_t now) const;
  FlowsRestored restore(std::span<const std::byte> bytes, const FlowRestoring& how);

  void set_timeouts(const FlowTimeouts& timeouts);
  void set_observer(FlowObserver observer) { observer_ = observer; }

  [[nodiscard]] std::uint32_t span() const { return used_; }
  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] std::uint32_t probation_size() const { return probation_.size(); }
  [[nodiscard]] std::uint64_t bytes() const;
  [[nodiscard]] const FlowCounters& counters() const { return counters_; }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr unsigned kBurst = 64;
  static constexpr std::uint32_t kLooks = 64;  // entries that one insert into a full table looks at
  static constexpr std::uint32_t kClosingIdleTicks = FlowClock::kTicksPerSecond;

  // The first probe of a burst: what its keys' tags lead to, with the lines on their way.
  struct Probes {
    Spot spot[kBurst];
    std::uint32_t candidate[kBurst];
  };
  std::uint64_t candidates(const std::uint64_t* hashes, std::uint64_t mask, Probes& probes) noexcept;

  [[nodiscard]] static bool is(const Entry& entry, const FlowKey& key) {
    return entry.key.is(key) && entry.flow.protocol_ == key.protocol;
  }
  [[nodiscard]] std::uint32_t lookup(const FlowKey& key, Spot spot) const noexcept;
  [[nodiscard]] bool expired(const Flow& flow, std::uint32_t now) const {
    return FlowClock::idle(now, flow.seen_) > timeout_ticks_[flow.place_ & Flow::kTimeoutMask];
  }
  [[nodiscard]] std::uint32_t index_of(const Flow& flow) const {
    const auto offset = reinterpret_cast<const char*>(&flow) - reinterpret_cast<const char*>(entries_);
    return static_cast<std::uint32_t>(static_cast<std::size_t>(offset) / sizeof(Entry));
  }
  static Flow::Kind kind_of(std::uint8_t protocol) {
    if (protocol == kProtoTcp || protocol == kProtoSctp) return Flow::Kind::kHandshake;
    return protocol == kProtoUdp ? Flow::Kind::kUdp : Flow::Kind::kOther;
  }
  static FlowKey wide(const Key& key, std::uint8_t protocol) {
    FlowKey wide = key.wide();
    const auto ports = std::bit_cast<PortPair>(key.ports);
    wide.source_port = ports.source;
    wide.destination_port = ports.destination;
    wide.protocol = protocol;
    return wide;
  }
  static unsigned list_of(const Flow& flow) { return flow.kind() == Flow::Kind::kHandshake ? 0 : 1; }

  bool room_in_probation(unsigned list, std::uint32_t now) noexcept;
  bool room_for_entry(std::uint32_t now) noexcept;
  bool room_in_buckets(Spot spot, std::uint32_t now) noexcept;
  struct Victim;
  void consider(Victim& victim, std::uint32_t index, std::uint32_t now) const noexcept;
  bool evict(const Victim& victim) noexcept;

  std::uint32_t take_entry() noexcept;
  void give_back_entry(std::uint32_t index) noexcept {
    entries_[index].flow.target = free_;
    free_ = index;
  }
  // Writes the entry of a flow that has its place in the index; its state is the caller's to set.
  Flow& enter(std::uint32_t index, const Key& key, std::uint8_t protocol, Flow::Kind kind,
              const FlowIndex::Placed& placed) noexcept {
    entries_[index].key = key;
    Flow& flow = entries_[index].flow;
    flow = Flow{};
    flow.protocol_ = protocol;
    flow.place_ = static_cast<std::uint32_t>(kind) << Flow::kKindShift | (placed.second ? Flow::kSecond : 0) |
                  (Key::kIsV6 ? Flow::kV6 : 0) | placed.bucket << Flow::kBucketShift;
    return flow;
  }
  bool next_to_pack(FlowPackCursor& cursor, std::uint32_t& index) const;
  void restore_one(const FlowRecord<Key>& record, const FlowKey& key, std::uint64_t hash,
                   const FlowRestoring& how, FlowsRestored& sum);
  void enter_probation(Flow& flow, unsigned list) noexcept;
  void leave_probation(Flow& flow, FlowState state) noexcept;
  void remove(std::uint32_t index, FlowGone why) noexcept;

  FlowIndex index_;
  Pages pages_;
  Entry* entries_;
  std::uint32_t capacity_, size_ = 0;
  std::uint32_t used_ = 0;      // entries that were ever in use: [0, used_)
  std::uint32_t free_ = kNone;  // chain of left entries, through `target`
  std::uint32_t age_hand_ = 0, evict_hand_ = 0;
  std::uint32_t evict_idle_ticks_;
  std::uint32_t timeout_ticks_[16] = {};  // by state and kind, as they lie in Flow::place_
  ProbationLists probation_;
  FlowObserver observer_;
  FlowCounters counters_;
};

extern template class FlowStore<FlowKeyV4>;
extern template class FlowStore<FlowKeyV6>;

}  // namespace sluice
