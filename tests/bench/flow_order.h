// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Whose packet comes next: what a flow table costs depends on the order in which flows come back.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace sluice::bench {

enum class Order : std::uint8_t {
  kRandom,  // every packet of a flow drawn anew, all alike
  kLocal,   // a burst of 64 holds eight flows with eight packets each, in turn
  kZipf,    // flow k comes as often as 1/k: few flows have most of the packets
  kNew,     // every packet of another flow than all before
};

// The numbers are in [0, flows), but for kNew, which counts on for ever. The same sequence in every run.
class FlowOrder {
 public:
  // `flows` >= 1.
  FlowOrder(Order order, std::uint32_t flows) : order_(order), flows_(flows) {
    if (order != Order::kZipf) return;
    // exp(u ln(N + 1)) rounded down is k with probability ln(1 + 1/k) / ln(N + 1).
    std::mt19937 random(4711);
    std::uniform_real_distribution<double> u(0, std::log(flows + 1.0));
    drawn_.resize(kDrawn);
    for (std::uint32_t& flow : drawn_)
      flow = std::min(static_cast<std::uint32_t>(std::exp(u(random))) - 1, flows - 1);
  }

  std::uint64_t next() {
    const std::uint64_t n = count_++;
    switch (order_) {
      case Order::kRandom:
        return draw(n);
      case Order::kLocal:
        if (n % 64 == 0) {
          for (unsigned i = 0; i < train_.size(); ++i) train_[i] = draw(n + i);
        }
        return train_[n % train_.size()];
      case Order::kZipf:
        return drawn_[n % kDrawn];
      case Order::kNew:
        return n;
    }
    return 0;
  }

 private:
  static constexpr std::uint64_t kDrawn = 1u << 20;  // read in order, so that the cpu fetches them ahead

  [[nodiscard]] std::uint64_t draw(std::uint64_t n) const {
    return ((n * 0x9e3779b97f4a7c15u >> 32) * flows_) >> 32;
  }

  Order order_;
  std::uint64_t flows_, count_ = 0;
  std::array<std::uint64_t, 8> train_{};
  std::vector<std::uint32_t> drawn_;
};

}  // namespace sluice::bench
