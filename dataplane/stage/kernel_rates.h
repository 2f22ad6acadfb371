// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// How much may go to the kernel, by who sends it: a flood of one kind takes nothing from the others. Routing
// protocols, answers to health probes and the gateway's ARP must get through whatever strangers and a looping
// switch do (F3, F6).
//
// Work per packet is constant but for a binary search among the known hosts. Nobody can prove who he is
// here: a host on the link may call itself the gateway, as it may poison ARP. What strangers behind routers
// can do is bounded.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/stage/token_bucket.h"
#include "dataplane/table/snapshot.h"

struct rte_mbuf;

namespace sluice {

enum class KernelClass : std::uint8_t {
  kKnown,      // gateways and DIPs; hosts of the ports' subnets, to us alone
  kStrangers,  // everybody else, to us alone
  kEverybody,  // broadcast and multicast: ARP and ND questions of hosts that are not known, routing hellos
};

// Reads the frame, which may be malformed. Any thread.
[[nodiscard]] KernelClass kernel_class(const rte_mbuf& packet, const Snapshot& tables);

class KernelRates {
 public:
  // Of the rate for the known; a LAN with more questions than a tenth of it has a storm.
  static constexpr std::uint64_t kStrangersShare = 4, kEverybodysShare = 10;

  KernelRates() = default;
  // For the known `rate_per_s` packets, `at_once` in a burst. Worker thread from here on.
  KernelRates(std::uint64_t rate_per_s, std::uint64_t at_once, std::uint64_t tsc_hz)
      : buckets_{TokenBucket(rate_per_s, at_once, tsc_hz),
                 TokenBucket(rate_per_s / kStrangersShare, at_once / kStrangersShare, tsc_hz),
                 TokenBucket(rate_per_s / kEverybodysShare, at_once / kEverybodysShare, tsc_hz)} {}

  // True when one more may go.
  bool take(KernelClass who, std::uint64_t now_tsc) {
    TokenBucket& bucket = buckets_[static_cast<unsigned>(who)];
    bucket.refill(now_tsc);
    return bucket.take();
  }

 private:
  std::array<TokenBucket, 3> buckets_;
};

}  // namespace sluice
