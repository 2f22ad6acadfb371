/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The Sluice Authors */
/* What the eBPF programs (C) and the agent (C++) say to each other: the entries of the maps, the counters,
 * and the one rule that both sides must read alike (ECN). Addresses are 16 bytes in network byte order, IPv4
 * as ::ffff:a.b.c.d, like IpAddress; ports are in network byte order. */
#pragma once

#include <linux/types.h>

/* NOLINTBEGIN(readability-identifier-naming): C writes its names so, and the eBPF programs are C. */

#ifdef __cplusplus
extern "C" {
#endif

/* Everything that can become of a packet which the programs have an opinion on: name, JSON key, what it
 * means. The first block is counted per VIP, the second (from OTHER_TUNNEL on) for the host as a whole. */
#define SLUICE_TUNNEL_OUTCOMES(X)                                                                \
  X(IPV4_IN_IPV4, "ipv4-in-ipv4", "decapsulated, RFC 2003")                                      \
  X(IPV6_IN_IPV4, "ipv6-in-ipv4", "decapsulated, RFC 4213")                                      \
  X(IPV4_IN_IPV6, "ipv4-in-ipv6", "decapsulated, RFC 2473")                                      \
  X(IPV6_IN_IPV6, "ipv6-in-ipv6", "decapsulated, RFC 2473")                                      \
  X(GUE_OVER_IPV4, "gue-over-ipv4", "decapsulated, GUE variant 1 in UDP over IPv4")              \
  X(GUE_OVER_IPV6, "gue-over-ipv6", "decapsulated, GUE variant 1 in UDP over IPv6")              \
  X(ECN_MARKED, "ecn-marked", "congestion seen by the tunnel, passed on to the flow, RFC 6040")  \
  X(ECN_DROPPED, "ecn-dropped", "congestion seen by the tunnel, the flow knows no ECN: dropped") \
  X(STRIP_FAILED, "strip-failed", "the kernel refused to remove the outer header: dropped")      \
  X(PORT_TO_DIP, "port-to-dip", "port of the VIP rewritten to the port of the DIP")              \
  X(PORT_TO_VIP, "port-to-vip", "port of the DIP rewritten to the port of the VIP")              \
  X(MSS_LOWERED, "mss-lowered", "SYN or SYN-ACK from a VIP that advertised too large an MSS")    \
  X(REPLY, "reply", "sent from a VIP straight to the client")                                    \
  X(OTHER_TUNNEL, "other-tunnel", "a tunnel to this host, not for a VIP: left alone")            \
  X(OUTER_FRAGMENT, "outer-fragment", "a fragment of a tunnel packet: left to the kernel")       \
  X(BAD_TUNNEL, "bad-tunnel", "a tunnel packet whose headers are damaged: left to the kernel")

enum tunnel_outcome {
#define SLUICE_TUNNEL_ENUM(name, key, text) TUNNEL_##name,
  SLUICE_TUNNEL_OUTCOMES(SLUICE_TUNNEL_ENUM)
#undef SLUICE_TUNNEL_ENUM
      TUNNEL_OUTCOMES,
  TUNNEL_FIRST_OF_HOST = TUNNEL_OTHER_TUNNEL,
};

struct tunnel_address {
  __u8 byte[16];
};

/* Map `vips`, longest prefix: which VIP an address belongs to. The value is a __u32, 1 for the first VIP. */
struct tunnel_prefix {
  __u32 length; /* in bits of the 16-byte form: an IPv4 /32 is 128 */
  struct tunnel_address address;
};

/* Map `counters`, per CPU, one entry a VIP; entry 0 is the host's own. Packets count as on the wire (a
 * coalesced packet counts its segments). Only the programs write. */
struct tunnel_counters {
  __u64 packets[TUNNEL_OUTCOMES];
  __u64 rx_bytes; /* decapsulated, from the inner IP header on */
  __u64 tx_bytes; /* sent from the VIP, from the IP header on */
};

enum tunnel_direction { TUNNEL_TO_DIP = 0, TUNNEL_TO_VIP = 1 };

/* Map `ports`: the port that replaces `port` in that direction. The value is a __be16. */
struct tunnel_port {
  __u32 vip;
  __be16 port;
  __u8 protocol;
  __u8 direction; /* enum tunnel_direction */
};

/* RFC 6040 section 4.2: the ECN field that the inner header leaves with, or -1 where the packet must be
 * dropped. Both arguments are the two lowest bits of TOS or traffic class: 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3
 * CE. */
static inline int tunnel_ecn(__u8 inner, __u8 outer) {
  if (outer == 3) return inner == 0 ? -1 : 3;
  if (inner == 2 && outer == 1) return 1;
  return inner;
}

#ifdef __cplusplus
}
#endif

/* NOLINTEND(readability-identifier-naming) */
