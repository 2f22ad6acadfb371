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
  // The burst form: for each bit i of `wanted`, out[i] = lookup(keys[i]). The bits that found none.
  std::uint64_t lookup(const FlowKey* keys, std::uint64_t wanted, std::uint32_t* out) const noexcept;
  // Is `address` inside the VIP of any service, whatever the port?
  [[nodiscard]] bool is_vip(const IpAddress& address) const noexcept;
  [[nodiscard]] std::size_t bytes() const { return services_.bytes() + vips_.bytes(); }

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
  struct Masked {  // what a shape sees of a key
    std::uint64_t address[2];
    std::uint64_t rest;

    friend bool operator==(const Masked&, const Masked&) = default;
  };
  struct Cell {  // half a cache line; empty when service is kNoService
    Masked masked;
    std::uint32_t service = kNoService;
    std::uint32_t reserved = 0;
  };

  // Linear probing, at most a quarter full, so that a hostile miss stays short. Control builds it once, so it
  // takes the time to choose, of some hash functions, the one that leaves most entries in the first place
  // looked at: what is found there costs no mispredicted branch.
  class Cells {
   public:
    // Of two equal entries the first one stays.
    void build(std::span<const Cell> entries);
    [[nodiscard]] std::uint32_t find(const Masked& masked) const noexcept;
    [[nodiscard]] std::size_t bytes() const { return cells_.size() * sizeof(Cell); }

   private:
    [[nodiscard]] std::uint32_t place(const Masked& masked) const noexcept;
    [[nodiscard]] std::size_t displaced(std::span<const Cell> entries) const;
    void insert(const Cell& entry);

    std::vector<Cell> cells_{Cell{}};  // a power of two
    std::uint32_t mask_ = 0;
    std::uint64_t multiplier_ = 1;
  };
  struct Shapes {  // in the order of the probes
    std::vector<Shape> service, vip;
  };

  static Shape shape_of(const Prefix& vip, Kind kind);
  static Masked masked(const FlowKey& key, const Shape& shape) noexcept;
  static Kind kind_of(const Entry& entry);
  static Cell cell_of(const Entry& entry, Kind kind);
  static const Shape& first_of(const Shapes& family);
  void use_shapes(std::span<const Entry> entries);
  [[nodiscard]] const Shapes& shapes(bool v4) const { return v4 ? shapes4_ : shapes6_; }

  Shapes shapes4_, shapes6_;
  Cells services_, vips_;
};

}  // namespace sluice
