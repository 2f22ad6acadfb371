// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What a worker does when a turn has found nothing: it looks again, then naps, then sleeps until a packet or
// a call wakes it. A nap costs little where timers are cheap, and a fifth of a core where a virtual machine
// makes each of them a trip to its host; sleep costs nothing, and needs ports that can wake (io/port.h).
#include <poll.h>
#include <rte_cycles.h>
#include <rte_pause.h>
#include <rte_ring.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <span>

#include "dataplane/worker/worker.h"

namespace sluice {
namespace {

constexpr unsigned kLookAgainUs = 50;
constexpr unsigned kDrowsyAfterUs = 1'000;
constexpr long kNapNs = 80'000;        // with what the kernel adds, a packet waits 100 us at most
constexpr long kSleepNs = 10'000'000;  // housekeeping goes on
constexpr unsigned kMostWakers = kMaxPorts + 1;

std::uint64_t tsc_of_us(std::uint64_t us) {
  static const std::uint64_t tsc_per_us = rte_get_tsc_hz() / 1'000'000;
  return us * tsc_per_us;
}

}  // namespace

void Worker::rest(unsigned found) noexcept {
  const std::uint64_t before_tsc = now_tsc_;
  now_tsc_ = rte_rdtsc();
  counters_.turns.add(1);
  counters_.total_cycles.add(now_tsc_ - before_tsc);
  if (found != 0) {
    counters_.packets.add(found);
    counters_.busy_cycles.add(now_tsc_ - before_tsc);
    idle_since_tsc_ = now_tsc_;
    wake_up();
    return;
  }
  if (!settings_.adaptive_idle) return;
  call_kernel();
  const std::uint64_t idle_tsc = now_tsc_ - idle_since_tsc_;
  if (idle_tsc < tsc_of_us(kLookAgainUs)) return rte_pause();
  const bool tired = idle_tsc >= tsc_of_us(kDrowsyAfterUs);
  if (!tired || !sleep()) {
    const timespec nap{0, kNapNs};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, nullptr);
  }
  const std::uint64_t rested_tsc = rte_rdtsc();
  counters_.total_cycles.add(rested_tsc - now_tsc_);
  now_tsc_ = rested_tsc;
}

// Work came. Whoever sleeps may soon get some of it.
void Worker::wake_up() noexcept {
  if (!settings_.bell || settings_.bell->state() == Bell::State::kAwake) [[likely]]
    return;
  settings_.bell->set(Bell::State::kAwake);
  for (Bell* other : settings_.others) other->wake();
}

// The kernel path sleeps too; it is called when there is time.
void Worker::call_kernel() noexcept {
  if (!settings_.kernel) return;
  const auto waiting = [](const PortLane& lane) { return lane.to_kernel && !rte_ring_empty(lane.to_kernel); };
  if (std::ranges::any_of(settings_.lanes, waiting)) settings_.kernel->wake();
}

// A queue that cannot wake us keeps us from sleeping, and so do packets that are held.
bool Worker::may_sleep() const noexcept {
  return settings_.bell && fragments_.held() == 0 && settings_.receive.size() < kMostWakers &&
         std::ranges::all_of(settings_.receive, [](const RxQueue& queue) { return queue.wake_fd >= 0; });
}

// False: not now.
bool Worker::sleep() noexcept {
  if (!may_sleep()) return false;
  Bell& bell = *settings_.bell;
  if (bell.state() != Bell::State::kAsleep) {
    bell.set(Bell::State::kAsleep);
    const bool alone = std::ranges::none_of(
        settings_.others, [](const Bell* other) { return other->state() == Bell::State::kAwake; });
    if (!alone) bell.set(Bell::State::kDrowsy);
    return alone;  // one more turn, now that everybody knows
  }
  pollfd wakers[kMostWakers] = {{bell.fd(), POLLIN, 0}};
  nfds_t count = 1;
  for (const RxQueue& queue : settings_.receive) wakers[count++] = {queue.wake_fd, POLLIN, 0};
  const timespec limit{0, kSleepNs};
  publisher_.offline(settings_.index);
  const int woken = ppoll(wakers, count, &limit, nullptr);
  publisher_.online(settings_.index);
  if (woken == 0) return true;
  // A socket whose link went down says so once, to who asks; unasked it would wake us for ever.
  for (const pollfd& waker : std::span(wakers, count)) {
    int error = 0;
    socklen_t bytes = sizeof error;
    if (waker.revents & POLLERR) [[unlikely]]
      getsockopt(waker.fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
  }
  bell.hush();
  // If it was for nothing, there is a while of naps before the next sleep.
  bell.set(Bell::State::kDrowsy);
  idle_since_tsc_ = rte_rdtsc();
  return true;
}

}  // namespace sluice
