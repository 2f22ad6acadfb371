// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What the rigs of tests and fuzzers stand on: ports made of rings, and frames in memory of their own.
#pragma once

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <cstdint>
#include <span>
#include <string>

namespace sluice::test {

// Throws std::runtime_error that says `otherwise`.
void must(bool holds, const char* otherwise);

rte_ring* make_ring(const std::string& name, unsigned depth);

// A started port with one queue each way: what is put into `rx` is received, what is sent lies in `tx`.
struct RingPort {
  rte_ring *rx = nullptr, *tx = nullptr;
  std::uint16_t dpdk_port = 0;
};
RingPort make_ring_port(const std::string& name, unsigned depth, rte_mempool* pool);

// A packet whose bytes end where the frame ends, so that the address sanitizer sees who reads beyond; null
// when the pool has no buffer. `outside` counts those that were not given back, and outlives them.
rte_mbuf* frame_buffer(rte_mempool* pool, std::span<const std::uint8_t> frame, unsigned headroom,
                       unsigned& outside);

}  // namespace sluice::test
