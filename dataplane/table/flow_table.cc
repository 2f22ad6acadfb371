// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/table/flow_table.h"

#include <bit>
#include <new>
#include <stdexcept>
#include <string>

#include "dataplane/table/flow_store.h"
#include "dataplane/table/pages.h"

namespace sluice {
namespace {

constexpr std::uint64_t kV6Cursor = 1ull << 32;  // a cursor is an index, and this for IPv6

std::string in_words(std::uint64_t flows_v4, std::uint64_t flows_v6) {
  if (flows_v6 == 0) return std::to_string(flows_v4) + " IPv4 flows";
  if (flows_v4 == 0) return std::to_string(flows_v6) + " IPv6 flows";
  return std::to_string(flows_v4) + " IPv4 and " + std::to_string(flows_v6) + " IPv6 flows";
}

std::string mebibytes(std::uint64_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

[[noreturn]] void refuse(const FlowTable::Limits& limits, std::uint64_t needed, std::uint64_t there) {
  constexpr double kWhole = 0.999;  // buckets and lists come in whole ones
  const auto fitting = [&](std::uint32_t flows) {
    return static_cast<std::uint64_t>(static_cast<double>(flows) * static_cast<double>(there) /
                                      static_cast<double>(needed) * kWhole);
  };
  throw std::runtime_error("a flow table for " + in_words(limits.flows_v4, limits.flows_v6) + " takes " +
                           mebibytes(needed) + " and " + mebibytes(there) + " are to be had: " +
                           in_words(fitting(limits.flows_v4), fitting(limits.flows_v6)) + " would fit");
}

void judge(const FlowTable::Limits& limits) {
  if (limits.flows_v4 > FlowTable::kMostFlows || limits.flows_v6 > FlowTable::kMostFlows) {
    throw std::runtime_error("a flow table for " + in_words(limits.flows_v4, limits.flows_v6) +
                             " is too large: at most " + std::to_string(FlowTable::kMostFlows) +
                             " of each family");
  }
  if (!(limits.probation_share > 0 && limits.probation_share <= 1)) {
    throw std::runtime_error("a flow table's share for new flows is " +
                             std::to_string(limits.probation_share) + "; it must be above 0 and at most 1");
  }
  const std::uint64_t needed = FlowTable::bytes_for(limits);
  const std::uint64_t there = limits.memory_bytes ? limits.memory_bytes : free_memory();
  if (needed > there) refuse(limits, needed, there);
}

}  // namespace

FlowCounters& FlowCounters::operator+=(const FlowCounters& other) {
  for (const auto field :
       {&FlowCounters::opened, &FlowCounters::reopened, &FlowCounters::restored, &FlowCounters::expired,
        &FlowCounters::erased, &FlowCounters::evicted_probation, &FlowCounters::evicted_closing,
        &FlowCounters::evicted_idle, &FlowCounters::untracked_probation, &FlowCounters::untracked_table,
        &FlowCounters::untracked_bucket}) {
    this->*field += other.*field;
  }
  return *this;
}

std::uint64_t FlowTable::bytes_for(const Limits& limits) {
  std::uint64_t bytes = sizeof(FlowTable);
  if (limits.flows_v4) bytes += FlowStore<FlowKeyV4>::bytes_for(limits.flows_v4, limits.probation_share);
  if (limits.flows_v6) bytes += FlowStore<FlowKeyV6>::bytes_for(limits.flows_v6, limits.probation_share);
  return bytes;
}

FlowTable::FlowTable(const Limits& limits, FlowObserver observer) : capacity_bytes_(bytes_for(limits)) {
  judge(limits);
  try {
    if (limits.flows_v4) v4_ = std::make_unique<FlowStore<FlowKeyV4>>(limits.flows_v4, limits, observer);
    if (limits.flows_v6) v6_ = std::make_unique<FlowStore<FlowKeyV6>>(limits.flows_v6, limits, observer);
  } catch (const std::bad_alloc&) {  // address space: a limit of the process, or strict accounting
    v4_.reset();
    const std::uint64_t needed = bytes_for(limits);
    refuse(limits, needed, Pages::largest(needed));
  }
}

FlowTable::~FlowTable() = default;
FlowTable::FlowTable(FlowTable&&) noexcept = default;
FlowTable& FlowTable::operator=(FlowTable&&) noexcept = default;

void FlowTable::prefetch(const FlowKey* keys, const std::uint64_t* hashes,
                         std::uint64_t mask) const noexcept {
  for (; mask; mask &= mask - 1) {
    const auto i = static_cast<unsigned>(std::countr_zero(mask));
    if (keys[i].is_v4()) {
      if (v4_) v4_->prefetch(hashes[i]);
    } else {
      if (v6_) v6_->prefetch(hashes[i]);
    }
  }
}

std::uint64_t FlowTable::find(const FlowKey* keys, const std::uint64_t* hashes, std::uint64_t mask,
                              Flow** out, std::uint32_t now) noexcept {
  std::uint64_t v4 = 0;
  for (std::uint64_t left = mask; left; left &= left - 1) {
    const auto i = static_cast<unsigned>(std::countr_zero(left));
    v4 |= std::uint64_t{keys[i].is_v4()} << i;
  }
  const auto find_in = [&](auto& store, std::uint64_t part) -> std::uint64_t {
    if (!part) return 0;
    if (store) return store->find(keys, hashes, part, out, now);
    for (; part; part &= part - 1) out[std::countr_zero(part)] = nullptr;
    return 0;
  };
  const std::uint64_t found = find_in(v4_, v4);
  return found | find_in(v6_, mask & ~v4);
}

const Flow* FlowTable::peek(const FlowKey& key, std::uint64_t hash, std::uint32_t now) const noexcept {
  if (key.is_v4()) return v4_ ? v4_->peek(key, hash, now) : nullptr;
  return v6_ ? v6_->peek(key, hash, now) : nullptr;
}

FlowTable::Opened FlowTable::insert(const FlowKey& key, std::uint64_t hash, std::uint32_t target,
                                    std::uint32_t now) noexcept {
  if (key.is_v4()) return v4_ ? v4_->insert(key, hash, target, now) : Opened{};
  return v6_ ? v6_->insert(key, hash, target, now) : Opened{};
}

FlowEvent FlowTable::touch_slowly(Flow& flow, const FlowPacket& packet, std::uint32_t now) noexcept {
  return flow.is_v6() ? v6_->touch_slowly(flow, packet, now) : v4_->touch_slowly(flow, packet, now);
}

void FlowTable::erase(Flow& flow) noexcept {
  flow.is_v6() ? v6_->erase(flow) : v4_->erase(flow);
}

// One hand for both families: to the end of one, then through the other.
std::uint32_t FlowTable::age(std::uint32_t now, std::uint32_t budget) noexcept {
  std::uint32_t removed = 0;
  for (unsigned turn = 0; turn < 3 && budget > 0; ++turn) {
    const auto age_in = [&](auto& store) {
      if (!store) return true;
      const auto aged = store->age(now, budget);
      removed += aged.removed;
      budget -= aged.looked;
      return aged.end;
    };
    if (!(aging_v6_ ? age_in(v6_) : age_in(v4_))) break;
    aging_v6_ = !aging_v6_;
  }
  return removed;
}

Flow* FlowTable::at(std::uint64_t cursor, FlowKey& key) noexcept {
  const auto index = static_cast<std::uint32_t>(cursor);
  if (cursor & kV6Cursor) return v6_ && index < v6_->span() ? v6_->at(index, key) : nullptr;
  return v4_ && index < v4_->span() ? v4_->at(index, key) : nullptr;
}

std::uint64_t FlowTable::next(std::uint64_t cursor) const noexcept {
  const std::uint32_t index = static_cast<std::uint32_t>(cursor) + 1;
  if (cursor & kV6Cursor) return v6_ && index < v6_->span() ? kV6Cursor | index : kEnd;
  if (v4_ && index < v4_->span()) return index;
  return v6_ ? kV6Cursor : kEnd;
}

std::size_t FlowTable::pack(FlowFamily family, FlowPackCursor& cursor, std::span<std::byte> out,
                            std::uint32_t now) const {
  if (family == FlowFamily::kV4) return v4_ ? v4_->pack(cursor, out, now) : 0;
  return v6_ ? v6_->pack(cursor, out, now) : 0;
}

FlowsRestored FlowTable::restore(FlowFamily family, std::span<const std::byte> records,
                                 const FlowRestoring& how) {
  if (family == FlowFamily::kV4 && v4_) return v4_->restore(records, how);
  if (family == FlowFamily::kV6 && v6_) return v6_->restore(records, how);
  const std::size_t each = family == FlowFamily::kV4 ? kFlowRecordBytesV4 : kFlowRecordBytesV6;
  return {.wrong = records.size() / each};
}

void FlowTable::set_timeouts(const FlowTimeouts& timeouts) {
  if (v4_) v4_->set_timeouts(timeouts);
  if (v6_) v6_->set_timeouts(timeouts);
}

void FlowTable::set_observer(FlowObserver observer) {
  if (v4_) v4_->set_observer(observer);
  if (v6_) v6_->set_observer(observer);
}

std::uint64_t FlowTable::span() const {
  return std::uint64_t{v4_ ? v4_->span() : 0} + (v6_ ? v6_->span() : 0);
}

std::uint64_t FlowTable::size() const {
  return std::uint64_t{v4_ ? v4_->size() : 0} + (v6_ ? v6_->size() : 0);
}

std::uint64_t FlowTable::probation_size() const {
  return std::uint64_t{v4_ ? v4_->probation_size() : 0} + (v6_ ? v6_->probation_size() : 0);
}

std::uint64_t FlowTable::bytes() const {
  return sizeof(*this) + (v4_ ? v4_->bytes() : 0) + (v6_ ? v6_->bytes() : 0);
}

FlowCounters FlowTable::counters() const {
  FlowCounters sum;
  if (v4_) sum += v4_->counters();
  if (v6_) sum += v6_->counters();
  return sum;
}

}  // namespace sluice
