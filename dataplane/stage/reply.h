// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Headers of the packets that answer a client: shared by ICMP errors and TCP resets.
#pragma once

#include <rte_mbuf.h>

#include <cstring>
#include <utility>

#include "dataplane/stage/burst.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/headers.h"

namespace sluice {

inline constexpr std::uint8_t kReplyTtl = 64;

struct Reply {
  std::uint8_t* ip = nullptr;       // where the IP header goes; null when the buffer is too small
  std::uint8_t* payload = nullptr;  // behind it
};

// Who is told. The key's source may be a subscriber of whom the packet only speaks.
inline IpAddress sender_of(const Burst& burst, unsigned i) {
  const Layout& layout = burst.layout[i];
  if (layout.is(Layout::kV6)) return IpAddress::v6(burst.at<Ipv6Header>(i, layout.l3)->source.data());
  return IpAddress::v4(burst.at<Ipv4Header>(i, layout.l3)->source);
}

// Appends room for an answer to packet i, of `payload_bytes` behind the IP header, to the empty buffer `m`,
// and writes the link layer: back to the neighbour that the packet came from, with its tag.
inline Reply begin_reply(const Burst& burst, unsigned i, unsigned payload_bytes, rte_mbuf* m) {
  const Layout& layout = burst.layout[i];
  const unsigned ip_bytes = layout.is(Layout::kV6) ? sizeof(Ipv6Header) : sizeof(Ipv4Header);
  auto* frame = reinterpret_cast<std::uint8_t*>(
      rte_pktmbuf_append(m, static_cast<std::uint16_t>(layout.l3 + ip_bytes + payload_bytes)));
  if (!frame) return {};
  std::memcpy(frame, burst.frame(i), layout.l3);
  auto* ethernet = reinterpret_cast<EthernetHeader*>(frame);
  std::swap(ethernet->source, ethernet->destination);
  return {frame + layout.l3, frame + layout.l3 + ip_bytes};
}

// The IP header, of the family of both addresses.
inline void write_reply_ip(const Reply& reply, const IpAddress& source, const IpAddress& destination,
                           std::uint8_t protocol, unsigned payload_bytes) {
  if (destination.is_v4()) {
    Ipv4Header ip{};
    ip.version_ihl = 0x45;
    ip.total_length.set(static_cast<std::uint16_t>(sizeof ip + payload_bytes));
    ip.ttl = kReplyTtl;
    ip.protocol = protocol;
    ip.source = source.v4();
    ip.destination = destination.v4();
    ip.checksum = ipv4_checksum(ip);
    std::memcpy(reply.ip, &ip, sizeof ip);
  } else {
    Ipv6Header ip{};
    ip.version_class_flow.set(6u << 28);
    ip.payload_length.set(static_cast<std::uint16_t>(payload_bytes));
    ip.next_header = protocol;
    ip.hop_limit = kReplyTtl;
    ip.source = source.byte;
    ip.destination = destination.byte;
    std::memcpy(reply.ip, &ip, sizeof ip);
  }
}

// The TCP RST that tells the client of packet i that its connection is over, from the VIP, with the sequence
// number that the client's own segment asks for (RFC 9293 section 3.10.7.1). False when there is nothing to
// tell, or no room.
bool write_reset(const Burst& burst, unsigned i, rte_mbuf* m);

}  // namespace sluice
