// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Which service a packet belongs to: tuple-space search. The configuration uses a few shapes (prefix length,
// protocol given?, port given?); a lookup makes one hash probe for each shape in use, most specific first, so
// its cost depends on the number of shapes (usually one or two for a family) and not on the number of
// services. Each family has tables of its own: all that a shape sees of an IPv4 packet is one word.
//
// Order: longest VIP prefix first; within it address+protocol+port, then address+protocol, then address. A
// VIP that has no service for the packet's port lets a shorter prefix answer.
#pragma once

#include <cstdint>
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
  [[nodiscard]] std::size_t bytes() const { return v4_.bytes() + v6_.bytes(); }

 private:
  enum class Kind : std::uint8_t {
    kVip,
    kAddress,
    kProtocol,
    kPort
  };  // how much of the key a shape looks at

  // What a shape sees of a key. The shape's own tag (length and kind) is part of it: cells of different
  // shapes never compare equal.
  struct SeenV4 {
    std::uint64_t word;
    [[nodiscard]] std::uint64_t hash(std::uint64_t multiplier) const { return word * multiplier; }
    friend bool operator==(const SeenV4&, const SeenV4&) = default;
  };
  struct SeenV6 {
    std::uint64_t address[2], rest;
    // Two rounds of multiplication with the upper half brought down between them.
    [[nodiscard]] std::uint64_t hash(std::uint64_t multiplier) const {
      const std::uint64_t h = (address[0] ^ rest) * 0x9e3779b97f4a7c15u + address[1] * 0xc2b2ae3d27d4eb4fu;
      return (h ^ h >> 32) * multiplier;
    }
    friend bool operator==(const SeenV6&, const SeenV6&) = default;
  };
  struct ShapeV4 {
    using Seen = SeenV4;
    static constexpr bool kIsV4 = true;
    ShapeV4() = default;  // one that no entry has
    ShapeV4(unsigned length, Kind kind);
    [[nodiscard]] SeenV4 see(const FlowKey& key) const noexcept;
    std::uint64_t mask = 0, tag = ~0ull;
  };
  struct ShapeV6 {
    using Seen = SeenV6;
    static constexpr bool kIsV4 = false;
    ShapeV6() = default;
    ShapeV6(unsigned length, Kind kind);
    [[nodiscard]] SeenV6 see(const FlowKey& key) const noexcept;
    std::uint64_t mask[2] = {}, rest_mask = 0, tag = ~0ull;
  };

  // Linear probing, at most a quarter full, so that a hostile miss stays short. Control builds it once, so it
  // takes the time to choose, of some hash functions, the one that leaves most entries in the first place
  // looked at: what is found there costs no mispredicted branch.
  template <typename Seen>
  class Cells {
   public:
    struct Cell {  // 16 or 32 bytes: never over the edge of a cache line. Empty when service is kNoService
      Seen seen{};
      std::uint32_t service = kNoService;
      std::uint32_t reserved = 0;
    };
    // Of two equal entries the first one stays.
    void build(std::span<const Cell> entries);
    [[nodiscard]] std::uint32_t find(const Seen& seen) const noexcept;
    [[nodiscard]] std::size_t bytes() const { return cells_.size() * sizeof(Cell); }

   private:
    [[nodiscard]] std::size_t place(const Seen& seen) const noexcept {
      return seen.hash(multiplier_) >> shift_;
    }
    [[nodiscard]] std::size_t displaced(std::span<const Cell> entries) const;
    void insert(const Cell& entry);

    std::vector<Cell> cells_{Cell{}};  // a power of two
    unsigned shift_ = 63;              // the upper bits of the hash are the place
    std::uint64_t mask_ = 0;
    std::uint64_t multiplier_ = 0;  // odd, but in an empty table
  };

  template <typename Shape>
  class Family {
   public:
    void build(std::span<const Entry> all);
    // By the most specific shape alone: it decides nearly every packet.
    [[nodiscard]] std::uint32_t first(const FlowKey& key) const noexcept {
      return services_.find(first_.see(key));
    }
    [[nodiscard]] std::uint32_t lookup(const FlowKey& key) const noexcept;
    [[nodiscard]] bool has_vip(const FlowKey& key) const noexcept;
    [[nodiscard]] std::size_t bytes() const { return services_.bytes() + vips_.bytes(); }

   private:
    using Table = Cells<typename Shape::Seen>;
    void use_shapes(std::span<const Entry> entries);

    Shape first_;  // of a family without services: one branch less for every packet
    std::vector<Shape> shapes_, vip_shapes_;  // in the order of the probes
    Table services_, vips_;
  };

  static Kind kind_of(const Entry& entry);

  Family<ShapeV4> v4_;
  Family<ShapeV6> v6_;
};

}  // namespace sluice
