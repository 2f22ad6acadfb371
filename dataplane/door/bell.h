// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// How a thread without work sleeps in the kernel and misses nothing. Who has put something where the sleeper
// will look calls wake(): a load, and a system call only if the thread does sleep.
//
//   awake    had work a moment ago
//   drowsy   had none for a while
//   asleep   said so first, has then looked everywhere once more, and waits for its file descriptors
//
// Workers call each other only when they wake up, so that nobody makes a system call while packets flow: a
// worker falls asleep only while no other is awake. Both sides first write and then read (Dekker), so either
// the waker sees the sleeper asleep, or the sleeper sees the waker awake.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice {

class Bell {
 public:
  enum class State : std::uint8_t { kAwake, kDrowsy, kAsleep };

  // Control thread; throws std::runtime_error when the process has no file descriptors left.
  Bell();
  ~Bell();
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;

  // Any thread.
  void wake() noexcept;
  [[nodiscard]] State state() const { return state_.load(std::memory_order_relaxed); }

  // The sleeper: its new state is visible to all before it reads theirs.
  void set(State state) noexcept;
  // Readable when somebody called.
  [[nodiscard]] int fd() const { return fd_; }
  // The sleeper, awake: forgets the calls so far.
  void hush() noexcept;

 private:
  int fd_;
  alignas(64) std::atomic<State> state_{State::kAwake};
};

}  // namespace sluice
