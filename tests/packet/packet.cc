// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "tests/packet/packet.h"

#include <algorithm>

namespace sluice::test {
namespace {

constexpr unsigned kHopByHop = 0, kIcmp4 = 1, kTcp = 6, kUdp = 17, kRouting = 43, kFragment = 44, kEsp = 50,
                   kAh = 51, kIcmp6 = 58, kDestination = 60, kSctp = 132;
constexpr unsigned kTcpFlagsAt = 13, kSyn = 0x02, kAck = 0x10;

Bytes ports(unsigned source, unsigned destination, std::size_t header_bytes) {
  Bytes l4(header_bytes);
  set16(l4, 0, source);
  set16(l4, 2, destination);
  return l4;
}

// A header of options that are all padding: PadN over everything behind the first two bytes (RFC 8200 4.2).
Bytes padding_options(unsigned bytes) {
  Bytes header(bytes);
  header[1] = static_cast<std::uint8_t>(bytes / 8 - 1);
  header[2] = 1;
  header[3] = static_cast<std::uint8_t>(bytes - 4);
  return header;
}

}  // namespace

Packet::Packet() : to_mac_(mac_bytes(kMuxMac)), from_mac_(mac_bytes(kRouterMac)) {}

Packet& Packet::to_mac(std::string_view mac) {
  to_mac_ = mac_bytes(mac);
  return *this;
}
Packet& Packet::vlan(unsigned tci) {
  tags_.push_back(tci);
  return *this;
}
Packet& Packet::ether_type(unsigned type) {
  ether_type_ = type;
  return *this;
}

Packet& Packet::ipv4(std::string_view source, std::string_view destination) {
  source_ = address_bytes(source);
  destination_ = address_bytes(destination);
  return *this;
}
Packet& Packet::ipv6(std::string_view source, std::string_view destination) {
  return ipv4(source, destination);
}
Packet& Packet::ttl(unsigned value) {
  ttl_ = value;
  return *this;
}
Packet& Packet::tos(unsigned value) {
  tos_ = value;
  return *this;
}
Packet& Packet::id(unsigned value) {
  id_ = value;
  return *this;
}
Packet& Packet::dont_fragment() {
  flags_offset_ |= 0x4000;
  return *this;
}
Packet& Packet::options(const Bytes& bytes) {
  options_ = bytes;
  options_.resize((bytes.size() + 3) / 4 * 4);
  return *this;
}
Packet& Packet::piece(unsigned offset_bytes, bool more) {
  flags_offset_ = (flags_offset_ & 0xc000) | offset_bytes / 8 | (more ? 0x2000u : 0u);
  return *this;
}

Packet& Packet::hop_by_hop(unsigned bytes) {
  extensions_.push_back({kHopByHop, padding_options(bytes)});
  return *this;
}
Packet& Packet::destination_options(unsigned bytes) {
  extensions_.push_back({kDestination, padding_options(bytes)});
  return *this;
}
Packet& Packet::routing(unsigned type, unsigned segments_left) {
  Bytes header(24);
  header[1] = 2;
  header[2] = static_cast<std::uint8_t>(type);
  header[3] = static_cast<std::uint8_t>(segments_left);
  extensions_.push_back({kRouting, header});
  return *this;
}
Packet& Packet::fragment_header(unsigned offset_bytes, bool more, std::uint32_t id) {
  Bytes header(8);
  set16(header, 2, offset_bytes | (more ? 1u : 0u));
  set32(header, 4, id);
  extensions_.push_back({kFragment, header});
  return *this;
}

Packet& Packet::tcp(unsigned source_port, unsigned destination_port) {
  protocol_ = kTcp;
  l4_ = ports(source_port, destination_port, 20);
  set32(l4_, 4, 0x01020304);
  l4_[12] = 5 << 4;
  set16(l4_, 14, 0xfaf0);
  checksum_at_ = 16;
  return ack();
}
Packet& Packet::syn() {
  l4_[kTcpFlagsAt] = kSyn;
  return *this;
}
Packet& Packet::ack() {
  l4_[kTcpFlagsAt] = kAck;
  return *this;
}
Packet& Packet::udp(unsigned source_port, unsigned destination_port) {
  protocol_ = kUdp;
  l4_ = ports(source_port, destination_port, 8);
  checksum_at_ = 6;
  return *this;
}
Packet& Packet::sctp(unsigned source_port, unsigned destination_port) {
  protocol_ = kSctp;
  l4_ = ports(source_port, destination_port, 16);
  set32(l4_, 4, 0xcafe0001);
  l4_[15] = 4;  // an empty DATA chunk
  checksum_at_.reset();
  return *this;
}
Packet& Packet::esp(std::uint32_t spi) {
  protocol_ = kEsp;
  l4_ = Bytes(8);
  set32(l4_, 0, spi);
  checksum_at_.reset();
  return *this;
}
Packet& Packet::ah(std::uint32_t spi) {
  protocol_ = kAh;
  l4_ = Bytes(24);
  l4_[0] = kTcp;
  l4_[1] = 4;
  set32(l4_, 4, spi);
  checksum_at_.reset();
  return *this;
}
Packet& Packet::echo(unsigned id, unsigned sequence) {
  return icmp(source_.size() == 4 ? 8 : 128, 0, id << 16 | sequence);
}
Packet& Packet::icmp(unsigned type, unsigned code, std::uint32_t rest) {
  protocol_ = source_.size() == 4 ? kIcmp4 : kIcmp6;
  l4_ = {static_cast<std::uint8_t>(type), static_cast<std::uint8_t>(code), 0, 0, 0, 0, 0, 0};
  set32(l4_, 4, rest);
  checksum_at_ = 2;
  return *this;
}
Packet& Packet::icmp_number(unsigned protocol) {
  protocol_ = protocol;
  return *this;
}
Packet& Packet::protocol(unsigned number) {
  protocol_ = number;
  l4_.clear();
  checksum_at_.reset();
  return *this;
}
Packet& Packet::payload(const Bytes& bytes) {
  payload_ = bytes;
  return *this;
}
Packet& Packet::payload(std::size_t bytes) {
  return payload(pattern(bytes));
}
Packet& Packet::quoting(const Packet& culprit, std::size_t most) {
  return payload(slice(culprit.ip(), 0, most));
}

Packet& Packet::ip_byte(unsigned at, unsigned value) {
  ip_pokes_.push_back({at, value});
  return *this;
}
Packet& Packet::ip_checksum_wrong() {
  ip_checksum_wrong_ = true;
  return *this;
}
Packet& Packet::ip_length(unsigned bytes) {
  ip_length_ = bytes;
  return *this;
}
Packet& Packet::l4_byte(unsigned at, unsigned value) {
  l4_pokes_.push_back({at, value});
  return *this;
}
Packet& Packet::padded_to(std::size_t frame_bytes) {
  pad_ = frame_bytes;
  return *this;
}
Packet& Packet::cut_to(std::size_t frame_bytes) {
  cut_ = frame_bytes;
  return *this;
}

Bytes Packet::transport() const {
  Bytes l4 = l4_;
  append(l4, payload_);
  if (protocol_ == kUdp && l4_.size() == 8) set16(l4, 4, static_cast<unsigned>(l4.size()));
  if (checksum_at_) {
    const unsigned sum =
        protocol_ == kIcmp4 ? naive_checksum(l4) : transport_checksum(source_, destination_, protocol_, l4);
    set16(l4, *checksum_at_, protocol_ == kUdp && sum == 0 ? 0xffff : sum);
  }
  for (const Poke& poke : l4_pokes_) l4.at(poke.at) = static_cast<std::uint8_t>(poke.value);
  return l4;
}

Bytes Packet::ip4() const {
  const Bytes l4 = transport();
  Bytes ip(20);
  append(ip, options_);
  ip[0] = static_cast<std::uint8_t>(0x40 | ip.size() / 4);
  ip[1] = static_cast<std::uint8_t>(tos_);
  set16(ip, 2, ip_length_.value_or(static_cast<unsigned>(ip.size() + l4.size())));
  set16(ip, 4, id_);
  set16(ip, 6, flags_offset_);
  ip[8] = static_cast<std::uint8_t>(ttl_);
  ip[9] = static_cast<std::uint8_t>(protocol_);
  std::copy(source_.begin(), source_.end(), ip.begin() + 12);
  std::copy(destination_.begin(), destination_.end(), ip.begin() + 16);
  for (const Poke& poke : ip_pokes_) ip.at(poke.at) = static_cast<std::uint8_t>(poke.value);
  set16(ip, 10, naive_checksum(ip) ^ (ip_checksum_wrong_ ? 0x0100 : 0));
  append(ip, l4);
  return ip;
}

Bytes Packet::ip6() const {
  Bytes rest;
  unsigned next = protocol_;
  for (auto extension = extensions_.rbegin(); extension != extensions_.rend(); ++extension) {
    Bytes header = extension->bytes;
    header[0] = static_cast<std::uint8_t>(next);
    next = extension->number;
    append(header, rest);
    rest = header;
  }
  append(rest, transport());
  Bytes ip(8);
  set32(ip, 0, 6u << 28 | tos_ << 20);
  set16(ip, 4, ip_length_.value_or(static_cast<unsigned>(rest.size())));
  ip[6] = static_cast<std::uint8_t>(next);
  ip[7] = static_cast<std::uint8_t>(ttl_);
  append(ip, source_);
  append(ip, destination_);
  for (const Poke& poke : ip_pokes_) ip.at(poke.at) = static_cast<std::uint8_t>(poke.value);
  append(ip, rest);
  return ip;
}

Bytes Packet::ip() const {
  if (source_.empty()) return payload_;  // no IP at all: ARP and the like
  return source_.size() == 4 ? ip4() : ip6();
}

Bytes Packet::ethernet() const {
  Bytes header = to_mac_;
  append(header, from_mac_);
  const auto put = [&](unsigned value) {
    header.resize(header.size() + 2);
    set16(header, header.size() - 2, value);
  };
  for (const unsigned tag : tags_) {
    put(0x8100);
    put(tag);
  }
  put(ether_type_.value_or(source_.size() == 16 ? 0x86dd : 0x0800));
  return header;
}

Bytes Packet::frame() const {
  Bytes all = ethernet();
  append(all, ip());
  if (pad_) all.resize(std::max(all.size(), *pad_), 0xee);
  if (cut_) all.resize(std::min(all.size(), *cut_));
  return all;
}

namespace {

Bytes piece4(const Bytes& ip, unsigned header_bytes, unsigned from, unsigned to) {
  const bool last = header_bytes + to == ip.size();
  Bytes piece = slice(ip, 0, header_bytes);
  append(piece, slice(ip, header_bytes + from, header_bytes + to));
  set16(piece, 2, static_cast<unsigned>(piece.size()));
  set16(piece, 6, from / 8 | (last ? 0u : 0x2000u));
  set16(piece, 10, 0);
  set16(piece, 10, naive_checksum(slice(piece, 0, header_bytes)));
  return piece;
}

Bytes piece6(const Bytes& ip, unsigned from, unsigned to) {
  const bool last = 40 + to == ip.size();
  Bytes piece = slice(ip, 0, 40);
  Bytes header(8);
  header[0] = piece[6];
  piece[6] = kFragment;
  set16(header, 2, from | (last ? 0u : 1u));
  set32(header, 4, 0x00c0ffee);
  append(piece, header);
  append(piece, slice(ip, 40 + from, 40 + to));
  set16(piece, 4, static_cast<unsigned>(piece.size() - 40));
  return piece;
}

}  // namespace

std::vector<Bytes> in_pieces(const Packet& whole, unsigned piece_bytes) {
  const Bytes frame = whole.frame(), ip = whole.ip();
  const bool v4 = ip[0] >> 4 == 4;
  const unsigned header_bytes = v4 ? (ip[0] & 15u) * 4 : 40;
  const auto payload_bytes = static_cast<unsigned>(ip.size()) - header_bytes;
  const Bytes ethernet = slice(frame, 0, frame.size() - ip.size());
  std::vector<Bytes> pieces;
  for (unsigned from = 0; from < payload_bytes; from += piece_bytes) {
    const unsigned to = std::min(from + piece_bytes, payload_bytes);
    Bytes out = ethernet;
    append(out, v4 ? piece4(ip, header_bytes, from, to) : piece6(ip, from, to));
    pieces.push_back(out);
  }
  return pieces;
}

}  // namespace sluice::test
