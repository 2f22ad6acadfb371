// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/table/flow_store.h"

#include <rte_prefetch.h>

#include <algorithm>
#include <bit>

#include "dataplane/wire/headers.h"

namespace sluice {
namespace {

std::uint32_t list_limit(std::uint32_t flows, double share) {
  return std::max(1u, static_cast<std::uint32_t>(flows * share / ProbationLists::kLists));
}

template <typename F>
[[gnu::always_inline]] inline void for_each_bit(std::uint64_t mask, F&& f) {
  for (; mask; mask &= mask - 1) f(static_cast<unsigned>(std::countr_zero(mask)));
}

}  // namespace

template <typename Key>
FlowStore<Key>::FlowStore(std::uint32_t flows, const FlowTable::Limits& limits, FlowObserver observer)
    : index_(flows, limits.memory_at_once),
      pages_(std::size_t{flows} * sizeof(Entry), limits.memory_at_once),
      entries_(pages_.as<Entry>()),
      capacity_(flows),
      evict_idle_ticks_(std::max(1u, limits.evict_idle_s) * FlowClock::kTicksPerSecond),
      probation_(list_limit(flows, limits.probation_share), limits.memory_at_once),
      observer_(observer) {
  set_timeouts(limits.timeouts);
}

template <typename Key>
std::uint64_t FlowStore<Key>::bytes_for(std::uint32_t flows, double probation_share) {
  return std::uint64_t{FlowIndex::buckets_for(flows)} * sizeof(FlowIndex::Bucket) +
         std::uint64_t{flows} * sizeof(Entry) + ProbationLists::bytes_for(list_limit(flows, probation_share));
}

template <typename Key>
std::uint64_t FlowStore<Key>::bytes() const {
  const std::uint64_t index = used_ ? index_.bytes() : 0;
  return sizeof(*this) + index + std::uint64_t{used_} * sizeof(Entry) + probation_.bytes();
}

template <typename Key>
void FlowStore<Key>::set_timeouts(const FlowTimeouts& timeouts) {
  const std::uint32_t proving[] = {timeouts.syn_s, timeouts.udp_s, timeouts.other_s};
  const std::uint32_t proven[] = {timeouts.established_s, timeouts.udp_s, timeouts.other_s};
  const auto ticks = [](std::uint32_t seconds) {
    return std::min(seconds, FlowTimeouts::kMost) * FlowClock::kTicksPerSecond;
  };
  for (std::uint32_t kind = 0; kind < 3; ++kind) {
    std::uint32_t* by_state = &timeout_ticks_[kind << Flow::kKindShift];
    by_state[static_cast<unsigned>(FlowState::kProbation)] = ticks(proving[kind]);
    by_state[static_cast<unsigned>(FlowState::kEstablished)] = ticks(proven[kind]);
    by_state[static_cast<unsigned>(FlowState::kClosing)] = ticks(timeouts.closing_s);
  }
}

// Two passes over the index: first buckets; then, for the few whose first bucket sent entries on, second
// ones.
template <typename Key>
std::uint64_t FlowStore<Key>::candidates(const std::uint64_t* hashes, std::uint64_t mask,
                                         Probes& probes) noexcept {
  for_each_bit(mask, [&](unsigned i) {
    probes.spot[i] = index_.spot(hashes[i]);
    rte_prefetch0(&index_.at(probes.spot[i].first));
  });
  std::uint64_t found = 0, further = 0;
  const auto note = [&](unsigned i, const FlowIndex::Bucket& bucket, unsigned hits) {
    probes.candidate[i] = bucket.entry[std::countr_zero(hits)];
    rte_prefetch0(&entries_[probes.candidate[i]]);
    found |= 1ull << i;
  };
  for_each_bit(mask, [&](unsigned i) {
    const FlowIndex::Bucket& bucket = index_.at(probes.spot[i].first);
    if (const unsigned hits = FlowIndex::match(bucket, probes.spot[i].tag)) return note(i, bucket, hits);
    if (bucket.overflow == 0) return;
    rte_prefetch0(&index_.at(index_.second(probes.spot[i].first, probes.spot[i].tag)));
    further |= 1ull << i;
  });
  for_each_bit(further, [&](unsigned i) {
    const FlowIndex::Bucket& bucket = index_.at(index_.second(probes.spot[i].first, probes.spot[i].tag));
    if (const unsigned hits = FlowIndex::match(bucket, probes.spot[i].tag)) note(i, bucket, hits);
  });
  return found;
}

template <typename Key>
std::uint64_t FlowStore<Key>::find(const FlowKey* keys, const std::uint64_t* hashes, std::uint64_t mask,
                                   Flow** out, std::uint32_t now) noexcept {
  Probes probes;
  const std::uint64_t promising = candidates(hashes, mask, probes);
  for_each_bit(mask & ~promising, [&](unsigned i) { out[i] = nullptr; });
  std::uint64_t found = 0;
  for_each_bit(promising, [&](unsigned i) {
    out[i] = nullptr;
    std::uint32_t index = probes.candidate[i];
    if (!is(entries_[index], keys[i])) [[unlikely]] {
      index = lookup(keys[i], probes.spot[i]);  // two keys of one tag
      if (index == kNone) return;
    }
    Flow& flow = entries_[index].flow;
    if (expired(flow, now)) [[unlikely]] {
      // Free already: an earlier key of this burst was the same.
      if (flow.state() != FlowState::kFree) remove(index, FlowGone::kExpired);
      return;
    }
    out[i] = &flow;
    found |= 1ull << i;
  });
  return found;
}

template <typename Key>
std::uint32_t FlowStore<Key>::lookup(const FlowKey& key, Spot spot) const noexcept {
  const FlowIndex::Bucket* bucket = &index_.at(spot.first);
  const bool both = bucket->overflow != 0;
  for (unsigned turn = 0;; ++turn) {
    for (unsigned hits = FlowIndex::match(*bucket, spot.tag); hits; hits &= hits - 1) {
      const std::uint32_t index = bucket->entry[std::countr_zero(hits)];
      if (is(entries_[index], key)) return index;
    }
    if (turn == 1 || !both) return kNone;
    bucket = &index_.at(index_.second(spot.first, spot.tag));
  }
}

template <typename Key>
const Flow* FlowStore<Key>::peek(const FlowKey& key, std::uint64_t hash, std::uint32_t now) const noexcept {
  const std::uint32_t index = lookup(key, index_.spot(hash));
  return index == kNone || expired(entries_[index].flow, now) ? nullptr : &entries_[index].flow;
}

template <typename Key>
FlowTable::Opened FlowStore<Key>::insert(const FlowKey& key, std::uint64_t hash, std::uint32_t target,
                                         std::uint32_t now) noexcept {
  const Spot spot = index_.spot(hash);
  if (const std::uint32_t there = lookup(key, spot); there != kNone) {
    if (!expired(entries_[there].flow, now)) return {&entries_[there].flow, false};
    remove(there, FlowGone::kExpired);
  }
  const Flow::Kind kind = kind_of(key.protocol);
  const unsigned list = kind == Flow::Kind::kHandshake ? 0 : 1;
  if (!room_in_probation(list, now)) return ++counters_.untracked_probation, FlowTable::Opened{};
  if (!room_for_entry(now)) return ++counters_.untracked_table, FlowTable::Opened{};
  const std::uint32_t index = take_entry();
  FlowIndex::Placed placed = index_.add(spot, index);
  if (!placed.done && room_in_buckets(spot, now)) [[unlikely]]
    placed = index_.add(spot, index);
  if (!placed.done) [[unlikely]] {
    give_back_entry(index);
    return ++counters_.untracked_bucket, FlowTable::Opened{};
  }
  Flow& flow = enter(index, Key(key), key.protocol, kind, placed);
  flow.target = target;
  flow.seen_ = now;
  enter_probation(flow, list);
  ++size_;
  ++counters_.opened;
  return {&flow, true};
}

template <typename Key>
FlowEvent FlowStore<Key>::touch_slowly(Flow& flow, const FlowPacket& packet, std::uint32_t now) noexcept {
  if (flow.state() == FlowState::kProbation) {
    flow.seen_ = now;
    flow.packets_ = static_cast<std::uint16_t>(flow.packets_ + (flow.packets_ != 0xffff));
    if (packet.closes) return leave_probation(flow, FlowState::kClosing), FlowEvent::kClosing;
    if (flow.kind() == Flow::Kind::kHandshake) {
      if (packet.opens) return FlowEvent::kNothing;  // sent again
    } else {
      flow.place_ += Flow::kCountOne;
      if ((flow.place_ >> Flow::kCountShift & 3) < 3) return FlowEvent::kNothing;
    }
    leave_probation(flow, FlowState::kEstablished);
    return FlowEvent::kEstablished;
  }
  const bool was_closing = flow.state() == FlowState::kClosing;
  if (was_closing && packet.opens && !packet.closes && room_in_probation(list_of(flow), now)) {
    flow.seen_ = now;
    enter_probation(flow, list_of(flow));
    ++counters_.reopened;
    return FlowEvent::kReopened;
  }
  flow.count(packet.bytes, now);
  if (!packet.closes || was_closing) return FlowEvent::kNothing;
  flow.set_state(FlowState::kClosing);
  return FlowEvent::kClosing;
}

template <typename Key>
void FlowStore<Key>::enter_probation(Flow& flow, unsigned list) noexcept {
  flow.set_state(FlowState::kProbation);
  flow.place_ = (flow.place_ & ~(3 * Flow::kCountOne)) | Flow::kCountOne;
  flow.packets_ = 1;
  flow.bytes_or_node_ = probation_.push(list, index_of(flow));
}

template <typename Key>
void FlowStore<Key>::leave_probation(Flow& flow, FlowState state) noexcept {
  probation_.remove(list_of(flow), flow.bytes_or_node_);
  flow.bytes_or_node_ = 0;
  flow.set_state(state);
}

template <typename Key>
bool FlowStore<Key>::room_in_probation(unsigned list, std::uint32_t now) noexcept {
  if (!probation_.full(list)) return true;
  const std::uint32_t oldest = probation_.oldest(list);
  if (!expired(entries_[oldest].flow, now)) return false;
  remove(oldest, FlowGone::kExpired);
  // In a flood the next inserts remove the next oldest: their lines come while this one is worked on.
  if (const std::uint32_t soon = probation_.ahead(list, 3).entry; soon != kNone)
    rte_prefetch0(&index_.at(entries_[soon].flow.bucket()));
  if (const std::uint32_t later = probation_.ahead(list, 7).entry; later != kNone)
    rte_prefetch0(&entries_[later]);
  return true;
}

// The best to go among those considered: by rank, then by how long it has been silent.
template <typename Key>
struct FlowStore<Key>::Victim {
  enum Rank { kNobody, kIdle, kClosing, kProbation, kExpired } rank = kNobody;
  std::uint32_t index = kNone, idle = 0;
};

template <typename Key>
void FlowStore<Key>::consider(Victim& victim, std::uint32_t index, std::uint32_t now) const noexcept {
  const Flow& flow = entries_[index].flow;
  const std::uint32_t idle = FlowClock::idle(now, flow.seen_);
  typename Victim::Rank rank = Victim::kNobody;
  if (flow.state() == FlowState::kFree) return;
  if (expired(flow, now)) {
    rank = Victim::kExpired;
  } else if (flow.state() == FlowState::kProbation) {
    rank = Victim::kProbation;
  } else if (flow.state() == FlowState::kClosing && idle >= kClosingIdleTicks) {
    rank = Victim::kClosing;
  } else if (idle >= evict_idle_ticks_) {
    rank = Victim::kIdle;
  }
  if (rank == Victim::kNobody || rank < victim.rank || (rank == victim.rank && idle <= victim.idle)) return;
  victim = {rank, index, idle};
}

template <typename Key>
bool FlowStore<Key>::evict(const Victim& victim) noexcept {
  switch (victim.rank) {
    case Victim::kNobody:
      return false;
    case Victim::kExpired:
      break;
    case Victim::kProbation:
      ++counters_.evicted_probation;
      break;
    case Victim::kClosing:
      ++counters_.evicted_closing;
      break;
    case Victim::kIdle:
      ++counters_.evicted_idle;
      break;
  }
  remove(victim.index, victim.rank == Victim::kExpired ? FlowGone::kExpired : FlowGone::kEvicted);
  return true;
}

template <typename Key>
bool FlowStore<Key>::room_for_entry(std::uint32_t now) noexcept {
  if (size_ < capacity_) return true;
  Victim victim;
  for (unsigned list = 0; list < ProbationLists::kLists; ++list) {
    const std::uint32_t oldest = probation_.oldest(list);
    if (oldest != kNone) consider(victim, oldest, now);
  }
  // Nobody in probation: the next entries under the hand, which lie side by side.
  for (std::uint32_t looks = 0; victim.rank < Victim::kProbation && looks < kLooks; ++looks) {
    if (evict_hand_ >= used_) evict_hand_ = 0;
    consider(victim, evict_hand_++, now);
  }
  return evict(victim);
}

// Rare: both buckets are full while there are free entries.
template <typename Key>
bool FlowStore<Key>::room_in_buckets(Spot spot, std::uint32_t now) noexcept {
  Victim victim;
  for (const std::uint32_t bucket : {spot.first, index_.second(spot.first, spot.tag)}) {
    for (const std::uint32_t index : index_.at(bucket).entry) consider(victim, index, now);
  }
  return evict(victim);
}

template <typename Key>
std::uint32_t FlowStore<Key>::take_entry() noexcept {
  if (free_ == kNone) return used_++;
  const std::uint32_t index = free_;
  free_ = entries_[index].flow.target;
  if (free_ != kNone) rte_prefetch0(&entries_[free_]);  // the next insert reads it
  return index;
}

template <typename Key>
void FlowStore<Key>::remove(std::uint32_t index, FlowGone why) noexcept {
  Flow& flow = entries_[index].flow;
  if (observer_.gone) observer_.gone(observer_.context, flow, why);
  if (why == FlowGone::kExpired) ++counters_.expired;
  if (why == FlowGone::kErased) ++counters_.erased;
  index_.remove(flow.bucket(), flow.is_second(), index);
  if (flow.state() == FlowState::kProbation) probation_.remove(list_of(flow), flow.bytes_or_node_);
  flow.place_ = 0;
  flow.target = free_;
  free_ = index;
  --size_;
}

// In blocks, so that the buckets of all that must go are on their way before the first one goes.
template <typename Key>
typename FlowStore<Key>::Aged FlowStore<Key>::age(std::uint32_t now, std::uint32_t budget) noexcept {
  Aged aged{};
  if (age_hand_ >= used_) age_hand_ = 0;
  while (aged.looked < budget && age_hand_ < used_) {
    const std::uint32_t block = std::min({kBurst, budget - aged.looked, used_ - age_hand_});
    std::uint32_t over[kBurst], count = 0;
    for (std::uint32_t i = 0; i < block; ++i) {
      const Flow& flow = entries_[age_hand_ + i].flow;
      if (flow.state() == FlowState::kFree || !expired(flow, now)) continue;
      rte_prefetch0(&index_.at(flow.bucket()));
      over[count++] = age_hand_ + i;
    }
    for (std::uint32_t i = 0; i < count; ++i) remove(over[i], FlowGone::kExpired);
    aged.removed += count;
    aged.looked += block;
    age_hand_ += block;
  }
  aged.end = age_hand_ >= used_;
  return aged;
}

template <typename Key>
Flow* FlowStore<Key>::at(std::uint32_t index, FlowKey& key) noexcept {
  Entry& entry = entries_[index];
  if (entry.flow.state() == FlowState::kFree) return nullptr;
  key = wide(entry.key, entry.flow.protocol_);
  return &entry.flow;
}

template class FlowStore<FlowKeyV4>;
template class FlowStore<FlowKeyV6>;

}  // namespace sluice
