// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The second hash: keyed, not linear, independent of Toeplitz. Tier-2 slots, flow table buckets and the
// fragment table use it, for two reasons: knowing the Toeplitz key must not let anyone aim flows at one
// bucket, and behind tier 1 all flows of a group share their Toeplitz slot, so a second use of it would reach
// only part of the slots.
//
// Built of AES rounds: a four-round permutation with round keys derived from the secret; any difference in
// one block meets at least 25 active S-boxes (Daemen, Rijmen: differentials of at most 2^-113 over four
// rounds), so colliding inputs cannot be computed without the secret. An IPv4 flow is one block (source,
// destination, ports, protocol); an IPv6 flow is three, permuted side by side under offsets of their own,
// xored, and permuted once more (the shape of PMAC). The low 64 bits of the last block are the hash. It is
// not a signature: 64 bits, and its strength is meant for tables.
//
// Cost on a 2.6 GHz Zen 5: 2.0 ns an IPv4 flow and 2.6 an IPv6 flow in a burst, 6 alone; portable 90 and 340.
// AES-NI and a portable twin give the same values, so nodes with different cpus agree. All numbers in the
// blocks are in network order, the result is read as little endian: the same on every machine.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "dataplane/wire/flow_key.h"

namespace sluice {

using HashSecret = std::array<std::uint8_t, 16>;

// One way from the configured key (any length, at least 16 bytes to be a secret) to a secret for one purpose,
// by SipHash-2-4: all MUXes with the same configuration get the same secret, other purposes get unrelated
// ones, and the secret tells nothing of the key. Control only (microseconds).
[[nodiscard]] HashSecret derive_secret(std::span<const std::uint8_t> toeplitz_key, std::string_view purpose);

// Immutable after construction; any thread; never fails or allocates.
class KeyedHash {
 public:
  static constexpr unsigned kRounds = 4;
  using Block = std::array<std::uint8_t, 16>;

  explicit KeyedHash(std::span<const std::uint8_t, 16> secret);

  // kFiveTuple: addresses, ports, protocol; kThreeTuple: without ports; kSource: the source address alone.
  [[nodiscard]] std::uint64_t operator()(const FlowKey& flow, HashFields fields) const;
  // Any bytes, any length; one permutation per 16 bytes and one for the length.
  [[nodiscard]] std::uint64_t bytes(std::span<const std::uint8_t> bytes) const;

  [[nodiscard]] const std::array<Block, kRounds>& round_keys() const { return round_keys_; }
  // Xored onto a block before its permutation: 0..2 for the blocks of IPv6, one for IPv4, one to start
  // bytes().
  static constexpr unsigned kOffsetV4 = 3, kOffsetBytes = 4, kOffsets = 5;
  [[nodiscard]] const Block& offset(unsigned i) const { return offsets_[i]; }
  [[nodiscard]] bool uses_aesni() const { return aesni_; }

 private:
  alignas(16) std::array<Block, kRounds> round_keys_;
  alignas(16) std::array<Block, kOffsets> offsets_;
  bool aesni_;
};

// out[i] = hash(flows[i], fields) for each i whose bit is set in `mask`; other out[i] stay as they are.
void hash_burst(const KeyedHash& hash, const FlowKey* flows, HashFields fields, std::uint64_t mask,
                std::uint64_t* out);
void hash_burst(const KeyedHash& hash, const FlowKey* flows, const HashFields* fields, std::uint64_t mask,
                std::uint64_t* out);

// The twins, held equal by a test.
namespace keyed_hash {

// fields[i * stride] belongs to flow i; stride is 0 (one for all) or 1.
struct Burst {
  const FlowKey* flows;
  const HashFields* fields;
  unsigned stride;
  std::uint64_t mask;
};

void burst_software(const KeyedHash& hash, const Burst& burst, std::uint64_t* out);
std::uint64_t bytes_software(const KeyedHash& hash, std::span<const std::uint8_t> bytes);
bool aesni_supported();
void burst_aesni(const KeyedHash& hash, const Burst& burst, std::uint64_t* out);  // only where supported
std::uint64_t bytes_aesni(const KeyedHash& hash, std::span<const std::uint8_t> bytes);

// One AES round (FIPS 197: SubBytes, ShiftRows, MixColumns, AddRoundKey).
KeyedHash::Block aes_round_software(const KeyedHash::Block& state, const KeyedHash::Block& round_key);
KeyedHash::Block aes_round_aesni(const KeyedHash::Block& state, const KeyedHash::Block& round_key);

}  // namespace keyed_hash
}  // namespace sluice
