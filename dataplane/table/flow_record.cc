// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The halves of a flow table that a restart needs: entries into records, and records into entries.
#include "dataplane/table/flow_record.h"

#include <algorithm>
#include <cstring>

#include "dataplane/table/flow_store.h"

namespace sluice {

static_assert(sizeof(FlowRecord<FlowKeyV4>) == kFlowRecordBytesV4);
static_assert(sizeof(FlowRecord<FlowKeyV6>) == kFlowRecordBytesV6);

template <typename Key>
bool FlowStore<Key>::next_to_pack(FlowPackCursor& cursor, std::uint32_t& index) const {
  while (cursor.entry < used_) {
    index = cursor.entry++;
    const FlowState state = entries_[index].flow.state();
    if (state == FlowState::kEstablished || state == FlowState::kClosing) return true;
  }
  for (; cursor.list < ProbationLists::kLists; ++cursor.list, cursor.node = kNone) {
    if (cursor.node == kNone) cursor.node = probation_.first(cursor.list);
    if (ProbationLists::is_end(cursor.list, cursor.node)) continue;
    index = probation_.entry(cursor.node);
    cursor.node = probation_.newer(cursor.node);
    return true;
  }
  return false;
}

template <typename Key>
std::size_t FlowStore<Key>::pack(FlowPackCursor& cursor, std::span<std::byte> out, std::uint32_t now) const {
  std::size_t bytes = 0;
  std::uint32_t index = 0;
  while (out.size() - bytes >= sizeof(FlowRecord<Key>) && next_to_pack(cursor, index)) {
    const Entry& entry = entries_[index];
    const Flow& flow = entry.flow;
    if (expired(flow, now)) continue;
    const bool proving = flow.state() == FlowState::kProbation;
    const FlowRecord<Key> record{
        .key = entry.key,
        .target = flow.target,
        .idle_ticks = FlowClock::idle(now, flow.seen_),
        .protocol = flow.protocol_,
        .state = static_cast<std::uint8_t>(flow.state()),
        .packets = static_cast<std::uint8_t>(proving ? flow.place_ >> Flow::kCountShift & 3 : 0),
        .zero = 0};
    std::memcpy(&out[bytes], &record, sizeof record);
    bytes += sizeof record;
  }
  return bytes;
}

namespace {

bool fits(const FlowKey& key, const FlowRestoring& how) {
  if (how.fields == HashFields::kFiveTuple) [[likely]]
    return how.vip.contains(key.destination);
  return key == only(key, how.fields) &&
         (how.fields == HashFields::kSource || how.vip.contains(key.destination));
}

}  // namespace

// A block at a time, so that the buckets of all its keys are on their way before the first one is looked at.
template <typename Key>
FlowsRestored FlowStore<Key>::restore(std::span<const std::byte> bytes, const FlowRestoring& how) {
  using Record = FlowRecord<Key>;
  FlowsRestored sum;
  FlowKey keys[kBurst];
  std::uint64_t hashes[kBurst];
  alignas(Record) std::byte block[kBurst * sizeof(Record)];
  for (std::size_t left = bytes.size() / sizeof(Record), at = 0; left > 0;) {
    const std::size_t n = std::min<std::size_t>(left, kBurst);
    std::memcpy(block, &bytes[at], n * sizeof(Record));
    const auto* records = reinterpret_cast<const Record*>(block);
    for (std::size_t i = 0; i < n; ++i) keys[i] = wide(records[i].key, records[i].protocol);
    hash_burst(how.hash, keys, how.fields, n == kBurst ? ~0ull : (1ull << n) - 1, hashes);
    for (std::size_t i = 0; i < n; ++i) prefetch(hashes[i]);
    for (std::size_t i = 0; i < n; ++i) restore_one(records[i], keys[i], hashes[i], how, sum);
    left -= n;
    at += n * sizeof(Record);
  }
  sum.wrong += bytes.size() % sizeof(Record) != 0;
  return sum;
}

template <typename Key>
void FlowStore<Key>::restore_one(const FlowRecord<Key>& record, const FlowKey& key, std::uint64_t hash,
                                 const FlowRestoring& how, FlowsRestored& sum) {
  const bool proving = record.state == static_cast<std::uint8_t>(FlowState::kProbation);
  const bool packets_fit = proving ? record.packets >= 1 && record.packets <= 3 : record.packets == 0;
  if (record.state == 0 || record.state > 3 || record.zero != 0 || !packets_fit ||
      key.is_v4() == Key::kIsV6 || key.source.is_v4() == Key::kIsV6 || !fits(key, how)) {
    ++sum.wrong;
    return;
  }
  const bool known = record.target < how.target_of.size();
  const std::uint32_t target = known ? how.target_of[record.target] : FlowRestoring::kGone;
  if (target == FlowRestoring::kGone) {
    ++sum.gone;
    return;
  }
  const Flow::Kind kind = kind_of(record.protocol);
  const std::uint64_t idle = std::uint64_t{record.idle_ticks} + how.elapsed_ticks;
  if (idle > timeout_ticks_[static_cast<unsigned>(kind) << Flow::kKindShift | record.state]) {
    ++sum.expired;
    return;
  }
  const Spot spot = index_.spot(hash);
  if (lookup(key, spot) != kNone) {
    ++sum.wrong;
    return;
  }
  const unsigned list = kind == Flow::Kind::kHandshake ? 0 : 1;
  if (size_ == capacity_ || (proving && probation_.full(list))) {
    ++sum.no_room;
    return;
  }
  const std::uint32_t index = take_entry();
  const FlowIndex::Placed placed = index_.add(spot, index);
  if (!placed.done) {
    give_back_entry(index);
    ++sum.no_room;
    return;
  }
  Flow& flow = enter(index, record.key, record.protocol, kind, placed);
  flow.target = target;
  flow.seen_ = how.now - static_cast<std::uint32_t>(idle);
  if (proving) {
    enter_probation(flow, list);
    flow.packets_ = record.packets;
    flow.place_ += (record.packets - 1u) * Flow::kCountOne;
  } else {
    flow.set_state(static_cast<FlowState>(record.state));
  }
  ++size_;
  ++counters_.restored;
  ++how.taken[record.target];
  ++sum.taken;
}

template bool FlowStore<FlowKeyV4>::next_to_pack(FlowPackCursor&, std::uint32_t&) const;
template std::size_t FlowStore<FlowKeyV4>::pack(FlowPackCursor&, std::span<std::byte>, std::uint32_t) const;
template void FlowStore<FlowKeyV4>::restore_one(const FlowRecord<FlowKeyV4>&, const FlowKey&, std::uint64_t,
                                                const FlowRestoring&, FlowsRestored&);
template FlowsRestored FlowStore<FlowKeyV4>::restore(std::span<const std::byte>, const FlowRestoring&);
template bool FlowStore<FlowKeyV6>::next_to_pack(FlowPackCursor&, std::uint32_t&) const;
template std::size_t FlowStore<FlowKeyV6>::pack(FlowPackCursor&, std::span<std::byte>, std::uint32_t) const;
template void FlowStore<FlowKeyV6>::restore_one(const FlowRecord<FlowKeyV6>&, const FlowKey&, std::uint64_t,
                                                const FlowRestoring&, FlowsRestored&);
template FlowsRestored FlowStore<FlowKeyV6>::restore(std::span<const std::byte>, const FlowRestoring&);

}  // namespace sluice
