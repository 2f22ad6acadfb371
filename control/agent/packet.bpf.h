/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The Sluice Authors */
/* Reading an IP header in a packet of any content, for the eBPF programs. Everything goes through
 * bpf_skb_load_bytes, which checks each access against the packet and reads fragmented buffers as well. */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "control/agent/tunnel_shared.h"

#define IP_FRAGMENT_OFFSET 0x1fff
#define IP_MORE_FRAGMENTS 0x2000

/* One IP header: where it is, and the little that the programs ask of it. */
struct ip_view {
  struct tunnel_address source, destination;
  __u32 l3;            /* offset of the header in the packet */
  __u32 l4;            /* offset of what follows it and its extension headers */
  __u8 version;        /* 4 or 6 */
  __u8 protocol;       /* of what is at l4 */
  __u8 tos;            /* TOS or traffic class */
  __u8 fragment;       /* part of a fragmented datagram */
  __u8 later_fragment; /* ... and not its first part: there is no L4 header at l4 */
};

static __always_inline void map_ipv4(struct tunnel_address* to, __be32 address) {
  __builtin_memset(to, 0, 10);
  to->byte[10] = to->byte[11] = 0xff;
  __builtin_memcpy(&to->byte[12], &address, 4);
}

/* The headers that may stand between IPv6 and its payload (RFC 8200 section 4). Four are more than the ones
 * in use add up to; with more of them the packet has no L4 for us. */
static __always_inline void skip_extensions(struct __sk_buff* skb, struct ip_view* ip) {
  for (int i = 0; i < 4; i++) {
    __u8 head[4];
    switch (ip->protocol) {
      case IPPROTO_HOPOPTS:
      case IPPROTO_ROUTING:
      case IPPROTO_DSTOPTS:
        if (bpf_skb_load_bytes(skb, ip->l4, head, sizeof(head))) return;
        ip->l4 += (head[1] + 1) * 8;
        break;
      case IPPROTO_FRAGMENT:
        if (bpf_skb_load_bytes(skb, ip->l4, head, sizeof(head))) return;
        ip->fragment = 1;
        ip->l4 += 8;
        if (head[2] != 0 || (head[3] & 0xf8) != 0) ip->later_fragment = 1;
        break;
      default:
        return;
    }
    ip->protocol = head[0];
    if (ip->later_fragment) return;
  }
}

/* Reads the header at `offset`. Returns 0, or -1 when there is no whole IP header of a known version. */
static __noinline int view_ip(struct __sk_buff* skb, __u32 offset, struct ip_view* ip) {
  union {
    struct iphdr v4;
    struct ipv6hdr v6;
    __u8 first;
  } head;

  if (!ip) return -1;
  __builtin_memset(ip, 0, sizeof(*ip));
  ip->l3 = offset;
  if (bpf_skb_load_bytes(skb, offset, &head, sizeof(head.v4))) return -1;
  if (head.first >> 4 == 4) {
    if (head.v4.ihl < 5) return -1;
    ip->version = 4;
    ip->protocol = head.v4.protocol;
    ip->tos = head.v4.tos;
    ip->l4 = offset + head.v4.ihl * 4;
    __u16 fragment = bpf_ntohs(head.v4.frag_off);
    ip->later_fragment = (fragment & IP_FRAGMENT_OFFSET) != 0;
    ip->fragment = (fragment & (IP_FRAGMENT_OFFSET | IP_MORE_FRAGMENTS)) != 0;
    map_ipv4(&ip->source, head.v4.saddr);
    map_ipv4(&ip->destination, head.v4.daddr);
    return 0;
  }
  if (head.first >> 4 != 6) return -1;
  if (bpf_skb_load_bytes(skb, offset, &head, sizeof(head.v6))) return -1;
  ip->version = 6;
  ip->protocol = head.v6.nexthdr;
  ip->tos = (head.v6.priority << 4) | (head.v6.flow_lbl[0] >> 4);
  ip->l4 = offset + sizeof(head.v6);
  __builtin_memcpy(&ip->source, &head.v6.saddr, 16);
  __builtin_memcpy(&ip->destination, &head.v6.daddr, 16);
  skip_extensions(skb, ip);
  return 0;
}

/* Whether the IPv4 header at `offset` sums up (RFC 1071). What the kernel checks for packets addressed to it,
 * done here because the outer header never gets there. */
static __always_inline int ipv4_sum_holds(struct __sk_buff* skb, const struct ip_view* ip) {
  __u8 header[64] = {};
  __u64 length = (ip->l4 - ip->l3) & 0x3f; /* 20 to 60, said so that the verifier sees it */
  barrier_var(length);
  if (length < 20) return 0;
  if (bpf_skb_load_bytes(skb, ip->l3, header, length)) return 0;
  __s64 sum = bpf_csum_diff(0, 0, (__be32*)header, sizeof(header), 0);
  sum = (sum & 0xffff) + ((sum >> 16) & 0xffff);
  sum = (sum & 0xffff) + (sum >> 16);
  return sum == 0xffff;
}
