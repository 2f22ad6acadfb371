// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "tests/packet/decode.h"

#include <map>
#include <stdexcept>

namespace sluice::test {
namespace {

void expect(bool true_, const std::string& otherwise) {
  if (!true_) throw std::runtime_error(otherwise);
}

std::string mac_text(const Bytes& frame, std::size_t at) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = at; i < at + 6; ++i) {
    if (i != at) text += ':';
    text += kDigits[frame.at(i) >> 4];
    text += kDigits[frame.at(i) & 15];
  }
  return text;
}

Ip read_ip6(const Bytes& packet) {
  expect(packet.size() >= 40, "the IPv6 header is cut off");
  expect(get16(packet, 4) + 40 == packet.size(), "the IPv6 payload length is not that of the packet");
  Ip ip;
  ip.v6 = true;
  ip.tos = get32(packet, 0) >> 20 & 0xff;
  ip.flow_label = get32(packet, 0) & 0xfffff;
  ip.protocol = packet[6];
  ip.ttl = packet[7];
  ip.source = address_text(slice(packet, 8, 24));
  ip.destination = address_text(slice(packet, 24, 40));
  ip.payload = slice(packet, 40);
  return ip;
}

}  // namespace

Frame read_frame(const Bytes& frame) {
  expect(frame.size() >= 14, "the frame is shorter than an Ethernet header");
  Frame f;
  f.to = mac_text(frame, 0);
  f.from = mac_text(frame, 6);
  std::size_t at = 12;
  for (; get16(frame, at) == 0x8100; at += 4) f.tags.push_back(get16(frame, at + 2));
  f.type = get16(frame, at);
  f.l3 = slice(frame, at + 2);
  return f;
}

Ip read_ip(const Bytes& packet) {
  expect(!packet.empty(), "there is no IP packet");
  if (packet[0] >> 4 == 6) return read_ip6(packet);
  expect(packet[0] >> 4 == 4, "the IP version is neither 4 nor 6");
  const unsigned header_bytes = (packet[0] & 15u) * 4;
  expect(header_bytes >= 20 && packet.size() >= header_bytes, "the IPv4 header length cannot be");
  expect(get16(packet, 2) == packet.size(), "the IPv4 total length is not that of the packet");
  expect(naive_checksum(slice(packet, 0, header_bytes)) == 0, "the IPv4 header checksum is wrong");
  Ip ip;
  ip.tos = packet[1];
  ip.id = get16(packet, 4);
  expect((packet[6] & 0x80) == 0, "the reserved flag of IPv4 is set");
  ip.dont_fragment = packet[6] & 0x40;
  ip.more = packet[6] & 0x20;
  ip.offset_bytes = (get16(packet, 6) & 0x1fff) * 8;
  ip.ttl = packet[8];
  ip.protocol = packet[9];
  ip.source = address_text(slice(packet, 12, 16));
  ip.destination = address_text(slice(packet, 16, 20));
  ip.options = slice(packet, 20, header_bytes);
  ip.payload = slice(packet, header_bytes);
  return ip;
}

Udp read_udp(const Bytes& l4) {
  expect(l4.size() >= 8, "the UDP header is cut off");
  Udp udp{get16(l4, 0), get16(l4, 2), get16(l4, 4), get16(l4, 6), slice(l4, 8)};
  expect(udp.length == l4.size(), "the UDP length is not that of the datagram");
  return udp;
}

Icmp read_icmp(const Ip& ip) {
  unsigned protocol = ip.protocol;
  Bytes l4 = ip.payload;
  while (ip.v6 && (protocol == 0 || protocol == 43 || protocol == 60)) {  // options, and routes
    protocol = l4.at(0);
    l4 = slice(l4, (l4.at(1) + 1u) * 8);
  }
  expect(protocol == (ip.v6 ? 58u : 1u), "the packet is not ICMP");
  expect(l4.size() >= 8, "the ICMP header is cut off");
  const unsigned left_over =
      ip.v6 ? transport_checksum(address_bytes(ip.source), address_bytes(ip.destination), 58, l4)
            : naive_checksum(l4);
  expect(left_over == 0, "the ICMP checksum is wrong");
  return {l4[0], l4[1], get32(l4, 4), slice(l4, 8)};
}

Bytes one_hop_further(Bytes ip_packet) {
  if (ip_packet.at(0) >> 4 == 6) {
    --ip_packet.at(7);
    return ip_packet;
  }
  --ip_packet.at(8);
  set16(ip_packet, 10, 0);
  set16(ip_packet, 10, naive_checksum(slice(ip_packet, 0, (ip_packet[0] & 15u) * 4)));
  return ip_packet;
}

Bytes reassemble4(const std::vector<Bytes>& pieces) {
  std::map<unsigned, const Bytes*> by_offset;
  for (const Bytes& piece : pieces) {
    expect(by_offset.emplace(read_ip(piece).offset_bytes, &piece).second, "two pieces have one offset");
  }
  expect(!by_offset.empty() && by_offset.begin()->first == 0, "the first piece is missing");
  const Bytes& first = *by_offset.begin()->second;
  const unsigned header_bytes = (first[0] & 15u) * 4;
  Bytes payload;
  bool ended = false;
  for (const auto& [offset, piece] : by_offset) {
    const Ip ip = read_ip(*piece);
    expect(!ended && offset == payload.size(), "the pieces leave a hole, or overlap");
    expect(!ip.more || ip.payload.size() % 8 == 0, "a piece that is not the last is no multiple of 8");
    expect(ip.id == get16(first, 4), "the pieces are not of one datagram");
    append(payload, ip.payload);
    ended = !ip.more;
  }
  expect(ended, "the last piece is missing");
  Bytes whole = slice(first, 0, header_bytes);
  append(whole, payload);
  set16(whole, 2, static_cast<unsigned>(whole.size()));
  set16(whole, 6, get16(whole, 6) & 0xc000);
  set16(whole, 10, 0);
  set16(whole, 10, naive_checksum(slice(whole, 0, header_bytes)));
  return whole;
}

}  // namespace sluice::test
