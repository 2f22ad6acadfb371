// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The keyed hash on any cpu: AES rounds by table and shifts, 50 to 130 times the cost of AES-NI. The
// table's lookups depend on secret data, which is a timing channel in theory; every cpu we deploy on has
// AES-NI.
#include "dataplane/wire/keyed_hash_core.h"

namespace sluice::keyed_hash {
namespace {

// Times x in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197 section 4.2).
constexpr std::uint8_t twice(std::uint8_t v) {
  return static_cast<std::uint8_t>(v << 1 ^ (v >> 7) * 0x1b);
}

// Walks the field by its generator 3 and by 3's inverse at once: p * q stays 1 (FIPS 197 section 5.1.1).
constexpr std::array<std::uint8_t, 256> make_sbox() {
  std::array<std::uint8_t, 256> sbox{};
  std::uint8_t p = 1, q = 1;
  do {
    p = static_cast<std::uint8_t>(p ^ twice(p));
    for (int shift : {1, 2, 4}) q = static_cast<std::uint8_t>(q ^ q << shift);
    if (q & 0x80) q ^= 0x09;
    sbox[p] = static_cast<std::uint8_t>(q ^ std::rotl(q, 1) ^ std::rotl(q, 2) ^ std::rotl(q, 3) ^
                                        std::rotl(q, 4) ^ 0x63);
  } while (p != 1);
  sbox[0] = 0x63;
  return sbox;
}

constexpr auto kSbox = make_sbox();

struct Portable {
  KeyedHash::Block byte;

  static Portable load(const std::uint8_t* from) {
    Portable v;
    std::memcpy(v.byte.data(), from, 16);
    return v;
  }
  static Portable of(std::uint64_t low, std::uint64_t high) {
    Portable v;
    std::memcpy(v.byte.data(), &low, 8);
    std::memcpy(v.byte.data() + 8, &high, 8);
    return v;
  }
  static Portable round(const Portable& state, const Portable& key) {
    return {aes_round_software(state.byte, key.byte)};
  }
  [[nodiscard]] std::uint64_t low() const {
    std::uint64_t value;
    std::memcpy(&value, byte.data(), 8);
    return value;
  }
  friend Portable operator^(Portable a, const Portable& b) {
    for (unsigned i = 0; i < 16; ++i) a.byte[i] ^= b.byte[i];
    return a;
  }
};

}  // namespace

KeyedHash::Block aes_round_software(const KeyedHash::Block& state, const KeyedHash::Block& round_key) {
  KeyedHash::Block out;
  for (unsigned column = 0; column < 4; ++column) {
    // ShiftRows: row r of this column comes from r columns further on.
    std::uint8_t in[4];
    for (unsigned row = 0; row < 4; ++row) in[row] = kSbox[state[(column + row) % 4 * 4 + row]];
    const std::uint8_t all = in[0] ^ in[1] ^ in[2] ^ in[3];
    for (unsigned row = 0; row < 4; ++row) {
      const auto mixed = static_cast<std::uint8_t>(in[row] ^ in[(row + 1) % 4]);
      out[column * 4 + row] =
          static_cast<std::uint8_t>(in[row] ^ all ^ twice(mixed) ^ round_key[column * 4 + row]);
    }
  }
  return out;
}

void burst_software(const KeyedHash& hash, const Burst& burst, std::uint64_t* out) {
  Core<Portable>(hash).burst(burst, out);
}

std::uint64_t bytes_software(const KeyedHash& hash, std::span<const std::uint8_t> bytes) {
  return Core<Portable>(hash).bytes(bytes);
}

}  // namespace sluice::keyed_hash
