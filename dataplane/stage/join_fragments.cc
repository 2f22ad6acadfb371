// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <rte_mbuf.h>

#include "dataplane/stage/stages.h"

namespace sluice {
namespace {

void join_one(Burst& burst, unsigned i, FragmentTable& fragments, std::uint64_t now_tsc,
              WorkerCounters& counters) {
  FlowKey& key = burst.key[i];
  const FlowKey datagram = FragmentTable::datagram(key, burst.fragment_id[i]);
  if (!burst.layout[i].is(Layout::kLaterFragment)) {
    fragments.learn(datagram, {{key.source_port, key.destination_port}, key.protocol}, now_tsc);
    return;
  }
  if (const FragmentTable::Transport* transport = fragments.find(datagram, now_tsc)) {
    key.source_port = transport->ports.source;
    key.destination_port = transport->ports.destination;
    key.protocol = transport->protocol;
  } else if (fragments.hold(datagram, burst.packet[i], now_tsc)) {
    counters.port[burst.packet[i]->port].held_packets.add(1);
    burst.take_out(i);
  } else {
    burst.drop(i, DropReason::kFragmentTableFull);
  }
}

}  // namespace

void join_fragments(Burst& burst, const Snapshot& tables, FragmentTable& fragments, std::uint64_t now_tsc,
                    WorkerCounters& counters) noexcept {
  for_each(burst.live & burst.fragments, [&](unsigned i) {
    // Fragments for the kernel or for nobody must not fill the table.
    if (tables.service_table.is_vip(burst.key[i].destination)) {
      join_one(burst, i, fragments, now_tsc, counters);
    }
  });
}

}  // namespace sluice
