// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The way to the kernel where the kernel says no. Each test is alone in a network namespace of its own.
#include "dataplane/io/kernel_path.h"

#include <gtest/gtest.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "tests/packet/sluice.h"
#include "tests/unit/neighbor/namespace.h"

namespace sluice::io {
namespace {

// A path with one TAP, which is given these packets and then ends.
void expect_refused(std::vector<rte_mbuf*> packets) {
  rte_ring* outbox = rte_ring_create("outbox", 64, SOCKET_ID_ANY, 0);
  rte_ring* probes = rte_ring_create("probes", 64, SOCKET_ID_ANY, 0);
  const ProbePorts ports;
  KernelPath path({{.port = 0, .interface = "tap0", .outbox = outbox}}, test::rig_pool(),
                  {.ports = &ports, .ring = probes, .owner = nullptr});
  for (rte_mbuf* packet : packets) ASSERT_EQ(rte_ring_enqueue(path.to_kernel(0), packet), 0);
  EXPECT_EQ(path.held(0), packets.size());
  path.start();
  path.stop();
  const PortCounters& port = path.counters().port[0];
  EXPECT_EQ(port.dropped[static_cast<unsigned>(DropReason::kKernelRefused)].get(), packets.size());
  EXPECT_EQ(port.punted_packets.get(), 0u);
  EXPECT_EQ(path.held(0), 0u);
}

TEST(KernelPath, APacketOfSeveralBuffersIsDroppedAsRefused) {
  neighbor::test::in_fresh_namespace([] {
    const unsigned before = rte_mempool_avail_count(test::rig_pool());
    rte_mbuf* packet = rte_pktmbuf_alloc(test::rig_pool());
    rte_pktmbuf_append(packet, 100);
    rte_mbuf* more = rte_pktmbuf_alloc(test::rig_pool());
    rte_pktmbuf_append(more, 100);
    rte_pktmbuf_chain(packet, more);
    expect_refused({packet});
    EXPECT_EQ(rte_mempool_avail_count(test::rig_pool()), before);
  });
}

}  // namespace
}  // namespace sluice::io
