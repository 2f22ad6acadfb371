// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Header layouts as they lie on the wire; every struct has alignment 1 and a pinned size.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/wire/address.h"
#include "dataplane/wire/big_endian.h"

namespace sluice {

// EtherTypes (IEEE 802).
inline constexpr std::uint16_t kEtherIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherArp = 0x0806;
inline constexpr std::uint16_t kEtherVlan = 0x8100;
inline constexpr std::uint16_t kEtherIpv6 = 0x86dd;

// IP protocol numbers (IANA).
inline constexpr std::uint8_t kProtoHopByHop = 0;
inline constexpr std::uint8_t kProtoIcmp = 1;
inline constexpr std::uint8_t kProtoIpv4 = 4;
inline constexpr std::uint8_t kProtoTcp = 6;
inline constexpr std::uint8_t kProtoUdp = 17;
inline constexpr std::uint8_t kProtoIpv6 = 41;
inline constexpr std::uint8_t kProtoRouting = 43;
inline constexpr std::uint8_t kProtoFragment = 44;
inline constexpr std::uint8_t kProtoEsp = 50;
inline constexpr std::uint8_t kProtoAh = 51;
inline constexpr std::uint8_t kProtoIcmpv6 = 58;
inline constexpr std::uint8_t kProtoNoNext = 59;
inline constexpr std::uint8_t kProtoDestination = 60;
inline constexpr std::uint8_t kProtoSctp = 132;

struct EthernetHeader {
  MacAddress destination, source;
  Big16 type;
};
static_assert(sizeof(EthernetHeader) == 14 && alignof(EthernetHeader) == 1);

struct VlanTag {  // follows an EthernetHeader of type kEtherVlan (IEEE 802.1Q)
  Big16 tci;      // priority 3 bits, DEI 1, VLAN id 12
  Big16 type;
};
static_assert(sizeof(VlanTag) == 4);

struct Ipv4Header {  // RFC 791
  std::uint8_t version_ihl;
  std::uint8_t tos;  // DSCP 6 bits, ECN 2
  Big16 total_length;
  Big16 id;
  Big16 flags_offset;  // reserved, DF, MF, 13 bits of offset in units of 8 bytes
  std::uint8_t ttl;
  std::uint8_t protocol;
  Big16 checksum;
  Big32 source, destination;

  static constexpr std::uint16_t kDontFragment = 0x4000;
  static constexpr std::uint16_t kMoreFragments = 0x2000;
  static constexpr std::uint16_t kOffsetMask = 0x1fff;
  [[nodiscard]] unsigned header_bytes() const { return (version_ihl & 0x0fu) * 4; }
};
static_assert(sizeof(Ipv4Header) == 20 && alignof(Ipv4Header) == 1);

struct Ipv6Header {  // RFC 8200
  Big32 version_class_flow;
  Big16 payload_length;
  std::uint8_t next_header;
  std::uint8_t hop_limit;
  std::array<std::uint8_t, 16> source, destination;

  [[nodiscard]] std::uint8_t traffic_class() const {
    return static_cast<std::uint8_t>(version_class_flow.value() >> 20);
  }
};
static_assert(sizeof(Ipv6Header) == 40 && alignof(Ipv6Header) == 1);

struct Ipv6FragmentHeader {  // RFC 8200 section 4.5
  std::uint8_t next_header;
  std::uint8_t reserved;
  Big16 offset_more;  // 13 bits of offset in units of 8 bytes, 2 reserved, M
  Big32 id;
};
static_assert(sizeof(Ipv6FragmentHeader) == 8);

struct PortPair {  // the first four bytes of TCP, UDP and SCTP
  Big16 source, destination;
};

struct TcpHeader {  // RFC 9293
  Big16 source, destination;
  Big32 sequence, acknowledgement;
  std::uint8_t data_offset;  // upper 4 bits, in units of 4 bytes
  std::uint8_t flags;
  Big16 window, checksum, urgent;

  static constexpr std::uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08, kAck = 0x10;
  [[nodiscard]] unsigned header_bytes() const { return (data_offset & 0xf0u) >> 2; }
};
static_assert(sizeof(TcpHeader) == 20);

struct UdpHeader {  // RFC 768
  Big16 source, destination, length, checksum;
};
static_assert(sizeof(UdpHeader) == 8);

struct SctpHeader {  // RFC 9260
  Big16 source, destination;
  Big32 verification_tag, checksum;
};
static_assert(sizeof(SctpHeader) == 12);

struct IcmpHeader {  // RFC 792, RFC 4443: the last four bytes depend on the type
  std::uint8_t type, code;
  Big16 checksum;
  Big16 id, sequence;  // echo; in "too big" the IPv4 next-hop MTU is `sequence`, the IPv6 MTU is both

  static constexpr std::uint8_t kEchoReply = 0, kUnreachable = 3, kEchoRequest = 8, kTimeExceeded = 11,
                                kParameterProblem = 12;
  static constexpr std::uint8_t kCodeFragmentationNeeded = 4;
  static constexpr std::uint8_t kV6Unreachable = 1, kV6TooBig = 2, kV6TimeExceeded = 3,
                                kV6ParameterProblem = 4, kV6EchoRequest = 128, kV6EchoReply = 129;
};
static_assert(sizeof(IcmpHeader) == 8);

struct ArpHeader {  // RFC 826, Ethernet and IPv4
  Big16 hardware, protocol;
  std::uint8_t hardware_bytes, protocol_bytes;
  Big16 operation;
  MacAddress sender_mac;
  Big32 sender;
  MacAddress target_mac;
  Big32 target;
};
static_assert(sizeof(ArpHeader) == 28);

}  // namespace sluice
