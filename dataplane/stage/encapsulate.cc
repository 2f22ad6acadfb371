// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <rte_mbuf.h>

#include <cstring>

#include "dataplane/stage/stages.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/headers.h"

namespace sluice {
namespace {

constexpr unsigned kMaxL2Bytes = 18;

// What the outer header takes over from the inner one.
struct Inherited {
  std::uint8_t tos;  // DSCP copied (RFC 2983 uniform model), ECN copied (RFC 6040 section 4.1, normal mode)
  bool dont_fragment;
};

Inherited take_hop(Burst& burst, unsigned i) {
  const Layout& layout = burst.layout[i];
  if (layout.is(Layout::kV6)) {
    auto* ip = burst.at<Ipv6Header>(i, layout.l3);
    --ip->hop_limit;
    return {ip->traffic_class(), true};
  }
  auto* ip = burst.at<Ipv4Header>(i, layout.l3);
  decrement_ttl(*ip);
  return {ip->tos, layout.is(Layout::kDontFragment)};
}

// Fills `bits` bits of entropy in behind the template's prefix, so that the receiver's RSS spreads (A3).
template <typename Word>
Word spread_source(Word prefix, unsigned prefix_bits, std::uint64_t entropy) {
  constexpr unsigned kBits = sizeof(Word) * 8;
  const Word host = prefix_bits >= kBits ? 0 : static_cast<Word>(~Word{0} >> prefix_bits);
  return prefix | (static_cast<Word>(entropy) & host);
}

void write_outer4(std::uint8_t* at, const Target& target, const FlowKey& key, std::uint64_t slot_hash,
                  unsigned total_bytes, Inherited inherited) {
  std::memcpy(at, target.outer.data(), sizeof(Ipv4Header));
  auto* ip = reinterpret_cast<Ipv4Header*>(at);
  ip->tos = inherited.tos;
  ip->total_length.set(static_cast<std::uint16_t>(total_bytes));
  if (inherited.dont_fragment) {
    ip->flags_offset.set(Ipv4Header::kDontFragment);  // the id of an atomic datagram is free (RFC 6864)
  } else {
    // The inner identification tells datagrams of one flow apart; the flow hash tells flows apart.
    Big16 inner_id;
    std::memcpy(&inner_id, at + target.outer_bytes + offsetof(Ipv4Header, id), 2);
    ip->id.set(static_cast<std::uint16_t>(inner_id.value() ^ slot_hash >> 48));
  }
  if (target.source == OuterSourceKind::kClient) [[unlikely]] {
    ip->source = key.source.v4();
  } else if (target.source == OuterSourceKind::kPrefix) [[unlikely]] {
    ip->source.set(spread_source(ip->source.value(), target.source_prefix_bits, slot_hash >> 32));
  }
  const PartialSum source = target.source == OuterSourceKind::kFixed ? 0 : PartialSum{ip->source.raw()};
  // The seed has all that is fixed: a service with a fixed source sums five words here and not ten.
  ip->checksum = finish(PartialSum{target.outer_checksum_seed} + source + Big16(inherited.tos).raw() +
                        ip->total_length.raw() + ip->id.raw() + ip->flags_offset.raw());
}

void write_outer6(std::uint8_t* at, const Target& target, const FlowKey& key, std::uint64_t slot_hash,
                  unsigned payload_bytes, Inherited inherited) {
  std::memcpy(at, target.outer.data(), sizeof(Ipv6Header));
  auto* ip = reinterpret_cast<Ipv6Header*>(at);
  const auto flow_label = static_cast<std::uint32_t>(slot_hash >> 32) & 0xfffff;  // RFC 6438
  ip->version_class_flow.set(6u << 28 | std::uint32_t{inherited.tos} << 20 | flow_label);
  ip->payload_length.set(static_cast<std::uint16_t>(payload_bytes));
  if (target.source == OuterSourceKind::kClient) [[unlikely]] {
    std::memcpy(ip->source.data(), key.source.byte.data(), 16);
  } else if (target.source == OuterSourceKind::kPrefix) [[unlikely]] {
    Big64 low;
    std::memcpy(&low, &ip->source[8], 8);
    const unsigned low_prefix_bits = target.source_prefix_bits > 64 ? target.source_prefix_bits - 64u : 0;
    low.set(spread_source(low.value(), low_prefix_bits, slot_hash));
    std::memcpy(&ip->source[8], &low, 8);
  }
}

// GUE variant 1: the IP packet follows the UDP header directly; the source port carries the entropy.
void write_udp(std::uint8_t* at, const Target& target, std::uint64_t slot_hash, unsigned udp_bytes) {
  std::memcpy(at, &target.outer[target.outer_bytes - sizeof(UdpHeader)], sizeof(UdpHeader));
  auto* udp = reinterpret_cast<UdpHeader*>(at);
  udp->source.set(static_cast<std::uint16_t>(0xc000 | (slot_hash >> 32 & 0x3fff)));
  udp->length.set(static_cast<std::uint16_t>(udp_bytes));  // checksum zero: RFC 768, RFC 6935
}

void encapsulate_one(Burst& burst, unsigned i, const Target& target) {
  rte_mbuf* m = burst.packet[i];
  Layout& layout = burst.layout[i];
  const Inherited inherited = take_hop(burst, i);
  // The Ethernet header and padding go, the outer header comes.
  m->data_off = static_cast<std::uint16_t>(m->data_off + layout.l3 - target.outer_bytes);
  m->data_len = static_cast<std::uint16_t>(layout.ip_bytes + target.outer_bytes);
  m->pkt_len = m->data_len;
  auto* at = rte_pktmbuf_mtod(m, std::uint8_t*);
  const std::uint64_t slot_hash = burst.slot_hash[i];
  if (target.outer_v6) {
    write_outer6(at, target, burst.key[i], slot_hash, m->data_len - sizeof(Ipv6Header), inherited);
  } else {
    write_outer4(at, target, burst.key[i], slot_hash, m->data_len, inherited);
  }
  if (target.gue) {
    write_udp(at + target.outer_bytes - sizeof(UdpHeader), target, slot_hash,
              layout.ip_bytes + sizeof(UdpHeader));
  }
}

}  // namespace

void encapsulate(Burst& burst, const Snapshot& tables, WorkerCounters& counters) noexcept {
  for_each(burst.live, [&](unsigned i) {
    const Target& target = tables.targets[burst.target[i]];
    if (burst.packet[i]->data_off + burst.layout[i].l3 < target.outer_bytes + kMaxL2Bytes) [[unlikely]] {
      return burst.drop(i, DropReason::kNoHeadroom);
    }
    encapsulate_one(burst, i, target);
    TrafficCounters& traffic = counters.target[target.counter];
    traffic.packets.add(1);
    traffic.bytes.add(burst.layout[i].ip_bytes);
  });
}

}  // namespace sluice
