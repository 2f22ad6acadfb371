// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/door/bell.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <stdexcept>

namespace sluice {

Bell::Bell() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (fd_ < 0)
    throw std::runtime_error("no file descriptor for a worker's bell: raise the limit (ulimit -n)");
}

Bell::~Bell() {
  close(fd_);
}

void Bell::wake() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);  // what was put there comes first
  if (state() != State::kAsleep) return;
  constexpr std::uint64_t kOnce = 1;
  // It can only fail when nobody has answered 2^64 calls.
  if (write(fd_, &kOnce, sizeof kOnce) < 0) return;
}

void Bell::set(State state) noexcept {
  state_.store(state, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

void Bell::hush() noexcept {
  std::uint64_t calls = 0;
  if (read(fd_, &calls, sizeof calls) < 0) return;  // nobody called
}

}  // namespace sluice
