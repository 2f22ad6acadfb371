// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Hash -> where an entry may be. A bucket is one cache line of ten places, each a 16-bit tag and an index of
// an entry. A hash has two buckets; it goes to the first unless that one is nearly full and the second is
// not. The first one counts those that went on, so that a miss seldom looks at the second.
//
// The second bucket follows from the first and the tag, and the first from the second in the same way (the
// idea of cuckoo filters; Fan, Andersen, Kaminsky, Mitzenmacher 2014): an entry leaves without its hash being
// known. Nothing is ever displaced.
//
// Six entries a bucket when full (60 %): measured after long churn at that level, one entry in six lives in
// its second bucket, and of three million inserts two found both buckets full.
#pragma once

#include <bit>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "dataplane/table/pages.h"

namespace sluice {

class FlowIndex {
 public:
  static constexpr unsigned kWays = 10, kFillFirst = 8, kEntriesPerBucket = 6;
  static constexpr std::uint32_t kFewestBuckets = 16;

  struct alignas(64) Bucket {
    std::uint16_t tag[kWays];  // 0 = free
    std::uint16_t overflow;    // entries whose first bucket is this one and that live in their second
    std::uint16_t spare;
    std::uint32_t entry[kWays];
  };
  static_assert(sizeof(Bucket) == 64);

  struct Spot {  // what a hash says
    std::uint32_t first;
    std::uint16_t tag;
  };

  static constexpr std::uint32_t buckets_for(std::uint32_t entries) {
    const std::uint32_t buckets = entries / kEntriesPerBucket + 1;
    return buckets < kFewestBuckets ? kFewestBuckets : buckets;
  }

  FlowIndex() = default;
  explicit FlowIndex(std::uint32_t entries, bool at_once = false)
      : pages_(std::size_t{buckets_for(entries)} * sizeof(Bucket), at_once),
        buckets_(pages_.as<Bucket>()),
        count_(buckets_for(entries)) {}

  // A remix, because the caller's low bits have chosen the slot already: flows of one slot spread over all
  // buckets. Multiplying by an odd number loses nothing, and the upper half depends on every bit.
  [[nodiscard]] Spot spot(std::uint64_t hash) const {
    const std::uint64_t mixed = hash * 0x9e3779b97f4a7c15u;
    const auto high = static_cast<std::uint32_t>(mixed >> 32);
    const auto tag = static_cast<std::uint16_t>(mixed ^ high);
    return {scaled(high), tag ? tag : std::uint16_t{1}};
  }
  [[nodiscard]] std::uint32_t second(std::uint32_t first, std::uint16_t tag) const {
    const std::uint32_t sum = scaled(tag * 0x9e3779b1u);
    return sum >= first ? sum - first : sum + count_ - first;
  }
  [[nodiscard]] Bucket& at(std::uint32_t bucket) const { return buckets_[bucket]; }
  [[nodiscard]] std::uint64_t bytes() const { return pages_.bytes(); }
  [[nodiscard]] std::uint32_t buckets() const { return count_; }

  // Bit w: place w has this tag. 0 asks for the free places.
  static unsigned match(const Bucket& bucket, std::uint16_t tag) {
#if defined(__SSE2__)
    const auto* line = reinterpret_cast<const __m128i*>(&bucket);
    const __m128i want = _mm_set1_epi16(static_cast<short>(tag));
    const __m128i low = _mm_cmpeq_epi16(_mm_load_si128(line), want);
    const __m128i high = _mm_cmpeq_epi16(_mm_load_si128(line + 1), want);
    const int all = _mm_movemask_epi8(_mm_packs_epi16(low, high));
    return static_cast<unsigned>(all) & ((1u << kWays) - 1);
#else
    return match_scalar(bucket, tag);
#endif
  }
  static unsigned match_scalar(const Bucket& bucket, std::uint16_t tag) {
    unsigned hits = 0;
    for (unsigned way = 0; way < kWays; ++way) hits |= static_cast<unsigned>(bucket.tag[way] == tag) << way;
    return hits;
  }

  struct Placed {
    bool done;    // false: both buckets are full
    bool second;  // lives in its second bucket
    std::uint32_t bucket;
  };
  Placed add(Spot spot, std::uint32_t entry) {
    Bucket& first = at(spot.first);
    const unsigned free_first = match(first, 0);
    const unsigned used_first = kWays - static_cast<unsigned>(std::popcount(free_first));
    if (used_first < kFillFirst) return put(first, spot, free_first, entry, spot.first);
    const std::uint32_t other = second(spot.first, spot.tag);
    const unsigned free_other = match(at(other), 0);
    if (std::popcount(free_other) > std::popcount(free_first)) {
      ++first.overflow;
      Placed placed = put(at(other), spot, free_other, entry, other);
      placed.second = true;
      return placed;
    }
    if (free_first) return put(first, spot, free_first, entry, spot.first);
    return {false, false, 0};
  }

  // `entry` is in `bucket`, and that is its second one or not.
  void remove(std::uint32_t bucket, bool is_second, std::uint32_t entry) {
    Bucket& home = at(bucket);
    unsigned way = 0;
    while (home.tag[way] == 0 || home.entry[way] != entry) ++way;
    if (is_second) --at(second(bucket, home.tag[way])).overflow;
    home.tag[way] = 0;
  }

 private:
  [[nodiscard]] std::uint32_t scaled(std::uint32_t value) const {  // value * count / 2^32 < count
    return static_cast<std::uint32_t>((std::uint64_t{value} * count_) >> 32);
  }
  static Placed put(Bucket& bucket, Spot spot, unsigned free, std::uint32_t entry, std::uint32_t number) {
    const auto way = static_cast<unsigned>(std::countr_zero(free));
    bucket.tag[way] = spot.tag;
    bucket.entry[way] = entry;
    return {true, false, number};
  }

  Pages pages_;
  Bucket* buckets_ = nullptr;
  std::uint32_t count_ = 0;
};

}  // namespace sluice
