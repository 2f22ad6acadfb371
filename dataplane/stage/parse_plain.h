// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The short way of the parser, for what nearly every packet is: Ethernet without a tag, IPv4 without options
// or IPv6 without extension headers, no fragment, TCP or UDP. All that parse.cc asks of such a packet is
// asked here as one decision, which the cpu predicts; a packet that fails it is only not plain, and parse.cc
// finds out what it is. So this knows no reasons, and a packet that is plain gets the same layout and key on
// both ways (a test holds them equal).
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <bit>
#include <cstdint>

#include "dataplane/stage/burst.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/headers.h"

namespace sluice {

struct PlainFrame {
  EthernetHeader ethernet;
  Ipv4Header ip;
  TcpHeader l4;  // or UDP and what follows it
};
static_assert(sizeof(PlainFrame) == 54 && alignof(PlainFrame) == 1);

struct PlainFrame6 {
  EthernetHeader ethernet;
  Ipv6Header ip;
  TcpHeader l4;
};
static_assert(sizeof(PlainFrame6) == 74 && alignof(PlainFrame6) == 1);

namespace plain {

using Eight = std::array<std::uint8_t, 8>;

inline std::uint64_t load(const void* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// Of the eight bytes from the EtherType on: the type, version and header length.
inline constexpr auto kStart = std::bit_cast<std::uint64_t>(Eight{0x08, 0x00, 0x45});
inline constexpr auto kStartMask = std::bit_cast<std::uint64_t>(Eight{0xff, 0xff, 0xff});
// Of the same place: the type and the version.
inline constexpr auto kStart6 = std::bit_cast<std::uint64_t>(Eight{0x86, 0xdd, 0x60});
inline constexpr auto kStart6Mask = std::bit_cast<std::uint64_t>(Eight{0xff, 0xff, 0xf0});
inline constexpr std::uint16_t kFragment = Ipv4Header::kMoreFragments | Ipv4Header::kOffsetMask;

// The source is in 1.0.0.0 to 223.255.255.255 but not in 127/8: a little stricter than the rules are.
inline bool odd_source(const Ipv4Header& ip) {
  const std::uint8_t first = static_cast<std::uint8_t>(ip.source.raw());
  return first == 127 || static_cast<std::uint8_t>(first - 1) >= 223;
}
inline bool odd_destination(const Ipv4Header& ip) {
  return static_cast<std::uint8_t>(ip.destination.raw()) >= 224 || ip.source == ip.destination;
}

// ::, ::1 and mapped IPv4 addresses begin with a zero, multicast with ff.
inline bool odd_addresses(const Ipv6Header& ip) {
  const std::uint8_t source = ip.source[0], destination = ip.destination[0];
  return static_cast<std::uint8_t>(source - 1) >= 0xfe ||
         static_cast<std::uint8_t>(destination - 1) >= 0xfe ||
         (load(&ip.source[8]) == load(&ip.destination[8]) && load(&ip.source[0]) == load(&ip.destination[0]));
}

// Adds the flags of a TCP header; `l4_bytes` is what the IP header leaves for it. False: not plain.
[[gnu::always_inline]] inline bool transport(const TcpHeader& l4, std::uint8_t protocol, int l4_bytes,
                                             unsigned& flags) {
  if (protocol == kProtoTcp) {
    const int tcp_bytes = static_cast<int>(l4.header_bytes());
    if (tcp_bytes < static_cast<int>(sizeof(TcpHeader)) || tcp_bytes > l4_bytes) return false;
    constexpr auto kOpening = TcpHeader::kSyn | TcpHeader::kAck | TcpHeader::kRst | TcpHeader::kFin;
    flags |= (l4.flags & kOpening) == TcpHeader::kSyn ? Layout::kOpensFlow : 0;
    flags |= l4.flags & (TcpHeader::kFin | TcpHeader::kRst) ? Layout::kCloses : 0;
    return true;
  }
  if (protocol != kProtoUdp) return false;
  const int udp_bytes = reinterpret_cast<const UdpHeader&>(l4).length.value();
  return udp_bytes >= static_cast<int>(sizeof(UdpHeader)) && udp_bytes <= l4_bytes;
}

}  // namespace plain

// Every condition is a branch of its own that is not taken: cheaper than a flag to be collected.
[[gnu::always_inline]] inline bool parse_plain(const rte_mbuf& m, Layout& layout, FlowKey& key) {
  if (m.nb_segs != 1 || m.data_len < sizeof(PlainFrame)) return false;
  const auto& f = *rte_pktmbuf_mtod(&m, const PlainFrame*);
  const Ipv4Header& ip = f.ip;
  const unsigned flags_offset = ip.flags_offset.value();
  if ((plain::load(&f.ethernet.type) & plain::kStartMask) != plain::kStart) return false;
  if ((flags_offset & plain::kFragment) != 0) return false;
  if (plain::odd_source(ip) || plain::odd_destination(ip)) return false;

  const int total_bytes = ip.total_length.value();
  const int l4_bytes = total_bytes - static_cast<int>(sizeof(Ipv4Header));
  if (total_bytes > m.data_len - static_cast<int>(sizeof(EthernetHeader))) return false;
  unsigned flags = flags_offset & Ipv4Header::kDontFragment ? Layout::kDontFragment : 0;
  if (!plain::transport(f.l4, ip.protocol, l4_bytes, flags)) return false;
  const bool checksum_good = (m.ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD;
  if (!checksum_good && !plain_ipv4_checksum_holds(ip)) return false;

  layout = {.l3 = sizeof(EthernetHeader),
            .l4 = sizeof(EthernetHeader) + sizeof(Ipv4Header),
            .ip_bytes = static_cast<std::uint16_t>(total_bytes),
            .flags = static_cast<std::uint8_t>(flags),
            .hops_left = ip.ttl};
  key = {.source = IpAddress::v4(ip.source),
         .destination = IpAddress::v4(ip.destination),
         .source_port = f.l4.source,
         .destination_port = f.l4.destination,
         .protocol = ip.protocol};
  return true;
}

[[gnu::always_inline]] inline bool parse_plain6(const rte_mbuf& m, Layout& layout, FlowKey& key) {
  if (m.nb_segs != 1 || m.data_len < sizeof(PlainFrame6)) return false;
  const auto& f = *rte_pktmbuf_mtod(&m, const PlainFrame6*);
  const Ipv6Header& ip = f.ip;
  if ((plain::load(&f.ethernet.type) & plain::kStart6Mask) != plain::kStart6) return false;
  if (plain::odd_addresses(ip)) return false;
  const int l4_bytes = ip.payload_length.value();
  if (l4_bytes > m.data_len - static_cast<int>(sizeof(EthernetHeader) + sizeof(Ipv6Header))) return false;
  unsigned flags = Layout::kV6 | Layout::kDontFragment;
  if (!plain::transport(f.l4, ip.next_header, l4_bytes, flags)) return false;

  layout = {.l3 = sizeof(EthernetHeader),
            .l4 = sizeof(EthernetHeader) + sizeof(Ipv6Header),
            .ip_bytes = static_cast<std::uint16_t>(l4_bytes + static_cast<int>(sizeof(Ipv6Header))),
            .flags = static_cast<std::uint8_t>(flags),
            .hops_left = ip.hop_limit};
  key = {.source = IpAddress::v6(ip.source.data()),
         .destination = IpAddress::v6(ip.destination.data()),
         .source_port = f.l4.source,
         .destination_port = f.l4.destination,
         .protocol = ip.next_header};
  return true;
}

}  // namespace sluice
