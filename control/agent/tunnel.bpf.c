/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The Sluice Authors */
/* The agent's two programs on a server's interface, both at tc (clsact), both stateless.
 *
 * sluice_ingress: a tunnel packet to this host (IP-in-IP of all four forms, GUE variant 1) whose inner
 *   destination is one of our VIPs loses its outer header and goes on into the kernel, as if it had come so;
 *   its port becomes the DIP's port where the service has one of its own. Everything else is left as it is.
 * sluice_egress: what leaves from a VIP gets the VIP's port back, and a SYN or SYN-ACK promises no larger
 *   segments than fit between MUX and server with the outer header added.
 *
 * Both end with TC_ACT_UNSPEC: filters of other programs on the same hook have their say too. A4, A14. */
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stddef.h>

#include "control/agent/packet.bpf.h"

char LICENSE[] SEC("license") = "Apache-2.0";

/* Set by the agent before loading. */
const volatile __be16 gue_port = 0;            /* 0: no GUE */
const volatile __u8 as_before_decap_flags = 0; /* 1: change the family the way of kernels before 6.3 */

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1024);
  __type(key, struct tunnel_prefix);
  __type(value, __u32);
} vips SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, struct tunnel_address);
  __type(value, __u8);
} own_addresses SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, struct tunnel_port);
  __type(value, __be16);
} ports SEC(".maps");

struct { /* by ifindex: the largest inner packet that a VIP's clients should send */
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u32);
} inner_mtu SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 2); /* the agent sets it to the number of its VIPs + 1 */
  __type(key, __u32);
  __type(value, struct tunnel_counters);
} counters SEC(".maps");

static __always_inline __u32 segments(const struct __sk_buff* skb) {
  return skb->gso_segs ?: 1;
}

static __always_inline struct tunnel_counters* count(struct __sk_buff* skb, __u32 vip,
                                                     enum tunnel_outcome what) {
  struct tunnel_counters* c = bpf_map_lookup_elem(&counters, &vip);
  if (c) c->packets[what] += segments(skb);
  return c;
}

static __always_inline __u32 find_vip(const struct tunnel_address* address) {
  struct tunnel_prefix key = {.length = 128, .address = *address};
  __u32* vip = bpf_map_lookup_elem(&vips, &key);
  return vip ? *vip : 0;
}

/* ---- ports ---- */

/* Replaces the port at `port_at` and mends the checksum at `sum_at`. The helper knows what an unfinished
 * (offloaded) checksum needs: nothing, since ports are no part of the pseudo header. `zero_is_none`: a UDP
 * checksum, of which 0 says that there is none (RFC 768). */
static __noinline int replace_port(struct __sk_buff* skb, struct tunnel_port* key, __u32 port_at,
                                   __u32 sum_at, int zero_is_none) {
  if (!key) return 0;
  if (bpf_skb_load_bytes(skb, port_at, &key->port, 2)) return 0;
  __be16* replacement = bpf_map_lookup_elem(&ports, key);
  if (!replacement) return 0;
  __be16 port = *replacement;
  if (bpf_l4_csum_replace(skb, sum_at, key->port, port, 2 | (zero_is_none ? BPF_F_MARK_MANGLED_0 : 0)))
    return 0;
  bpf_skb_store_bytes(skb, port_at, &port, 2, 0);
  return 1;
}

static __always_inline int has_ports(const struct ip_view* ip) {
  return !ip->later_fragment && (ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP);
}

static __always_inline __u32 sum_of(const struct ip_view* ip) {
  return ip->l4 +
         (ip->protocol == IPPROTO_TCP ? offsetof(struct tcphdr, check) : offsetof(struct udphdr, check));
}

#define ICMP_HEADER 8 /* of ICMP and ICMPv6 errors; the checksum is at 2 */
#define ICMP_CHECKSUM 2

/* Unreachable, source quench, time exceeded, parameter problem (RFC 792); types below 128 (RFC 4443, 2.1). */
static __always_inline int is_icmp_error(const struct ip_view* ip, __u8 type) {
  return ip->version == 4 ? type == 3 || type == 4 || type == 11 || type == 12 : type < 128;
}

static __always_inline int is_icmp(const struct ip_view* ip) {
  return !ip->later_fragment && ip->protocol == (ip->version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

/* An ICMP error carries the head of a packet of the flow, the other way round: it must name the port that its
 * reader knows, or path MTU discovery and "port unreachable" miss a translated service. The embedded packet's
 * own checksum stays: nobody checks it (RFC 792 and 4443 send as little as eight bytes of it). */
static __noinline int replace_embedded_port(struct __sk_buff* skb, const struct ip_view* ip, __u32 vip,
                                            __u8 direction) {
  struct ip_view embedded;
  __u8 type;

  if (!ip || bpf_skb_load_bytes(skb, ip->l4, &type, 1) || !is_icmp_error(ip, type)) return 0;
  if (view_ip(skb, ip->l4 + ICMP_HEADER, &embedded) || !has_ports(&embedded)) return 0;
  struct tunnel_port key = {.vip = vip, .protocol = embedded.protocol, .direction = direction};
  __u32 port_at = embedded.l4 + (direction == TUNNEL_TO_DIP ? 0 : 2);
  return replace_port(skb, &key, port_at, ip->l4 + ICMP_CHECKSUM, 0);
}

static __always_inline void translate(struct __sk_buff* skb, const struct ip_view* ip, __u32 vip,
                                      __u8 direction) {
  int done = 0;
  if (has_ports(ip)) {
    struct tunnel_port key = {.vip = vip, .protocol = ip->protocol, .direction = direction};
    done = replace_port(skb, &key, ip->l4 + (direction == TUNNEL_TO_DIP ? 2 : 0), sum_of(ip),
                        ip->protocol == IPPROTO_UDP);
  } else if (is_icmp(ip)) {
    done = replace_embedded_port(skb, ip, vip, direction);
  }
  if (done) count(skb, vip, direction == TUNNEL_TO_DIP ? TUNNEL_PORT_TO_DIP : TUNNEL_PORT_TO_VIP);
}

/* ---- in: decapsulation ---- */

#define DECAP_L3_IPV4 (1ULL << 7) /* BPF_F_ADJ_ROOM_DECAP_L3_*, Linux 6.3: newer than our build's headers */
#define DECAP_L3_IPV6 (1ULL << 8)

/* Removes `outer` bytes after the Ethernet header, where the packet's family changes with it. Before
 * Linux 6.3 adjust_room could not do that: then change_proto changes the family, which adds or takes the 20
 * bytes between an IPv4 and an IPv6 header, and adjust_room takes the rest. */
static __always_inline int strip_to_other_family(struct __sk_buff* skb, __u8 version, __s32 outer) {
  __be16 type = version == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
  __u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | (version == 4 ? DECAP_L3_IPV4 : DECAP_L3_IPV6);
  long error = -22; /* EINVAL: what an older kernel says to flags it does not know */

  if (!as_before_decap_flags) error = bpf_skb_adjust_room(skb, -outer, BPF_ADJ_ROOM_MAC, flags);
  if (error == -22) {
    error = bpf_skb_change_proto(skb, type, 0);
    if (error) return error;
    outer += version == 4 ? -20 : 20;
    error = bpf_skb_adjust_room(skb, -outer, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
  }
  if (error) return error;
  return bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &type, sizeof(type), 0);
}

static __always_inline void set_ecn(struct __sk_buff* skb, const struct ip_view* ip, __u8 ecn) {
  if (ip->version == 4) {
    __u8 tos = (ip->tos & ~3) | ecn;
    /* TOS is the low byte of the header's first 16-bit word. */
    bpf_l3_csum_replace(skb, ip->l3 + offsetof(struct iphdr, check), bpf_htons(ip->tos), bpf_htons(tos), 2);
    bpf_skb_store_bytes(skb, ip->l3 + offsetof(struct iphdr, tos), &tos, 1, 0);
    return;
  }
  __u8 second; /* low half of the traffic class, then four bits of the flow label (RFC 8200 section 3) */
  if (bpf_skb_load_bytes(skb, ip->l3 + 1, &second, 1)) return;
  second = (second & ~0x30) | (ecn << 4);
  bpf_skb_store_bytes(skb, ip->l3 + 1, &second, 1, BPF_F_RECOMPUTE_CSUM);
}

/* Where the inner header of a tunnel packet starts, and of which version it must be (0: either). 0 for
 * packets that are no tunnel of ours. */
static __always_inline __u32 find_inner(struct __sk_buff* skb, const struct ip_view* outer, __u8* version) {
  struct udphdr udp;
  __u8 first;

  switch (outer->protocol) {
    case IPPROTO_IPIP:
      *version = 4;
      return outer->l4;
    case IPPROTO_IPV6:
      *version = 6;
      return outer->l4;
    case IPPROTO_UDP:
      if (!gue_port || outer->later_fragment) return 0;
      if (bpf_skb_load_bytes(skb, outer->l4, &udp, sizeof(udp)) || udp.dest != gue_port) return 0;
      if (bpf_skb_load_bytes(skb, outer->l4 + sizeof(udp), &first, 1)) return 0;
      /* Variant 1: a bare IP header, known by its version (draft-ietf-intarea-gue-09 section 4). */
      if (first >> 4 != 4 && first >> 4 != 6) return 0;
      *version = first >> 4;
      return outer->l4 + sizeof(udp);
    default:
      return 0;
  }
}

static __always_inline enum tunnel_outcome form(const struct ip_view* outer, const struct ip_view* inner) {
  if (outer->protocol == IPPROTO_UDP)
    return outer->version == 4 ? TUNNEL_GUE_OVER_IPV4 : TUNNEL_GUE_OVER_IPV6;
  if (outer->version == 4) return inner->version == 4 ? TUNNEL_IPV4_IN_IPV4 : TUNNEL_IPV6_IN_IPV4;
  return inner->version == 4 ? TUNNEL_IPV4_IN_IPV6 : TUNNEL_IPV6_IN_IPV6;
}

static __always_inline int leave_alone(struct __sk_buff* skb, enum tunnel_outcome why) {
  count(skb, 0, why);
  return TC_ACT_UNSPEC;
}

static __always_inline int drop(struct __sk_buff* skb, __u32 vip, enum tunnel_outcome why) {
  count(skb, vip, why);
  return TC_ACT_SHOT;
}

SEC("tc")
int sluice_ingress(struct __sk_buff* skb) {
  struct ip_view outer, inner;
  __u8 version;

  if (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6)) return TC_ACT_UNSPEC;
  if (view_ip(skb, ETH_HLEN, &outer)) return TC_ACT_UNSPEC;
  __u32 inner_at = find_inner(skb, &outer, &version);
  if (!inner_at || !bpf_map_lookup_elem(&own_addresses, &outer.destination)) return TC_ACT_UNSPEC;
  if (outer.fragment) return leave_alone(skb, TUNNEL_OUTER_FRAGMENT);
  if (view_ip(skb, inner_at, &inner) || inner.version != version) return leave_alone(skb, TUNNEL_BAD_TUNNEL);
  __u32 vip = find_vip(&inner.destination);
  if (!vip) return leave_alone(skb, TUNNEL_OTHER_TUNNEL);
  if (outer.version == 4 && !ipv4_sum_holds(skb, &outer)) return leave_alone(skb, TUNNEL_BAD_TUNNEL);

  int ecn = tunnel_ecn(inner.tos & 3, outer.tos & 3);
  if (ecn < 0) return drop(skb, vip, TUNNEL_ECN_DROPPED);

  __s32 outer_bytes = inner_at - ETH_HLEN;
  long error = outer.version == inner.version
                   ? bpf_skb_adjust_room(skb, -outer_bytes, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO)
                   : strip_to_other_family(skb, inner.version, outer_bytes);
  if (error) return drop(skb, vip, TUNNEL_STRIP_FAILED);
  inner.l3 -= outer_bytes;
  inner.l4 -= outer_bytes;

  struct tunnel_counters* c = count(skb, vip, form(&outer, &inner));
  if (c) c->rx_bytes += skb->len - ETH_HLEN;
  if (ecn != (inner.tos & 3)) {
    set_ecn(skb, &inner, ecn);
    count(skb, vip, TUNNEL_ECN_MARKED);
  }
  translate(skb, &inner, vip, TUNNEL_TO_DIP);
  return TC_ACT_UNSPEC;
}

/* ---- out: replies ---- */

#define TCP_OPTIONS_MAX 40

/* Puts `mss` in place of the MSS option at `at` where that promises more; `odd`: it starts at an odd offset
 * of the segment. A 16-bit value at an odd place lies across two words of the sum: its bytes trade places
 * (RFC 1071). */
static __always_inline int limit_option(struct __sk_buff* skb, __u32 at, int odd, __u16 mss, __u32 sum_at) {
  __be16 old, fresh = bpf_htons(mss);
  if (bpf_skb_load_bytes(skb, at + 2, &old, 2) || bpf_ntohs(old) <= mss) return 0;
  __be16 from = odd ? __builtin_bswap16(old) : old, to = odd ? __builtin_bswap16(fresh) : fresh;
  if (bpf_l4_csum_replace(skb, sum_at, from, to, 2)) return 0;
  bpf_skb_store_bytes(skb, at + 2, &fresh, 2, 0);
  return 1;
}

/* Lowers the MSS option (RFC 9293 section 3.7.1) of the SYN at ip->l4 to what `mtu` bytes of IP packet carry.
 */
static __noinline int lower_mss(struct __sk_buff* skb, const struct ip_view* ip, __u32 mtu) {
  __u8 data_offset, option[2];
  if (!ip || bpf_skb_load_bytes(skb, ip->l4 + 12, &data_offset, 1)) return 0;
  __u32 options = ip->l4 + sizeof(struct tcphdr);
  __u32 length = (data_offset >> 4) * 4 - sizeof(struct tcphdr);
  __u32 headers = (ip->version == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)) + sizeof(struct tcphdr);
  __u32 at = 0;
  if (length > TCP_OPTIONS_MAX) return 0;

  for (int i = 0; i < TCP_OPTIONS_MAX; i++) {
    if (at + 4 > length || bpf_skb_load_bytes(skb, options + at, option, 2) || option[0] == 0) return 0;
    if (option[0] == 2 && option[1] == 4)
      return limit_option(skb, options + at, at & 1, mtu - headers, sum_of(ip));
    __u32 step = option[0] == 1 ? 1 : option[1];
    if (step == 0 || step > TCP_OPTIONS_MAX) return 0;
    at = (at + step) &
         0x3f; /* no more than `length` allows, said so that the verifier sees one state a turn */
  }
  return 0;
}

SEC("tc")
int sluice_egress(struct __sk_buff* skb) {
  struct ip_view ip;

  if (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6)) return TC_ACT_UNSPEC;
  if (view_ip(skb, ETH_HLEN, &ip)) return TC_ACT_UNSPEC;
  __u32 vip = find_vip(&ip.source);
  if (!vip) return TC_ACT_UNSPEC;
  struct tunnel_counters* c = count(skb, vip, TUNNEL_REPLY);
  if (c) c->tx_bytes += skb->len - ETH_HLEN;

  __u8 flags;
  if (ip.protocol == IPPROTO_TCP && !ip.later_fragment && !bpf_skb_load_bytes(skb, ip.l4 + 13, &flags, 1) &&
      (flags & 2)) {
    __u32 ifindex = skb->ifindex;
    __u32* mtu = bpf_map_lookup_elem(&inner_mtu, &ifindex);
    if (mtu && lower_mss(skb, &ip, *mtu)) count(skb, vip, TUNNEL_MSS_LOWERED);
  }
  translate(skb, &ip, vip, TUNNEL_TO_VIP);
  return TC_ACT_UNSPEC;
}
