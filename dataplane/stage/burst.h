// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Up to 64 packets on their way, and for each what the stages have found out so far, as arrays. A stage walks
// over the bits of a mask; a packet is in exactly one of the masks live, dropped, punted and held_back, and
// leaves the burst only through transmit, punt, release, or into the fragment table.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <bit>
#include <cstdint>

#include "dataplane/door/drop_reason.h"
#include "dataplane/wire/flow_key.h"

namespace sluice {

inline constexpr unsigned kBurstPackets = 64;

// Calls f(i) for every set bit, lowest first.
template <typename F>
[[gnu::always_inline]] inline void for_each(std::uint64_t mask, F&& f) {
  for (; mask; mask &= mask - 1) f(static_cast<unsigned>(std::countr_zero(mask)));
}

struct Layout {  // where things are in a frame; offsets in bytes from its start
  enum Flag : std::uint8_t {
    kV6 = 1,
    kFragment = 2,       // any fragment
    kLaterFragment = 4,  // no transport header
    kEcho = 8,           // ICMP or ICMPv6 echo request
    kIcmpError = 16,     // the key is that of the flow it speaks of
    kDontFragment = 32,  // DF, or IPv6
    kOpensFlow = 64,     // says by itself that a flow begins (TCP SYN, SCTP INIT; read_control)
    kCloses = 128,       // says that it ends (TCP FIN or RST, SCTP SHUTDOWN or ABORT; read_control)
  };
  std::uint16_t l3 = 0, l4 = 0;
  std::uint16_t ip_bytes = 0;  // IP header to end of packet, without Ethernet padding
  std::uint8_t flags = 0;
  std::uint8_t hops_left = 0;  // TTL or hop limit as it came in

  [[nodiscard]] bool is(Flag f) const { return flags & f; }
};
static_assert(sizeof(Layout) == 8);

struct Burst {
  unsigned size = 0;
  std::uint64_t live = 0;                   // bit i: packet i goes on to the next stage
  std::uint64_t dropped = 0;                // with reason[i]
  std::uint64_t punted = 0;                 // to the kernel
  std::uint64_t fragments = 0, echoes = 0;  // parse: what later stages look at only when there is any
  std::uint64_t unrelated = 0;              // parse: ICMP errors about no packet of their destination
  std::uint64_t decided = 0;                // of live: target is known, by an elephant entry or a flow table
  // select_group: of live, packets whose flow may be known to an older group of theirs, which is in `group`;
  // follow_flows asks it, and next_group goes on to the next one until the newest is reached.
  std::uint64_t chained = 0;
  std::uint64_t ready = 0;  // finished frames that leave by egress[i] as they are (answers)

  std::array<rte_mbuf*, kBurstPackets> packet;
  std::array<Layout, kBurstPackets> layout;  // parse
  std::array<FlowKey, kBurstPackets> key;    // parse, join_fragments
  std::array<std::uint32_t, kBurstPackets>
      fragment_id;  // parse: of fragments only; any number, compared for equality
  std::array<std::uint32_t, kBurstPackets> service;  // match_service: index in the snapshot
  std::array<std::uint32_t, kBurstPackets> hash;     // select_group: Toeplitz; valid where there is a choice
  std::array<std::uint32_t, kBurstPackets> group;    // select_group
  std::array<std::uint64_t, kBurstPackets>
      slot_hash;  // hash_flows: the keyed hash of the fields that the service hashes
  std::array<std::uint32_t, kBurstPackets>
      target;  // find_elephants, follow_flows or select_dip: index in the snapshot
  std::array<std::uint8_t, kBurstPackets> chain;   // select_group: of chained, older maps still to be asked
  std::array<std::uint8_t, kBurstPackets> egress;  // next_hop or answer: index of the port
  std::array<DropReason, kBurstPackets> reason;

  // Starts over with packets [0, n) all live.
  void begin(unsigned n) {
    size = n;
    live = n == kBurstPackets ? ~0ull : (1ull << n) - 1;
    dropped = punted = fragments = echoes = unrelated = decided = chained = ready = 0;
  }
  // Adds a packet at the end; the index, or kBurstPackets when there is no room.
  unsigned append(rte_mbuf* m) {
    if (size == kBurstPackets) return kBurstPackets;
    packet[size] = m;
    return size++;
  }

  void drop(unsigned i, DropReason why) {
    live &= ~(1ull << i);
    dropped |= 1ull << i;
    reason[i] = why;
  }
  void punt(unsigned i) {
    live &= ~(1ull << i);
    punted |= 1ull << i;
  }
  // The frame is complete and leaves by `port`.
  void finish(unsigned i, std::uint8_t port) {
    live &= ~(1ull << i);
    ready |= 1ull << i;
    egress[i] = port;
  }
  // Somebody else keeps the packet.
  void take_out(unsigned i) { live &= ~(1ull << i); }

  [[nodiscard]] const std::uint8_t* frame(unsigned i) const {
    return rte_pktmbuf_mtod(packet[i], const std::uint8_t*);
  }
  template <typename Header>
  [[nodiscard]] Header* at(unsigned i, unsigned offset) const {
    return rte_pktmbuf_mtod_offset(packet[i], Header*, offset);
  }
};

}  // namespace sluice
