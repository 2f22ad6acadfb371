// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "tests/unit/stage/mutate.h"

#include <algorithm>
#include <array>

#include "tests/packet/fixture.h"

namespace sluice::test {
namespace {

constexpr unsigned kMostBytes = 2000;
constexpr std::array<std::uint8_t, 12> kNasty = {0, 1, 4, 5, 0x40, 0x45, 0x4f, 0x60, 0x7f, 0x80, 0xfe, 0xff};
// Protocols and next headers that parsers follow.
constexpr std::array<std::uint8_t, 13> kNextHeaders = {0, 1, 4, 6, 17, 41, 43, 44, 50, 51, 58, 60, 132};

// Makes the IPv4 checksum right, so that the parser goes on to what lies behind it.
void repair_checksum(Bytes& frame) {
  std::size_t l3 = 14;
  if (frame.size() > 18 && get16(frame, 12) == 0x8100) l3 = 18;
  if (frame.size() < l3 + 20 || frame[l3] >> 4 != 4) return;
  const std::size_t header_bytes = (frame[l3] & 15u) * 4;
  if (header_bytes < 20 || frame.size() < l3 + header_bytes) return;
  set16(frame, l3 + 10, 0);
  set16(frame, l3 + 10, naive_checksum(slice(frame, l3, l3 + header_bytes)));
}

}  // namespace

Mutator::Mutator(unsigned seed) : random_(seed) {
  for (const Fixture& fixture : all_fixtures()) {
    for (const Bytes& frame : fixture.in) corpus_.push_back(slice(frame, 0, kMostBytes));
  }
  std::ranges::sort(corpus_);
  corpus_.erase(std::unique(corpus_.begin(), corpus_.end()), corpus_.end());
}

void Mutator::change(Bytes& frame) {
  const auto size = static_cast<unsigned>(frame.size());
  // Most of what is looked at lies in front.
  const auto place = [&] { return below(below(4) ? std::min(size, 100u) : size); };
  switch (size == 0 ? 6 : below(8)) {
    case 0:
      frame[place()] ^= static_cast<std::uint8_t>(1u << below(8));
      break;
    case 1:
      frame[place()] = static_cast<std::uint8_t>(below(256));
      break;
    case 2:
      frame[place()] = kNasty[below(kNasty.size())];
      break;
    case 3:
      frame[place()] = kNextHeaders[below(kNextHeaders.size())];
      break;
    case 4:  // a length, or an offset
      if (const unsigned at = place() & ~1u; at + 2 <= size)
        set16(frame, at, below(2) ? below(100) : size - at);
      break;
    case 5:
      frame.resize(place());
      break;
    case 6:
      frame.resize(std::min(kMostBytes, size + below(64)), static_cast<std::uint8_t>(below(256)));
      break;
    default: {  // the end of another frame
      const Bytes& other = corpus_[below(static_cast<unsigned>(corpus_.size()))];
      const unsigned at = place();
      frame.resize(at);
      append(frame, slice(other, std::min<std::size_t>(at, other.size())));
    }
  }
}

Bytes Mutator::next() {
  Bytes frame = corpus_[below(static_cast<unsigned>(corpus_.size()))];
  for (unsigned changes = 1 + below(4); changes > 0; --changes) change(frame);
  if (below(4)) repair_checksum(frame);
  return frame;
}

}  // namespace sluice::test
