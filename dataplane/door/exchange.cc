// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/door/exchange.h"

#include <rte_lcore.h>

#include <stdexcept>

namespace sluice {
namespace {

rte_ring* make_ring(const std::string& name) {
  rte_ring* ring = rte_ring_create(name.c_str(), Exchange::kDepth, SOCKET_ID_ANY,
                                   RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
  if (!ring) throw std::runtime_error("no memory for the ring " + name + "; give EAL more hugepages");
  return ring;
}

}  // namespace

Exchange::Exchange(const std::string& name)
    : requests_(make_ring(name + "-ask")), answers_(make_ring(name + "-say")) {}

Exchange::~Exchange() {
  rte_ring_free(requests_);
  rte_ring_free(answers_);
}

}  // namespace sluice
