// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The keyed hash by AESENC: four rounds of four cycles each, and several flows of a burst in flight at once.
#ifdef __x86_64__
#include <immintrin.h>
#define SLUICE_HASH_TARGET __attribute__((target("aes,sse4.1")))
#endif

#include "dataplane/wire/keyed_hash_core.h"

#ifdef __x86_64__
namespace sluice::keyed_hash {
namespace {

struct Aesni {
  __m128i value;

  SLUICE_HASH_TARGET static Aesni load(const std::uint8_t* from) {
    return {_mm_loadu_si128(reinterpret_cast<const __m128i_u*>(from))};
  }
  SLUICE_HASH_TARGET static Aesni of(std::uint64_t low, std::uint64_t high) {
    return {_mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low))};
  }
  SLUICE_HASH_TARGET static Aesni round(Aesni state, Aesni key) {
    return {_mm_aesenc_si128(state.value, key.value)};
  }
  [[nodiscard]] SLUICE_HASH_TARGET std::uint64_t low() const {
    return static_cast<std::uint64_t>(_mm_cvtsi128_si64(value));
  }
  SLUICE_HASH_TARGET friend Aesni operator^(Aesni a, Aesni b) { return {_mm_xor_si128(a.value, b.value)}; }
};

}  // namespace

bool aesni_supported() {
  return __builtin_cpu_supports("aes") && __builtin_cpu_supports("sse4.1");
}

SLUICE_HASH_TARGET KeyedHash::Block aes_round_aesni(const KeyedHash::Block& state,
                                                    const KeyedHash::Block& round_key) {
  const Aesni out = Aesni::round(Aesni::load(state.data()), Aesni::load(round_key.data()));
  KeyedHash::Block block;
  std::memcpy(block.data(), &out, 16);
  return block;
}

SLUICE_HASH_TARGET void burst_aesni(const KeyedHash& hash, const Burst& burst, std::uint64_t* out) {
  Core<Aesni>(hash).burst(burst, out);
}

SLUICE_HASH_TARGET std::uint64_t bytes_aesni(const KeyedHash& hash, std::span<const std::uint8_t> bytes) {
  return Core<Aesni>(hash).bytes(bytes);
}

}  // namespace sluice::keyed_hash

#else

namespace sluice::keyed_hash {

bool aesni_supported() {
  return false;
}
// This cpu's only twin is the portable one.
KeyedHash::Block aes_round_aesni(const KeyedHash::Block& state, const KeyedHash::Block& round_key) {
  return aes_round_software(state, round_key);
}
void burst_aesni(const KeyedHash& hash, const Burst& burst, std::uint64_t* out) {
  burst_software(hash, burst, out);
}
std::uint64_t bytes_aesni(const KeyedHash& hash, std::span<const std::uint8_t> bytes) {
  return bytes_software(hash, bytes);
}

}  // namespace sluice::keyed_hash
#endif
