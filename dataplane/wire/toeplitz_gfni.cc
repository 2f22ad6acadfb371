// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Toeplitz by 8x8 bit matrices. Input byte j adds to output byte k the product with matrix j+k (key bits from
// 8(j+k) on), so a 64-bit lane with matrix o is given the input bytes o, o-1, o-2, o-3 for the output bytes
// 0..3. That fills four of the lane's eight bytes; the other four serve a second flow. The xor of all lanes
// is two hashes. IPv4 (12 bytes) needs 15 lanes, two registers; IPv6 (36 bytes) 39 lanes, five registers.
#include <array>
#include <bit>

#include "dataplane/wire/toeplitz.h"

#ifdef __x86_64__
#include <immintrin.h>
#define SLUICE_GFNI __attribute__((target("gfni,avx512f,avx512bw,avx512vl,avx512vbmi")))

namespace sluice::toeplitz {
namespace {

template <unsigned Registers>
struct Layout {
  alignas(
      64) std::array<std::array<std::uint8_t, 64>, Registers> from{};  // byte of the first (+64: second) flow
  std::array<std::uint64_t, Registers> used{};
};

// The place in a FlowKey of input byte j.
constexpr unsigned place(bool v4, unsigned j) {
  return v4 ? (j < 4 ? 12 + j : 24 + j) : j;
}

template <bool V4, unsigned Registers>
constexpr Layout<Registers> make_layout() {
  constexpr unsigned kInput = V4 ? 12 : 36;
  Layout<Registers> layout;
  for (unsigned o = 0; o < 8 * Registers; ++o) {
    for (unsigned k = 0; k < 4; ++k) {
      if (o < k || o - k >= kInput) continue;
      const unsigned source = place(V4, o - k);
      const unsigned byte = o % 8 * 8 + 3 - k;  // output byte 0 is the highest of a little-endian number
      layout.from[o / 8][byte] = static_cast<std::uint8_t>(source);
      layout.from[o / 8][byte + 4] = static_cast<std::uint8_t>(source + 64);
      layout.used[o / 8] |= 0x11ull << byte;
    }
  }
  return layout;
}

constexpr auto kV4 = make_layout<true, 2>();
constexpr auto kV6 = make_layout<false, 5>();

// The hashes of two flows, as eight lanes to be xored.
template <unsigned Registers>
SLUICE_GFNI inline __m512i lanes(const std::uint64_t* matrices, const Layout<Registers>& layout,
                                 __m512i first, __m512i second) {
  __m512i sum = _mm512_setzero_si512();
  for (unsigned r = 0; r < Registers; ++r) {
    const __m512i bytes = _mm512_maskz_permutex2var_epi8(layout.used[r], first,
                                                         _mm512_load_si512(layout.from[r].data()), second);
    const __m512i matrix = _mm512_load_si512(matrices + 8 * r);
    sum = _mm512_xor_si512(sum, _mm512_gf2p8affine_epi64_epi8(bytes, matrix, 0));
  }
  return sum;
}

SLUICE_GFNI inline std::uint64_t xor_lanes(__m512i sum) {
  const __m256i four = _mm256_xor_si256(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64(sum, 1));
  const __m128i two = _mm_xor_si128(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm_xor_si128(two, _mm_unpackhi_epi64(two, two))));
}

template <unsigned Registers>
SLUICE_GFNI inline void hash_pairs(const ToeplitzKey& key, const Layout<Registers>& layout,
                                   const Burst& burst, std::uint64_t mask, std::uint32_t* out) {
  const auto load = [&](int i)
                        SLUICE_GFNI { return _mm512_maskz_loadu_epi8(burst.take[i], burst.flows + i); };
  while (mask != 0) {
    const int first = std::countr_zero(mask);
    mask &= mask - 1;
    const int second = mask != 0 ? std::countr_zero(mask) : first;
    mask &= mask - 1;
    const std::uint64_t two = xor_lanes(lanes(key.matrices(), layout, load(first), load(second)));
    out[first] = static_cast<std::uint32_t>(two);
    out[second] = static_cast<std::uint32_t>(two >> 32);
  }
}

}  // namespace

bool gfni_supported() {
  return __builtin_cpu_supports("gfni") && __builtin_cpu_supports("avx512vbmi") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

SLUICE_GFNI void gfni(const ToeplitzKey& key, const Burst& burst, std::uint32_t* out) {
  hash_pairs(key, kV4, burst, burst.v4, out);
  hash_pairs(key, kV6, burst, burst.v6, out);
}

}  // namespace sluice::toeplitz

#else

namespace sluice::toeplitz {

bool gfni_supported() {
  return false;
}
// This cpu's fast twin is the scalar one.
void gfni(const ToeplitzKey& key, const Burst& burst, std::uint32_t* out) {
  for (std::uint64_t left = burst.v4 | burst.v6; left != 0; left &= left - 1) {
    const int i = std::countr_zero(left);
    out[i] = scalar(key, burst.flows[i], burst.take[i]);
  }
}

}  // namespace sluice::toeplitz
#endif
