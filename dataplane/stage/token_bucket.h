// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A rate limit without a clock read: the caller passes the time stamp it has.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sluice {

class TokenBucket {
 public:
  TokenBucket() = default;
  // `rate_per_s` tokens a second, at most `depth` at once; starts full. A rate of zero gives no more than
  // that.
  TokenBucket(std::uint64_t rate_per_s, std::uint64_t depth, std::uint64_t tsc_hz)
      : tsc_per_token_(rate_per_s ? std::max<std::uint64_t>(1, tsc_hz / rate_per_s) : 0),
        depth_(depth),
        tokens_(depth) {}

  void refill(std::uint64_t now_tsc) {
    if (tsc_per_token_ == 0) return;
    if (now_tsc - last_tsc_ < tsc_per_token_) return;
    const std::uint64_t earned = (now_tsc - last_tsc_) / tsc_per_token_;
    tokens_ = std::min(depth_, tokens_ + earned);
    last_tsc_ += earned * tsc_per_token_;
  }
  // True when a token was there.
  bool take() {
    if (tokens_ == 0) return false;
    --tokens_;
    return true;
  }

 private:
  std::uint64_t tsc_per_token_ = 0, depth_ = 0, tokens_ = 0, last_tsc_ = 0;
};

}  // namespace sluice
