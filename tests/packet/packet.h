// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Frames that read as sentences:
//   packet().vlan(7).ipv4("198.51.100.1", "203.0.113.10").ttl(3).tcp(1234, 80).syn()
// All lengths and checksums come out right, by the tests' own arithmetic; the words under "lies" make single
// fields wrong, and leave the rest as right as it can be.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "tests/packet/bytes.h"

namespace sluice::test {

inline constexpr std::string_view kRouterMac = "02:00:00:00:00:01";
inline constexpr std::string_view kMuxMac = "02:00:00:00:00:10";

class Packet {
 public:
  Packet();  // from the router to the MUX

  Packet& to_mac(std::string_view mac);
  Packet& vlan(unsigned tci);  // once or more
  Packet& ether_type(unsigned type);

  Packet& ipv4(std::string_view source, std::string_view destination);
  Packet& ipv6(std::string_view source, std::string_view destination);
  Packet& ttl(unsigned value);  // or hop limit
  Packet& tos(unsigned value);  // or traffic class: DSCP and ECN
  Packet& id(unsigned value);
  Packet& dont_fragment();
  Packet& options(const Bytes& bytes);              // of IPv4; padded to four bytes
  Packet& piece(unsigned offset_bytes, bool more);  // of IPv4; the payload is as it is given

  // IPv6 extension headers, in the order in which they are called.
  Packet& hop_by_hop(unsigned bytes = 8);
  Packet& destination_options(unsigned bytes = 8);
  Packet& routing(unsigned type = 2, unsigned segments_left = 0);
  Packet& fragment_header(unsigned offset_bytes, bool more, std::uint32_t id);

  Packet& tcp(unsigned source_port, unsigned destination_port);
  Packet& syn();
  Packet& ack();
  Packet& udp(unsigned source_port, unsigned destination_port);
  Packet& sctp(unsigned source_port, unsigned destination_port);
  Packet& esp(std::uint32_t spi);
  Packet& ah(std::uint32_t spi);
  Packet& echo(unsigned id, unsigned sequence);  // a request, of the family's own ICMP
  Packet& icmp(unsigned type, unsigned code, std::uint32_t rest = 0);
  Packet& icmp_number(unsigned protocol);  // of the other family
  Packet& protocol(unsigned number);       // nothing that Sluice knows; or before `payload`, a piece of it
  Packet& payload(const Bytes& bytes);
  Packet& payload(std::size_t bytes);  // of a pattern
  // What an ICMP error quotes: the first `most` bytes of the IP packet of `culprit`.
  Packet& quoting(const Packet& culprit, std::size_t most = 64);

  // Lies.
  Packet& ip_byte(unsigned at, unsigned value);  // in the IP header; the checksum is made for it
  Packet& ip_checksum_wrong();
  Packet& ip_length(unsigned bytes);             // total or payload length
  Packet& l4_byte(unsigned at, unsigned value);  // after the transport checksum
  Packet& padded_to(std::size_t frame_bytes);    // behind the IP packet
  Packet& cut_to(std::size_t frame_bytes);

  [[nodiscard]] Bytes frame() const;
  [[nodiscard]] Bytes ip() const;  // the IP packet in it
  operator Bytes() const { return frame(); }

 private:
  struct Poke {
    unsigned at, value;
  };
  struct Extension {
    unsigned number;
    Bytes bytes;
  };
  [[nodiscard]] Bytes transport() const;
  [[nodiscard]] Bytes ip4() const;
  [[nodiscard]] Bytes ip6() const;
  [[nodiscard]] Bytes ethernet() const;

  Bytes to_mac_, from_mac_;
  std::vector<unsigned> tags_;
  std::optional<unsigned> ether_type_;
  Bytes source_, destination_;
  unsigned ttl_ = 64, tos_ = 0, id_ = 0x1234, flags_offset_ = 0;
  Bytes options_;
  std::vector<Extension> extensions_;
  unsigned protocol_ = 59;
  Bytes l4_;                             // header, checksum zero
  std::optional<unsigned> checksum_at_;  // where the transport's checksum goes
  Bytes payload_;
  bool ip_checksum_wrong_ = false;
  std::optional<unsigned> ip_length_;
  std::vector<Poke> ip_pokes_, l4_pokes_;
  std::optional<std::size_t> pad_, cut_;
};

inline Packet packet() {
  return Packet();
}

// Payloads of control protocols, as their standards lay them out.
Bytes radius_accounting(unsigned status, std::string_view framed_address);  // IPv6: Framed-IPv6-Prefix, /64
Bytes dhcp_message(unsigned type, std::string_view requested, std::string_view own);  // "" = not given
Bytes gtp1_message(unsigned type);
Bytes gtp2_message(unsigned type);
inline constexpr unsigned kRadiusStart = 1, kRadiusStop = 2, kRadiusInterim = 3, kDhcpRequest = 3,
                          kDhcpRelease = 7, kCreatePdpContext = 16, kCreateSession = 32;

// The frames of one datagram cut into pieces of at most `piece_bytes` of payload each (a multiple of 8), as a
// sender or router does it; IPv6 pieces get a fragment header behind the first `unfragmentable_bytes` after
// the fixed header.
std::vector<Bytes> in_pieces(const Packet& whole, unsigned piece_bytes);

}  // namespace sluice::test
