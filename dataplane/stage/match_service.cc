// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <rte_mbuf.h>

#include <algorithm>
#include <utility>

#include "dataplane/stage/stages.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/headers.h"

namespace sluice {
namespace {

constexpr std::uint8_t kAnswerTtl = 64;

// Where the packet itself goes: the key of an ICMP error is that of the flow it speaks of.
IpAddress outer_destination(const Burst& burst, unsigned i) {
  const Layout& layout = burst.layout[i];
  if (layout.is(Layout::kV6)) return IpAddress::v6(burst.at<Ipv6Header>(i, layout.l3)->destination.data());
  return IpAddress::v4(burst.at<Ipv4Header>(i, layout.l3)->destination);
}

// Turns the echo request around in its own buffer, back to the neighbour it came from.
void turn_echo_around(Burst& burst, unsigned i) {
  const Layout& layout = burst.layout[i];
  auto* ethernet = burst.at<EthernetHeader>(i, 0);
  std::swap(ethernet->source, ethernet->destination);
  auto* icmp = burst.at<IcmpHeader>(i, layout.l4);
  const Big16 before = Big16(static_cast<std::uint16_t>(icmp->type << 8 | icmp->code));
  if (layout.is(Layout::kV6)) {
    auto* ip = burst.at<Ipv6Header>(i, layout.l3);
    std::swap(ip->source, ip->destination);
    ip->hop_limit = kAnswerTtl;
    icmp->type = IcmpHeader::kV6EchoReply;
  } else {
    auto* ip = burst.at<Ipv4Header>(i, layout.l3);
    std::swap(ip->source, ip->destination);
    ip->ttl = kAnswerTtl;
    ip->checksum = Big16{};
    ip->checksum = ipv4_checksum(*ip);
    icmp->type = IcmpHeader::kEchoReply;
  }
  icmp->checksum = update_checksum(icmp->checksum, before,
                                   Big16(static_cast<std::uint16_t>(icmp->type << 8 | icmp->code)));
  burst.finish(i, static_cast<std::uint8_t>(burst.packet[i]->port));
}

// A VIP answers ping by itself, unless a service asked for ICMP by name.
void answer_echoes(Burst& burst, const Snapshot& tables, TokenBucket& answer_rate) {
  for_each(burst.live & burst.echoes & ~burst.fragments, [&](unsigned i) {
    const std::uint32_t service = burst.service[i];
    if (service != kNoService && tables.services[service].protocol != 0) return;
    if (!tables.service_table.is_vip(burst.key[i].destination)) return;
    if (!answer_rate.take()) return burst.drop(i, DropReason::kAnswerRate);
    turn_echo_around(burst, i);
  });
}

void settle_unmatched(Burst& burst, unsigned i, const Snapshot& tables, DropReason otherwise) {
  if (std::ranges::binary_search(tables.own_addresses, outer_destination(burst, i))) return burst.punt(i);
  burst.drop(i, otherwise);
}

// A VIP has no use for an ICMP error about nothing that it sent; the kernel may have.
void settle_unrelated(Burst& burst, const Snapshot& tables) {
  for_each(burst.live & burst.unrelated, [&](unsigned i) {
    const bool to_vip = tables.service_table.is_vip(burst.key[i].destination);
    settle_unmatched(burst, i, tables, to_vip ? DropReason::kIcmpUnrelated : DropReason::kNoService);
  });
}

void count(const Burst& burst, const Snapshot& tables, WorkerCounters& counters) {
  std::uint32_t run = kNoService;
  std::uint64_t packets = 0, bytes = 0;
  const auto close_run = [&] {
    if (packets == 0) return;
    TrafficCounters& service = counters.service[tables.services[run].counter];
    service.packets.add(packets);
    service.bytes.add(bytes);
  };
  for_each(burst.live, [&](unsigned i) {
    if (burst.service[i] != run) [[unlikely]] {
      close_run();
      run = burst.service[i];
      packets = bytes = 0;
    }
    ++packets;
    bytes += burst.layout[i].ip_bytes;
  });
  close_run();
}

}  // namespace

void find_service(Burst& burst, const Snapshot& tables) noexcept {
  tables.service_table.lookup(burst.key.data(), burst.live, burst.service.data());
  for_each(burst.live, [&](unsigned i) {
    if (burst.service[i] == kNoService) [[unlikely]]
      burst.drop(i, DropReason::kNoService);
  });
}

void match_service(Burst& burst, const Snapshot& tables, WorkerCounters& counters,
                   TokenBucket& answer_rate) noexcept {
  const std::uint64_t unmatched =
      tables.service_table.lookup(burst.key.data(), burst.live, burst.service.data());
  if (burst.live & burst.echoes) [[unlikely]]
    answer_echoes(burst, tables, answer_rate);
  if (burst.live & burst.unrelated) [[unlikely]]
    settle_unrelated(burst, tables);
  for_each(burst.live & unmatched,
           [&](unsigned i) { settle_unmatched(burst, i, tables, DropReason::kNoService); });
  count(burst, tables, counters);
}

}  // namespace sluice
