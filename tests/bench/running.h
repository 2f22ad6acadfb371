// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Work on an lcore of its own, and the cpu time that its thread has used: what else runs on that cpu takes
// wall time, not cpu time.
#pragma once

#include <pthread.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <time.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <utility>

namespace sluice::bench {

inline void wait(double seconds) {
  const auto whole = static_cast<time_t>(seconds);
  timespec left{whole, static_cast<long>((seconds - static_cast<double>(whole)) * 1e9)};
  while (nanosleep(&left, &left) != 0) {
  }
}

class Running {
 public:
  // Starts at once; `work` returns when its owner has asked for it. Throws when the lcore is busy.
  Running(unsigned lcore, std::function<void()> work) : lcore_(lcore), work_(std::move(work)) {
    if (rte_eal_remote_launch(main, this, lcore) != 0) throw std::runtime_error("the worker's lcore is busy");
    while (!started_.load(std::memory_order_acquire)) {
    }
  }
  ~Running() { join(); }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  void join() { rte_eal_wait_lcore(lcore_); }
  [[nodiscard]] std::uint64_t cpu_ns() const {
    clockid_t clock;
    timespec used{};
    if (pthread_getcpuclockid(thread_, &clock) != 0 || clock_gettime(clock, &used) != 0)
      throw std::runtime_error("the cpu time of the worker cannot be read");
    return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(used.tv_nsec);
  }

 private:
  static int main(void* self) {
    auto& running = *static_cast<Running*>(self);
    running.thread_ = pthread_self();
    running.started_.store(true, std::memory_order_release);
    running.work_();
    return 0;
  }

  unsigned lcore_;
  std::function<void()> work_;
  std::atomic<bool> started_{false};
  pthread_t thread_{};
};

}  // namespace sluice::bench
