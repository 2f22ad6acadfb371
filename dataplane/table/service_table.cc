// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/table/service_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <tuple>

namespace sluice {
namespace {

// Enough to find a good one for a few services, and little work for many.
constexpr std::size_t kHashTrials = 64, kTrialWork = 1 << 16;

void load_address(const IpAddress& address, std::uint64_t out[2]) {
  std::memcpy(out, address.byte.data(), 16);
}

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

}  // namespace

ServiceTable::Shape ServiceTable::shape_of(const Prefix& vip, Kind kind) {
  IpAddress ones;
  ones.byte.fill(0xff);
  const unsigned bits = vip.address.is_v4() ? vip.length + 96u : vip.length;
  // mask() keeps the mapped prefix of an IPv4 address; `ones` is no IPv4 address, so all 128 bits count.
  const IpAddress mask_bits = mask(ones, bits);
  Shape shape{};
  load_address(mask_bits, shape.mask);
  shape.rest_mask = kind == Kind::kPort       ? kPortBits | kProtocolBits
                    : kind == Kind::kProtocol ? kProtocolBits
                                              : 0;
  shape.tag = std::uint64_t{bits} << 40 | std::uint64_t{static_cast<std::uint8_t>(kind)} << 32 |
              std::uint64_t{vip.address.is_v4()} << 48;
  return shape;
}

ServiceTable::Masked ServiceTable::masked(const FlowKey& key, const Shape& shape) noexcept {
  Masked m;
  load_address(key.destination, m.address);
  m.address[0] &= shape.mask[0];
  m.address[1] &= shape.mask[1];
  m.rest = (rest_of(key) & shape.rest_mask) | shape.tag;
  return m;
}

// Two rounds of multiplication with the upper half brought down between them.
std::uint32_t ServiceTable::Cells::place(const Masked& m) const noexcept {
  std::uint64_t h = (m.address[0] ^ m.rest) * 0x9e3779b97f4a7c15ull + m.address[1] * 0xc2b2ae3d27d4eb4full;
  h = (h ^ h >> 32) * multiplier_;
  return static_cast<std::uint32_t>(h >> 32) & mask_;
}

std::uint32_t ServiceTable::Cells::find(const Masked& m) const noexcept {
  for (std::uint32_t at = place(m);; at = (at + 1) & mask_) {
    const Cell& cell = cells_[at];
    if (cell.service == kNoService) return kNoService;
    if (cell.masked.address[1] == m.address[1] && cell.masked.rest == m.rest &&
        cell.masked.address[0] == m.address[0]) {
      return cell.service;
    }
  }
}

std::size_t ServiceTable::Cells::displaced(std::span<const Cell> entries) const {
  std::vector<bool> taken(cells_.size());
  std::size_t count = 0;
  for (const Cell& entry : entries) {
    const std::uint32_t at = place(entry.masked);
    count += taken[at];
    taken[at] = true;
  }
  return count;
}

void ServiceTable::Cells::insert(const Cell& entry) {
  std::uint32_t at = place(entry.masked);
  for (; cells_[at].service != kNoService; at = (at + 1) & mask_) {
    if (cells_[at].masked == entry.masked) return;
  }
  cells_[at] = entry;
}

void ServiceTable::Cells::build(std::span<const Cell> entries) {
  cells_.assign(std::bit_ceil(std::max<std::size_t>(8, entries.size() * 4)), Cell{});
  mask_ = static_cast<std::uint32_t>(cells_.size() - 1);
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

// A family without services has a shape all the same, one that no cell has: one branch less for every packet.
const ServiceTable::Shape& ServiceTable::first_of(const Shapes& family) {
  static constexpr Shape kNothing{{0, 0}, 0, ~0ull};
  return family.service.empty() ? kNothing : family.service.front();
}

ServiceTable::Cell ServiceTable::cell_of(const Entry& entry, Kind kind) {
  FlowKey key;
  key.destination = entry.vip.address;
  key.protocol = entry.protocol;
  key.destination_port = Big16(entry.port);
  return {masked(key, shape_of(entry.vip, kind)), entry.service};
}

ServiceTable::Kind ServiceTable::kind_of(const Entry& entry) {
  return entry.protocol == 0 ? Kind::kAddress : entry.port == 0 ? Kind::kProtocol : Kind::kPort;
}

// Longest prefix first, then the kind that looks at most of the key.
void ServiceTable::use_shapes(std::span<const Entry> entries) {
  std::set<std::tuple<int, int, bool>> used;  // -length, -kind, IPv4
  for (const Entry& e : entries) {
    used.emplace(-e.vip.length, -static_cast<int>(kind_of(e)), e.vip.address.is_v4());
    used.emplace(-e.vip.length, -static_cast<int>(Kind::kVip), e.vip.address.is_v4());
  }
  for (const auto& [length, kind, v4] : used) {
    Prefix any;
    if (v4) any.address = IpAddress::v4(Big32{});
    any.length = static_cast<std::uint8_t>(-length);
    const Kind shape_kind = static_cast<Kind>(-kind);
    Shapes& family = v4 ? shapes4_ : shapes6_;
    (shape_kind == Kind::kVip ? family.vip : family.service).push_back(shape_of(any, shape_kind));
  }
}

ServiceTable::ServiceTable(std::span<const Entry> entries) {
  use_shapes(entries);
  std::vector<Cell> services, vips;
  for (const Entry& e : entries) {
    services.push_back(cell_of(e, kind_of(e)));
    vips.push_back(cell_of(e, Kind::kVip));
  }
  services_.build(services);
  vips_.build(vips);
}

std::uint32_t ServiceTable::lookup(const FlowKey& key) const noexcept {
  for (const Shape& shape : shapes(key.is_v4()).service) {
    if (const std::uint32_t service = services_.find(masked(key, shape)); service != kNoService)
      return service;
  }
  return kNoService;
}

std::uint64_t ServiceTable::lookup(const FlowKey* keys, std::uint64_t wanted,
                                   std::uint32_t* out) const noexcept {
  // The first probe decides nearly every packet. No prefetching: a probe is 40 instructions that wait for
  // nothing, so the cpu has the cells of several packets under way by itself, and a second pass costs more
  // than it hides.
  const Shape* const first4 = &first_of(shapes4_);
  const Shape* const first6 = &first_of(shapes6_);
  std::uint64_t missing = 0;
  for (std::uint64_t left = wanted; left; left &= left - 1) {
    const unsigned i = static_cast<unsigned>(std::countr_zero(left));
    out[i] = services_.find(masked(keys[i], *(keys[i].is_v4() ? first4 : first6)));
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
  for (const Shape& shape : shapes(address.is_v4()).vip) {
    if (vips_.find(masked(key, shape)) != kNoService) return true;
  }
  return false;
}

}  // namespace sluice
