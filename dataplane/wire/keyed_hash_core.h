// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The construction of the keyed hash, written once over the kind of register that does the AES rounds.
// Included by the two twins only. A Vector has: load(16 bytes), of(low, high), ^, round(state, key), low().
#pragma once

#include <bit>
#include <cstring>

#include "dataplane/wire/keyed_hash.h"

// The AES-NI twin is compiled for a cpu that has it, and so must be all that is inlined there.
#ifndef SLUICE_HASH_TARGET
#define SLUICE_HASH_TARGET
#endif

namespace sluice::keyed_hash {

static_assert(std::endian::native == std::endian::little,
              "blocks are put together from numbers in memory order");

template <typename Vector>
class Core {
 public:
  SLUICE_HASH_TARGET explicit Core(const KeyedHash& hash) {
    for (unsigned i = 0; i < KeyedHash::kRounds; ++i) key_[i] = Vector::load(hash.round_keys()[i].data());
    for (unsigned i = 0; i < KeyedHash::kOffsets; ++i) offset_[i] = Vector::load(hash.offset(i).data());
  }

  SLUICE_HASH_TARGET std::uint64_t flow(const FlowKey& flow, HashFields fields) const {
    // All bits of a field that is hashed, none of one that is not.
    const std::uint64_t destination_mask = fields == HashFields::kSource ? 0 : ~0ull;
    const std::uint64_t rest_mask = fields == HashFields::kFiveTuple ? ~0ull : destination_mask << 32;
    const auto* at = reinterpret_cast<const std::uint8_t*>(&flow);
    const std::uint64_t rest = number(at + 32) & rest_mask;  // ports, protocol, three zeros
    if (flow.is_v4()) {
      const std::uint64_t destination = number(at + 24) & destination_mask;
      // The upper halves: what the flow key keeps in bytes 12..15 and 28..31.
      const std::uint64_t addresses = number(at + 8) >> 32 | (destination >> 32) << 32;
      return permute(Vector::of(addresses, rest) ^ offset_[KeyedHash::kOffsetV4]).low();
    }
    const Vector sum =
        permute(Vector::load(at) ^ offset_[0]) ^
        permute(Vector::of(number(at + 16) & destination_mask, number(at + 24) & destination_mask) ^
                offset_[1]) ^
        permute(Vector::of(rest, 0) ^ offset_[2]);
    return permute(sum).low();
  }

  SLUICE_HASH_TARGET std::uint64_t bytes(std::span<const std::uint8_t> bytes) const {
    Vector state = offset_[KeyedHash::kOffsetBytes];
    std::size_t at = 0;
    for (; at + 16 <= bytes.size(); at += 16) state = permute(state ^ Vector::load(&bytes[at]));
    std::uint8_t tail[16] = {};
    if (at < bytes.size()) std::memcpy(tail, &bytes[at], bytes.size() - at);
    state = permute(state ^ Vector::load(tail));
    return permute(state ^ Vector::of(bytes.size(), 0)).low();
  }

  SLUICE_HASH_TARGET void burst(const Burst& burst, std::uint64_t* out) const {
    for (std::uint64_t left = burst.mask; left != 0; left &= left - 1) {
      const auto i = static_cast<unsigned>(std::countr_zero(left));
      out[i] = flow(burst.flows[i], burst.fields[i * burst.stride]);
    }
  }

 private:
  static std::uint64_t number(const std::uint8_t* at) {
    std::uint64_t value;
    std::memcpy(&value, at, 8);
    return value;
  }
  SLUICE_HASH_TARGET Vector permute(Vector state) const {
    for (const Vector& key : key_) state = Vector::round(state, key);
    return state;
  }

  Vector key_[KeyedHash::kRounds];
  Vector offset_[KeyedHash::kOffsets];
};

}  // namespace sluice::keyed_hash
