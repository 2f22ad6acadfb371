// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <rte_mbuf.h>

#include "dataplane/stage/nic_hash.h"
#include "dataplane/stage/stages.h"

namespace sluice {
namespace {

// From tier 1's map number `from` (oldest first) on: the next group that a known flow of this packet may
// belong to. The newest map's group ends the chain.
void choose_group(Burst& burst, unsigned i, const Service& service, unsigned from) {
  const std::uint32_t slot = service.groups.slot(burst.hash[i]);
  const std::uint16_t newest = service.groups.slots[slot];
  burst.chained &= ~(1ull << i);
  for (unsigned n = from; n < service.older_count; ++n) {
    const std::uint16_t older = service.older_groups[n][slot];
    if (older == newest || older == kNoMember) continue;
    burst.group[i] = service.first_group + older;
    burst.chain[i] = static_cast<std::uint8_t>(service.older_count - n);
    burst.chained |= 1ull << i;
    return;
  }
  // Where nobody takes new flows, old ones may still have their DIP: a group of an older map decides.
  std::uint16_t last = newest;
  for (unsigned n = service.older_count; last == kNoMember && n > 0; --n)
    last = service.older_groups[n - 1][slot];
  if (last == kNoMember) return burst.drop(i, DropReason::kNoLiveDip);
  burst.group[i] = service.first_group + last;
}

}  // namespace

void next_group(Burst& burst, const Snapshot& tables, std::uint64_t looking) noexcept {
  for_each(looking, [&](unsigned i) {
    const Service& service = tables.services[burst.service[i]];
    choose_group(burst, i, service, service.older_count - burst.chain[i] + 1u);
  });
}

void select_group(Burst& burst, const Snapshot& tables, bool rss_trusted) noexcept {
  std::uint64_t choice = 0;  // packets whose service has several groups
  for_each(burst.live & ~burst.decided, [&](unsigned i) {
    const Service& service = tables.services[burst.service[i]];
    burst.group[i] = service.first_group;
    choice |= std::uint64_t{service.group_count > 1} << i;
  });
  if (choice == 0) [[likely]]
    return;

  HashFields fields[kBurstPackets];
  std::uint64_t in_software = 0;
  for_each(choice, [&](unsigned i) {
    fields[i] = tables.services[burst.service[i]].hash_fields;
    if (rss_trusted && fields[i] == HashFields::kFiveTuple && nic_hash_fits(burst, i)) {
      burst.hash[i] = burst.packet[i]->hash.rss;
    } else {
      in_software |= 1ull << i;
    }
  });
  hash_burst(tables.toeplitz, burst.key.data(), fields, in_software, burst.hash.data());
  for_each(choice, [&](unsigned i) {
    const Service& service = tables.services[burst.service[i]];
    // A SYN too: it may be the second one of a flow that an older group knows.
    choose_group(burst, i, service, 0);
  });
}

}  // namespace sluice
