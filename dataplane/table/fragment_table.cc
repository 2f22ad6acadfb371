// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/table/fragment_table.h"

#include <rte_mbuf.h>

#include <algorithm>

namespace sluice {

void FragmentTable::Chain::push(rte_mbuf* packet) {
  packet->next = nullptr;
  (last ? last->next : first) = packet;
  last = packet;
  ++count;
}

rte_mbuf* FragmentTable::Chain::pop() {
  rte_mbuf* packet = first;
  first = packet->next;
  if (!first) last = nullptr;
  packet->next = nullptr;  // a packet of one segment again
  --count;
  return packet;
}

void FragmentTable::Chain::move_all_to(Chain& other) {
  if (!first) return;
  (other.last ? other.last->next : other.first) = first;
  other.last = last;
  other.count += count;
  *this = {};
}

FlowKey FragmentTable::datagram(const FlowKey& flow, std::uint32_t fragment_id) {
  FlowKey key = flow;
  key.source_port = Big16::from_raw(static_cast<std::uint16_t>(fragment_id));
  key.destination_port = Big16::from_raw(static_cast<std::uint16_t>(fragment_id >> 16));
  if (!flow.is_v4()) key.protocol = 0;
  return key;
}

FragmentTable::FragmentTable(const KeyedHash& hash, const Limits& limits)
    : hash_(hash), limits_(limits), entries_(std::size_t{limits.sets} * kWays) {}

FragmentTable::Entry* FragmentTable::set_of(const FlowKey& datagram) {
  const auto set = static_cast<std::uint32_t>(hash_(datagram, HashFields::kFiveTuple)) & (limits_.sets - 1);
  return &entries_[std::size_t{set} * kWays];
}

bool FragmentTable::over(const Entry& entry, std::uint64_t now_tsc) const {
  return now_tsc - entry.since_tsc > (entry.known ? limits_.life_tsc : limits_.hold_tsc);
}

void FragmentTable::give_up(Entry& entry) {
  entry.waiting.move_all_to(expired_);
  entry.used = entry.known = false;
}

FragmentTable::Entry* FragmentTable::lookup(const FlowKey& datagram, std::uint64_t now_tsc) {
  Entry* set = set_of(datagram);
  for (Entry* e = set; e != set + kWays; ++e) {
    if (!e->used || e->datagram != datagram) continue;
    if (!over(*e, now_tsc)) return e;
    give_up(*e);
  }
  return nullptr;
}

FragmentTable::Entry& FragmentTable::claim(const FlowKey& datagram, std::uint64_t now_tsc) {
  Entry* set = set_of(datagram);
  // A free one, else the oldest: a flood costs other datagrams of the same set at most their early fragments.
  Entry* best = std::min_element(set, set + kWays, [](const Entry& a, const Entry& b) {
    return a.used != b.used ? !a.used : a.since_tsc < b.since_tsc;
  });
  if (best->used) give_up(*best);
  best->datagram = datagram;
  best->used = true;
  best->known = false;
  best->since_tsc = now_tsc;
  return *best;
}

const FragmentTable::Transport* FragmentTable::find(const FlowKey& datagram, std::uint64_t now_tsc) {
  const Entry* entry = lookup(datagram, now_tsc);
  return entry && entry->known ? &entry->transport : nullptr;
}

void FragmentTable::learn(const FlowKey& datagram, const Transport& transport, std::uint64_t now_tsc) {
  Entry* entry = lookup(datagram, now_tsc);
  if (!entry) entry = &claim(datagram, now_tsc);
  entry->known = true;
  entry->transport = transport;
  entry->since_tsc = now_tsc;
  entry->waiting.move_all_to(released_);
}

bool FragmentTable::hold(const FlowKey& datagram, rte_mbuf* packet, std::uint64_t now_tsc) {
  if (held_ >= limits_.held_packets) return false;
  Entry* entry = lookup(datagram, now_tsc);
  if (!entry) entry = &claim(datagram, now_tsc);
  if (entry->waiting.count >= limits_.held_per_datagram) return false;
  entry->waiting.push(packet);
  ++held_;
  return true;
}

unsigned FragmentTable::take_released(rte_mbuf** out, unsigned most) {
  const unsigned n = std::min(most, released_.count);
  for (unsigned i = 0; i < n; ++i) out[i] = released_.pop();
  held_ -= n;
  return n;
}

unsigned FragmentTable::take_expired(rte_mbuf** out, unsigned most) {
  const unsigned n = std::min(most, expired_.count);
  for (unsigned i = 0; i < n; ++i) out[i] = expired_.pop();
  held_ -= n;
  return n;
}

void FragmentTable::give_up_all() {
  for (Entry& entry : entries_) give_up(entry);
  released_.move_all_to(expired_);
}

void FragmentTable::expire(std::uint64_t now_tsc, std::uint32_t sets) {
  for (std::uint32_t n = 0; n < sets; ++n) {
    Entry* set = &entries_[std::size_t{next_set_} * kWays];
    for (Entry* e = set; e != set + kWays; ++e) {
      if (e->used && over(*e, now_tsc)) give_up(*e);
    }
    next_set_ = (next_set_ + 1) & (limits_.sets - 1);
  }
}

}  // namespace sluice
