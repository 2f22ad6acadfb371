// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Which DIP a probe of control is for, when it travels like a client's packet (A9): control connects to the
// VIP from one of the MUX's own addresses and from a source port of a reserved range, and this table says
// which target stands for that port. A fixed table of atomics and not part of the snapshot, since probes come
// and go a thousand times a second.
//
// A port keeps its target when its socket is closed, until it is given out again: the kernel's last packet of
// a connection (its reset) finds the same way as the ones before.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "dataplane/table/snapshot.h"

namespace sluice {

class ProbePorts {
 public:
  // 61440 to 65535, above the kernel's own choice of ports (net.ipv4.ip_local_port_range, to 60999).
  static constexpr std::uint16_t kFirst = 0xf000;
  static constexpr unsigned kCount = 4096;

  ProbePorts() {
    for (auto& target : targets_) target.store(kNoTarget, std::memory_order_relaxed);
  }

  // Control thread. `port` lies in the range; `target` is a Target::counter.
  void set(std::uint16_t port, std::uint32_t target) {
    targets_[port - kFirst].store(target, std::memory_order_release);
  }
  // Any thread, any port: the id of the target, or kNoTarget.
  [[nodiscard]] std::uint32_t target_of(std::uint16_t port) const {
    return port < kFirst ? kNoTarget : targets_[port - kFirst].load(std::memory_order_acquire);
  }

 private:
  static_assert(kFirst + kCount == 0x10000);
  std::array<std::atomic<std::uint32_t>, kCount> targets_;  // control writes; kernel path and worker read
};

}  // namespace sluice
