// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/table/service_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <set>
#include <utility>

namespace sluice {
namespace {

// Enough to find a good one for a few services, and little work for many.
constexpr std::size_t kHashTrials = 64, kTrialWork = 1 << 16;
constexpr std::size_t kFewestCells = 8;

// Destination port, protocol and a zero as they lie in the key, in memory order; the same for keys of packets
// and of entries.
std::uint32_t rest_of(const FlowKey& key) {
  static_assert(offsetof(FlowKey, protocol) == offsetof(FlowKey, destination_port) + 2);
  std::uint32_t rest;
  std::memcpy(&rest, &key.destination_port, sizeof rest);
  return rest;
}
constexpr auto kPortBits = std::bit_cast<std::uint32_t>(std::array<std::uint8_t, 4>{0xff, 0xff});
constexpr auto kProtocolBits = std::bit_cast<std::uint32_t>(std::array<std::uint8_t, 4>{0, 0, 0xff});

template <typename Kind>
std::uint32_t rest_mask_of(Kind kind) {
  return kind == Kind::kPort ? kPortBits | kProtocolBits : kind == Kind::kProtocol ? kProtocolBits : 0;
}

}  // namespace

// From the lowest bit: destination 32, port 16, protocol 8, tag 8.
ServiceTable::ShapeV4::ShapeV4(unsigned length, Kind kind) {
  const Big32 bits(length == 0 ? 0 : ~0u << (32 - length));
  mask = bits.raw() | std::uint64_t{rest_mask_of(kind)} << 32;
  tag = std::uint64_t{length << 2 | static_cast<unsigned>(kind)} << 56;
}

ServiceTable::SeenV4 ServiceTable::ShapeV4::see(const FlowKey& key) const noexcept {
  const std::uint64_t word = key.destination.v4().raw() | std::uint64_t{rest_of(key)} << 32;
  return {(word & mask) | tag};
}

ServiceTable::ShapeV6::ShapeV6(unsigned length, Kind kind) {
  IpAddress ones;
  ones.byte.fill(0xff);
  const IpAddress bits = sluice::mask(ones, length);
  std::memcpy(mask, bits.byte.data(), sizeof mask);
  rest_mask = rest_mask_of(kind);
  tag = std::uint64_t{length << 2 | static_cast<unsigned>(kind)} << 32;
}

ServiceTable::SeenV6 ServiceTable::ShapeV6::see(const FlowKey& key) const noexcept {
  SeenV6 seen;
  std::memcpy(seen.address, key.destination.byte.data(), sizeof seen.address);
  seen.address[0] &= mask[0];
  seen.address[1] &= mask[1];
  seen.rest = (rest_of(key) & rest_mask) | tag;
  return seen;
}

// --- cells
// ----------------------------------------------------------------------------------------------------

template <typename Seen>
std::uint32_t ServiceTable::Cells<Seen>::find(const Seen& seen) const noexcept {
  for (std::size_t at = place(seen);; at = (at + 1) & mask_) {
    const Cell& cell = cells_[at];
    if (cell.seen == seen) [[likely]]
      return cell.service;
    if (cell.service == kNoService) return kNoService;
  }
}

template <typename Seen>
std::size_t ServiceTable::Cells<Seen>::displaced(std::span<const Cell> entries) const {
  std::vector<bool> taken(cells_.size());
  std::size_t count = 0;
  for (const Cell& entry : entries) {
    const std::size_t at = place(entry.seen);
    count += taken[at];
    taken[at] = true;
  }
  return count;
}

template <typename Seen>
void ServiceTable::Cells<Seen>::insert(const Cell& entry) {
  std::size_t at = place(entry.seen);
  for (; cells_[at].service != kNoService; at = (at + 1) & mask_) {
    if (cells_[at].seen == entry.seen) return;
  }
  cells_[at] = entry;
}

template <typename Seen>
void ServiceTable::Cells<Seen>::build(std::span<const Cell> entries) {
  cells_.assign(std::bit_ceil(std::max(kFewestCells, entries.size() * 4)), Cell{});
  mask_ = cells_.size() - 1;
  shift_ = static_cast<unsigned>(64 - std::countr_zero(cells_.size()));
  const std::size_t trials =
      std::clamp<std::size_t>(kTrialWork / std::max<std::size_t>(1, entries.size()), 1, kHashTrials);
  std::uint64_t best = 0;
  for (std::size_t trial = 0, least = SIZE_MAX; trial < trials && least != 0; ++trial) {
    multiplier_ = (0xd6e8feb86659fd93ull * (2 * trial + 1)) | 1;
    if (const std::size_t count = displaced(entries); count < least) {
      least = count;
      best = multiplier_;
    }
  }
  multiplier_ = best;
  for (const Cell& entry : entries) insert(entry);
}

// --- families
// -------------------------------------------------------------------------------------------------

ServiceTable::Kind ServiceTable::kind_of(const Entry& entry) {
  return entry.protocol == 0 ? Kind::kAddress : entry.port == 0 ? Kind::kProtocol : Kind::kPort;
}

// Longest prefix first, then the kind that looks at most of the key.
template <typename Shape>
void ServiceTable::Family<Shape>::use_shapes(std::span<const Entry> entries) {
  std::set<std::pair<int, int>> used;  // -length, -kind
  for (const Entry& e : entries) {
    used.emplace(-e.vip.length, -static_cast<int>(kind_of(e)));
    used.emplace(-e.vip.length, -static_cast<int>(Kind::kVip));
  }
  for (const auto& [length, kind] : used) {
    const Shape shape(static_cast<unsigned>(-length), static_cast<Kind>(-kind));
    (static_cast<Kind>(-kind) == Kind::kVip ? vip_shapes_ : shapes_).push_back(shape);
  }
  if (!shapes_.empty()) first_ = shapes_.front();
}

template <typename Shape>
void ServiceTable::Family<Shape>::build(std::span<const Entry> all) {
  std::vector<Entry> entries;
  std::ranges::copy_if(all, std::back_inserter(entries),
                       [](const Entry& e) { return e.vip.address.is_v4() == Shape::kIsV4; });
  use_shapes(entries);
  std::vector<typename Table::Cell> services, vips;
  for (const Entry& e : entries) {
    FlowKey key;
    key.destination = e.vip.address;
    key.protocol = e.protocol;
    key.destination_port = Big16(e.port);
    services.push_back({Shape(e.vip.length, kind_of(e)).see(key), e.service});
    vips.push_back({Shape(e.vip.length, Kind::kVip).see(key), e.service});
  }
  services_.build(services);
  vips_.build(vips);
}

template <typename Shape>
std::uint32_t ServiceTable::Family<Shape>::lookup(const FlowKey& key) const noexcept {
  for (const Shape& shape : shapes_) {
    if (const std::uint32_t service = services_.find(shape.see(key)); service != kNoService) return service;
  }
  return kNoService;
}

template <typename Shape>
bool ServiceTable::Family<Shape>::has_vip(const FlowKey& key) const noexcept {
  return std::ranges::any_of(vip_shapes_,
                             [&](const Shape& shape) { return vips_.find(shape.see(key)) != kNoService; });
}

// --- both
// -----------------------------------------------------------------------------------------------------

ServiceTable::ServiceTable(std::span<const Entry> entries) {
  v4_.build(entries);
  v6_.build(entries);
}

std::uint32_t ServiceTable::lookup(const FlowKey& key) const noexcept {
  return key.is_v4() ? v4_.lookup(key) : v6_.lookup(key);
}

std::uint64_t ServiceTable::lookup(const FlowKey* keys, std::uint64_t wanted,
                                   std::uint32_t* out) const noexcept {
  // No prefetching: a probe is a dozen instructions that wait for nothing, so the cpu has the cells of
  // several packets under way by itself, and a second pass costs more than it hides.
  std::uint64_t missing = 0;
  for (std::uint64_t left = wanted; left; left &= left - 1) {
    const unsigned i = static_cast<unsigned>(std::countr_zero(left));
    out[i] = keys[i].is_v4() ? v4_.first(keys[i]) : v6_.first(keys[i]);
    if (out[i] != kNoService) [[likely]]
      continue;
    out[i] = lookup(keys[i]);
    missing |= std::uint64_t{out[i] == kNoService} << i;
  }
  return missing;
}

bool ServiceTable::is_vip(const IpAddress& address) const noexcept {
  FlowKey key;
  key.destination = address;
  return key.is_v4() ? v4_.has_vip(key) : v6_.has_vip(key);
}

}  // namespace sluice
