// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <algorithm>
#include <utility>

#include "dataplane/stage/stages.h"

namespace sluice {
namespace {

bool is_own(const Snapshot& tables, const IpAddress& address) {
  return std::ranges::binary_search(tables.own_addresses, address);
}

}  // namespace

void find_probes(Burst& burst, const Snapshot& tables, const ProbePorts& ports,
                 WorkerCounters& counters) noexcept {
  const auto send_as_it_is = [&](unsigned i) {
    burst.finish(i, static_cast<std::uint8_t>(burst.packet[i]->port));
  };
  // What parse would give to the kernel comes from it.
  for_each(std::exchange(burst.punted, 0), send_as_it_is);
  for_each(burst.live, [&](unsigned i) {
    const FlowKey& key = burst.key[i];
    const std::uint32_t id = ports.target_of(key.source_port.value());
    const bool probe = id != kNoTarget && !burst.layout[i].is(Layout::kLaterFragment) &&
                       is_own(tables, key.source) && tables.service_table.is_vip(key.destination);
    if (!probe) return send_as_it_is(i);
    burst.target[i] = tables.find_target(id);
    if (burst.target[i] == kNoTarget) return burst.drop(i, DropReason::kProbeUnwanted);
    counters.probes.packets.add(1);
    counters.probes.bytes.add(burst.layout[i].ip_bytes);
  });
}

}  // namespace sluice
