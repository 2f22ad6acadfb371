// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The one bounded door to packet bytes: a reader hands out a header only when all of it lies inside the
// frame, and moves past it. Nothing is copied.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice {

class Reader {
 public:
  Reader(const std::uint8_t* first, std::size_t bytes) : begin_(first), at_(first), end_(first + bytes) {}

  // The next header, or null when fewer than sizeof(Header) bytes are left (the reader then stays where it
  // is).
  template <typename Header>
  const Header* take() {
    static_assert(alignof(Header) == 1, "headers lie anywhere in a frame");
    const Header* header = peek<Header>();
    if (header) at_ += sizeof(Header);
    return header;
  }
  template <typename Header>
  [[nodiscard]] const Header* peek() const {
    return left() < sizeof(Header) ? nullptr : reinterpret_cast<const Header*>(at_);
  }
  // Moves on by `bytes`; false (and no move) when the frame ends before.
  bool skip(std::size_t bytes) {
    if (left() < bytes) return false;
    at_ += bytes;
    return true;
  }
  // Forgets all but the next `bytes` of the frame: Ethernet padding is not payload.
  bool limit(std::size_t bytes) {
    if (left() < bytes) return false;
    end_ = at_ + bytes;
    return true;
  }
  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] std::size_t offset() const { return static_cast<std::size_t>(at_ - begin_); }
  [[nodiscard]] const std::uint8_t* here() const { return at_; }

 private:
  const std::uint8_t* begin_;
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

}  // namespace sluice
