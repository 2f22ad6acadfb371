// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/table/service_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>
#include <tuple>

namespace sluice {
namespace {

constexpr unsigned kBurstMax = 64;

std::uint64_t mix(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  std::uint64_t h = (a ^ c) * 0x9e3779b97f4a7c15ull;
  h ^= std::rotl(b * 0xc2b2ae3d27d4eb4full, 29);
  h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93ull;
  return h ^ (h >> 32);
}

void load_address(const IpAddress& address, std::uint64_t out[2]) {
  std::memcpy(out, address.byte.data(), 16);
}

// Protocol and port as they lie in the key; the same for keys of packets and of entries.
std::uint64_t rest_of(const FlowKey& key) {
  return std::uint64_t{key.destination_port.raw()} << 8 | key.protocol;
}

}  // namespace

ServiceTable::Shape ServiceTable::shape_of(const Prefix& vip, Kind kind) {
  IpAddress ones;
  ones.byte.fill(0xff);
  const unsigned bits = vip.address.is_v4() ? vip.length + 96u : vip.length;
  // mask() keeps the mapped prefix of an IPv4 address; `ones` is no IPv4 address, so all 128 bits count.
  const IpAddress mask_bits = mask(ones, bits);
  Shape shape{};
  load_address(mask_bits, shape.mask);
  shape.rest_mask = kind == Kind::kPort ? 0xffffff : kind == Kind::kProtocol ? 0xff : 0;
  shape.tag = std::uint64_t{bits} << 40 | std::uint64_t{static_cast<std::uint8_t>(kind)} << 32 |
              std::uint64_t{vip.address.is_v4()} << 48;
  return shape;
}

ServiceTable::Probe ServiceTable::probe(const FlowKey& key, const Shape& shape) const noexcept {
  Probe p;
  load_address(key.destination, p.address);
  p.address[0] &= shape.mask[0];
  p.address[1] &= shape.mask[1];
  p.rest = (rest_of(key) & shape.rest_mask) | shape.tag;
  p.cell = static_cast<std::uint32_t>(mix(p.address[0], p.address[1], p.rest)) & cell_mask_;
  return p;
}

std::uint32_t ServiceTable::find(const Probe& p) const noexcept {
  for (std::uint32_t at = p.cell;; at = (at + 1) & cell_mask_) {
    const Cell& cell = cells_[at];
    if (cell.service == kNoService) return kNoService;
    if (cell.address[1] == p.address[1] && cell.rest == p.rest && cell.address[0] == p.address[0]) {
      return cell.service;
    }
  }
}

void ServiceTable::insert(const Entry& entry, Kind kind) {
  FlowKey key;
  key.destination = entry.vip.address;
  key.protocol = entry.protocol;
  key.destination_port = Big16(entry.port);
  const Probe p = probe(key, shape_of(entry.vip, kind));
  if (find(p) != kNoService) return;
  std::uint32_t at = p.cell;
  while (cells_[at].service != kNoService) at = (at + 1) & cell_mask_;
  cells_[at] = {{p.address[0], p.address[1]}, p.rest, entry.service, 0};
}

ServiceTable::ServiceTable(std::span<const Entry> entries) {
  // Longest prefix first, then the kind that looks at most of the key.
  std::set<std::tuple<int, int, bool>> used;  // -length, -kind, IPv4
  const auto kind_of = [](const Entry& e) {
    return e.protocol == 0 ? Kind::kAddress : e.port == 0 ? Kind::kProtocol : Kind::kPort;
  };
  for (const Entry& e : entries) {
    used.emplace(-e.vip.length, -static_cast<int>(kind_of(e)), e.vip.address.is_v4());
    used.emplace(-e.vip.length, -static_cast<int>(Kind::kVip), e.vip.address.is_v4());
  }
  cells_.resize(std::bit_ceil(std::max<std::size_t>(8, entries.size() * 8)), Cell{{0, 0}, 0, kNoService, 0});
  cell_mask_ = static_cast<std::uint32_t>(cells_.size() - 1);
  for (const auto& [length, kind, v4] : used) {
    Prefix any;
    if (v4) any.address = IpAddress::v4(Big32{});
    any.length = static_cast<std::uint8_t>(-length);
    const Kind shape_kind = static_cast<Kind>(-kind);
    Shapes& family = v4 ? shapes4_ : shapes6_;
    (shape_kind == Kind::kVip ? family.vip : family.service).push_back(shape_of(any, shape_kind));
  }
  for (const Entry& e : entries) {
    insert(e, kind_of(e));
    insert({e.vip, 0, 0, e.service}, Kind::kVip);
  }
}

std::uint32_t ServiceTable::lookup(const FlowKey& key) const noexcept {
  for (const Shape& shape : shapes(key.is_v4()).service) {
    if (const std::uint32_t service = find(probe(key, shape)); service != kNoService) return service;
  }
  return kNoService;
}

void ServiceTable::lookup(const FlowKey* keys, std::uint64_t wanted, std::uint32_t* out) const noexcept {
  // The first probe of all packets is prefetched; it decides nearly every packet.
  Probe first[kBurstMax];
  for (std::uint64_t left = wanted; left; left &= left - 1) {
    const unsigned i = static_cast<unsigned>(std::countr_zero(left));
    const auto& family = shapes(keys[i].is_v4()).service;
    if (family.empty()) {
      out[i] = kNoService;
      wanted &= ~(1ull << i);
      continue;
    }
    first[i] = probe(keys[i], family.front());
    __builtin_prefetch(&cells_[first[i].cell]);
  }
  for (std::uint64_t left = wanted; left; left &= left - 1) {
    const unsigned i = static_cast<unsigned>(std::countr_zero(left));
    out[i] = find(first[i]);
    if (out[i] == kNoService) [[unlikely]]
      out[i] = lookup(keys[i]);
  }
}

bool ServiceTable::is_vip(const IpAddress& address) const noexcept {
  FlowKey key;
  key.destination = address;
  for (const Shape& shape : shapes(address.is_v4()).vip) {
    if (find(probe(key, shape)) != kNoService) return true;
  }
  return false;
}

}  // namespace sluice
