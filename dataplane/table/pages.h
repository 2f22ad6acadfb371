// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Zeroed memory straight from the kernel for large arrays: address space at once, memory as it is touched, in
// huge pages where the kernel has some (random access over a gigabyte misses the TLB on every 4-KiB page).
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace sluice {

class Pages {
 public:
  Pages() = default;
  // Throws std::bad_alloc when the kernel refuses the address space (a limit, or strict accounting). 0 bytes
  // are no memory. `at_once`: all the memory now, about 0.1 s a GiB, and no page fault later (measured: 0.2
  // to 0.35 ms where the kernel clears a huge page). Control thread.
  explicit Pages(std::size_t bytes, bool at_once = false);
  ~Pages();
  Pages(Pages&& other) noexcept
      : start_(std::exchange(other.start_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Pages& operator=(Pages&& other) noexcept {
    std::swap(start_, other.start_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  template <typename T>
  [[nodiscard]] T* as() const {
    return static_cast<T*>(start_);
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  // The largest size the kernel would give now, to a MiB, at most `most`.
  static std::size_t largest(std::size_t most);

 private:
  void* start_ = nullptr;
  std::size_t bytes_ = 0;
};

// What this process could still take without swapping or being killed: the machine's MemAvailable, and what
// the memory limits of its control groups (version 2) leave. ~0 where neither is known.
[[nodiscard]] std::uint64_t free_memory();

}  // namespace sluice
