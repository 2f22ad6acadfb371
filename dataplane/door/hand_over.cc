// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/door/hand_over.h"

#include <rte_lcore.h>

#include <stdexcept>

namespace sluice {

HandOverRing::HandOverRing(const std::string& name)
    : ring_(rte_ring_create(name.c_str(), kDepth, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ)) {
  if (!ring_) throw std::runtime_error("no memory for the hand-over ring " + name + "; give EAL more hugepages");
}

HandOverRing::~HandOverRing() {
  rte_mbuf* packet = nullptr;
  while (take(&packet, 1) == 1) rte_pktmbuf_free(packet);
  rte_ring_free(ring_);
}

}  // namespace sluice
