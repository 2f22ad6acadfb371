// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "tests/packet/ring_port.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace sluice::test {
namespace {

struct FrameMemory {
  rte_mbuf_ext_shared_info shared;
  std::uint8_t* bytes;
  unsigned* outside;
};

void give_back(void*, void* opaque) {
  auto* memory = static_cast<FrameMemory*>(opaque);
  --*memory->outside;
  std::free(memory->bytes);
  delete memory;
}

}  // namespace

void must(bool holds, const char* otherwise) {
  if (!holds) throw std::runtime_error(otherwise);
}

rte_ring* make_ring(const std::string& name, unsigned depth) {
  rte_ring* ring = rte_ring_create(name.c_str(), depth, SOCKET_ID_ANY, RING_F_EXACT_SZ);
  must(ring != nullptr, "no memory for a ring");
  return ring;
}

RingPort make_ring_port(const std::string& name, unsigned depth, rte_mempool* pool) {
  RingPort port;
  port.rx = make_ring(name + "-rx", depth);
  port.tx = make_ring(name + "-tx", depth);
  const int id = rte_eth_from_rings(name.c_str(), &port.rx, 1, &port.tx, 1, 0);
  must(id >= 0, "no port of rings");
  port.dpdk_port = static_cast<std::uint16_t>(id);
  const rte_eth_conf conf{};
  must(rte_eth_dev_configure(port.dpdk_port, 1, 1, &conf) == 0, "the port refuses its configuration");
  must(rte_eth_rx_queue_setup(port.dpdk_port, 0, 64, SOCKET_ID_ANY, nullptr, pool) == 0, "no rx queue");
  must(rte_eth_tx_queue_setup(port.dpdk_port, 0, 64, SOCKET_ID_ANY, nullptr) == 0, "no tx queue");
  must(rte_eth_dev_start(port.dpdk_port) == 0, "the port does not start");
  return port;
}

rte_mbuf* frame_buffer(rte_mempool* pool, std::span<const std::uint8_t> frame, unsigned headroom,
                       unsigned& outside) {
  rte_mbuf* m = rte_pktmbuf_alloc(pool);
  if (!m) return nullptr;
  auto* memory = new FrameMemory{};
  const auto bytes = static_cast<std::uint16_t>(headroom + frame.size());
  memory->bytes = static_cast<std::uint8_t*>(std::malloc(bytes));
  memory->outside = &outside;
  if (!frame.empty()) std::memcpy(memory->bytes + headroom, frame.data(), frame.size());
  memory->shared.free_cb = give_back;
  memory->shared.fcb_opaque = memory;
  rte_mbuf_ext_refcnt_set(&memory->shared, 1);
  rte_pktmbuf_attach_extbuf(m, memory->bytes, 0, bytes, &memory->shared);
  ++outside;
  m->data_off = static_cast<std::uint16_t>(headroom);
  m->data_len = static_cast<std::uint16_t>(frame.size());
  m->pkt_len = m->data_len;
  return m;
}

}  // namespace sluice::test
