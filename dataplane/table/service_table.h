// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Which service a packet belongs to: tuple-space search. The configuration uses a few shapes (prefix length,
// protocol given?, port given?); a lookup makes one hash probe for each shape in use, most specific first, so
// its cost depends on the number of shapes (usually one or two for a family) and not on the number of
// services.
//
// Order: longest VIP prefix first; within it address+protocol+port, then address+protocol, then address. A
// VIP that has no service for the packet's port lets a shorter prefix answer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/wire/address.h"
#include "dataplane/wire/flow_key.h"

namespace sluice {

inline constexpr std::uint32_t kNoService = 0xffffffff;

class ServiceTable {
 public:
  struct Entry {
    Prefix vip;
    std::uint8_t protocol = 0;  // 0 = any; then port is 0 too
    std::uint16_t port = 0;     // 0 = every port
    std::uint32_t service = 0;  // what a lookup returns
  };

  ServiceTable() = default;
  // Control thread. Two entries of the same VIP, protocol and port: the first stays (the configuration
  // forbids it).
  explicit ServiceTable(std::span<const Entry> entries);

  // Any thread. The service of a packet to key.destination, or kNoService.
  [[nodiscard]] std::uint32_t lookup(const FlowKey& key) const noexcept;
  // The burst form: for each bit i of `wanted`, out[i] = lookup(keys[i]), with the probes prefetched.
  void lookup(const FlowKey* keys, std::uint64_t wanted, std::uint32_t* out) const noexcept;
  // Is `address` inside the VIP of any service, whatever the port?
  [[nodiscard]] bool is_vip(const IpAddress& address) const noexcept;
  [[nodiscard]] std::size_t bytes() const { return cells_.size() * sizeof(Cell); }

 private:
  enum class Kind : std::uint8_t {
    kVip,
    kAddress,
    kProtocol,
    kPort
  };  // how much of the key a shape looks at
  struct Shape {
    std::uint64_t mask[2];
    std::uint64_t rest_mask;  // over protocol and port
    std::uint64_t tag;        // length and kind: cells of different shapes never compare equal
  };
  struct Cell {  // half a cache line; empty when service is kNoService
    std::uint64_t address[2];
    std::uint64_t rest;
    std::uint32_t service;
    std::uint32_t reserved;
  };
  struct Probe {
    std::uint64_t address[2];
    std::uint64_t rest;
    std::uint32_t cell;
  };
  struct Shapes {  // in the order of the probes
    std::vector<Shape> service, vip;
  };

  static Shape shape_of(const Prefix& vip, Kind kind);
  [[nodiscard]] Probe probe(const FlowKey& key, const Shape& shape) const noexcept;
  [[nodiscard]] std::uint32_t find(const Probe& probe) const noexcept;
  [[nodiscard]] const Shapes& shapes(bool v4) const { return v4 ? shapes4_ : shapes6_; }
  void insert(const Entry& entry, Kind kind);

  Shapes shapes4_, shapes6_;
  std::vector<Cell> cells_;  // a power of two, at most a quarter full, so that a hostile miss stays short
  std::uint32_t cell_mask_ = 0;
};

}  // namespace sluice
