// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <rte_mbuf.h>

#include <bit>
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

Inherited take_hop(std::uint8_t* at, Layout layout) {
  if (layout.is(Layout::kV6)) {
    auto* ip = reinterpret_cast<Ipv6Header*>(at);
    --ip->hop_limit;
    return {ip->traffic_class(), true};
  }
  auto* ip = reinterpret_cast<Ipv4Header*>(at);
  decrement_ttl(*ip);
  return {ip->tos, layout.is(Layout::kDontFragment)};
}

std::uint32_t load32(const std::uint8_t* at) {
  std::uint32_t word;
  std::memcpy(&word, at, 4);
  return word;
}

// Fills `bits` bits of entropy in behind the template's prefix, so that the receiver's RSS spreads (A3).
template <typename Word>
Word spread_source(Word prefix, unsigned prefix_bits, std::uint64_t entropy) {
  constexpr unsigned kBits = sizeof(Word) * 8;
  const Word host = prefix_bits >= kBits ? 0 : static_cast<Word>(~Word{0} >> prefix_bits);
  return prefix | (static_cast<Word>(entropy) & host);
}

// Identification and flags of the outer header, as one word in memory order.
std::uint32_t fragment_word(const std::uint8_t* inner, std::uint64_t slot_hash, bool dont_fragment) {
  // The id of an atomic datagram is free (RFC 6864).
  if (dont_fragment) return std::uint32_t{Big16(Ipv4Header::kDontFragment).raw()} << 16;
  // The inner identification tells datagrams of one flow apart, the offset their pieces (each is a datagram
  // of its own out here), the flow hash tells flows apart. Times an odd number, no two offsets collide.
  constexpr unsigned kOdd = 0x9e37;
  const auto* ip = reinterpret_cast<const Ipv4Header*>(inner);
  const unsigned piece = (ip->flags_offset.value() & Ipv4Header::kOffsetMask) * kOdd;
  return Big16(static_cast<std::uint16_t>(ip->id.value() ^ piece ^ slot_hash >> 48)).raw();
}

[[gnu::noinline]] std::uint32_t outer_source4(const Target& target, const FlowKey& key, std::uint64_t slot_hash) {
  if (target.source == OuterSourceKind::kClient) return key.source.v4().raw();
  const Big32 prefix = Big32::from_raw(load32(&target.outer[12]));
  return Big32(spread_source(prefix.value(), target.source_prefix_bits, slot_hash >> 32)).raw();
}

// The header is put together from words, and its checksum from the same words: the template has zeros where
// packets differ, and its seed is the sum of all that is fixed.
void write_outer4(std::uint8_t* at, const Target& target, const FlowKey& key, std::uint64_t slot_hash,
                  unsigned total_bytes, Inherited inherited) {
  static_assert(std::endian::native == std::endian::little);
  const std::uint32_t tos_length = std::uint32_t{inherited.tos} << 8 |
                                   std::uint32_t{Big16(static_cast<std::uint16_t>(total_bytes)).raw()} << 16;
  const std::uint32_t fragment = fragment_word(at + target.outer_bytes, slot_hash, inherited.dont_fragment);
  std::uint32_t source = load32(&target.outer[12]);
  PartialSum sum = PartialSum{target.outer_checksum_seed} + tos_length + fragment;
  if (target.source != OuterSourceKind::kFixed) [[unlikely]] {
    source = outer_source4(target, key, slot_hash);
    sum += source;
  }
  auto store = [at](unsigned offset, auto word) { std::memcpy(at + offset, &word, sizeof word); };
  store(0, load32(&target.outer[0]) | tos_length);
  store(4, static_cast<std::uint16_t>(fragment));
  store(6, static_cast<std::uint16_t>(fragment >> 16));
  store(8, load32(&target.outer[8]) | std::uint32_t{finish(sum).raw()} << 16 | std::uint64_t{source} << 32);
  store(16, load32(&target.outer[16]));
}

[[gnu::noinline]] void write_outer6(std::uint8_t* at, const Target& target, const FlowKey& key, std::uint64_t slot_hash,
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
[[gnu::noinline]] void write_udp(std::uint8_t* at, const Target& target, std::uint64_t slot_hash, unsigned udp_bytes) {
  std::memcpy(at, &target.outer[target.outer_bytes - sizeof(UdpHeader)], sizeof(UdpHeader));
  auto* udp = reinterpret_cast<UdpHeader*>(at);
  udp->source.set(static_cast<std::uint16_t>(0xc000 | (slot_hash >> 32 & 0x3fff)));
  udp->length.set(static_cast<std::uint16_t>(udp_bytes));  // checksum zero: RFC 768, RFC 6935
}

// All lengths of L2 headers by one store: what it writes too much is the start of the outer header, which
// comes after it.
void write_ethernet(std::uint8_t* outer, const NextHop& hop, bool v6) {
  static_assert(sizeof hop.l2 == 16);
  std::memcpy(outer - sizeof(Big16) - hop.l2_bytes, hop.l2.data(), sizeof hop.l2);
  const Big16 type(v6 ? kEtherIpv6 : kEtherIpv4);
  std::memcpy(outer - sizeof type, &type, sizeof type);
}

void encapsulate_one(Burst& burst, unsigned i, const Target& target, const NextHop& hop) {
  rte_mbuf* m = burst.packet[i];
  // Kept beside the bytes that are written: a store through a byte pointer makes the compiler forget the
  // rest.
  const Layout layout = burst.layout[i];
  const unsigned outer_bytes = target.outer_bytes;
  const unsigned total_bytes = layout.ip_bytes + outer_bytes;
  const unsigned l2_bytes = hop.l2_bytes + sizeof(Big16);
  const unsigned start = m->data_off + layout.l3 - outer_bytes;
  auto* at = static_cast<std::uint8_t*>(m->buf_addr) + start;
  const std::uint64_t slot_hash = burst.slot_hash[i];
  // The Ethernet header and padding go, the outer headers come.
  m->data_off = static_cast<std::uint16_t>(start - l2_bytes);
  m->data_len = static_cast<std::uint16_t>(total_bytes + l2_bytes);
  m->pkt_len = total_bytes + l2_bytes;
  const Inherited inherited = take_hop(at + outer_bytes, layout);
  write_ethernet(at, hop, target.outer_v6);
  if (target.outer_v6) {
    write_outer6(at, target, burst.key[i], slot_hash, total_bytes - sizeof(Ipv6Header), inherited);
  } else {
    write_outer4(at, target, burst.key[i], slot_hash, total_bytes, inherited);
  }
  if (target.gue) [[unlikely]] {
    write_udp(at + outer_bytes - sizeof(UdpHeader), target, slot_hash, layout.ip_bytes + sizeof(UdpHeader));
  }
}

}  // namespace

void encapsulate(Burst& burst, const Snapshot& tables, WorkerCounters& counters) noexcept {
  const Target* const targets = tables.targets.data();
  const NextHop* const hops = tables.next_hops.data();
  TrafficCounters* const traffic = counters.target.get();
  for_each(burst.live, [&](unsigned i) {
    const Target& target = targets[burst.target[i]];
    const unsigned ip_bytes = burst.layout[i].ip_bytes;
    if (burst.packet[i]->data_off + burst.layout[i].l3 < target.outer_bytes + kMaxL2Bytes) [[unlikely]] {
      return burst.drop(i, DropReason::kNoHeadroom);
    }
    traffic[target.counter].packets.add(1);
    traffic[target.counter].bytes.add(ip_bytes);
    encapsulate_one(burst, i, target, hops[target.next_hop]);
  });
}

}  // namespace sluice
