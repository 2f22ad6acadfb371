// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Tells a fresh advert from one that somebody recorded and plays back. Within one life of its sender (a boot)
// adverts are numbered, and only a larger number is fresh. A boot that is new to us is believed once it has
// echoed what we sent a moment ago, which no recording can. Pure; one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "control/pool/advert.h"

namespace sluice::pool {

class Guard {
 public:
  // So many of our adverts may be on the way and unanswered.
  static constexpr std::uint64_t kWindow = 30;

  // `boot` differs from that of every earlier life: random, not 0.
  explicit Guard(std::uint64_t boot) : boot_(boot) {}

  // Of the next advert to `peer`.
  Stamp next(const std::string& peer);
  // Whether an advert of `peer` is fresh. One that is not may still be echoed, to let its sender prove
  // itself.
  bool accept(const std::string& peer, const Stamp& stamp);
  [[nodiscard]] std::uint64_t refused() const { return refused_; }

 private:
  struct Peer {
    std::uint64_t sent = 0;                        // the number of our last one
    std::uint64_t boot = 0, sequence = 0;          // of the life that we believe in; 0 = none yet
    std::uint64_t new_boot = 0, new_sequence = 0;  // of one that has not proved itself
    std::vector<std::uint64_t> over;               // the last lives that are over
  };

  const std::uint64_t boot_;
  std::map<std::string, Peer> peers_;
  std::uint64_t refused_ = 0;
};

}  // namespace sluice::pool
