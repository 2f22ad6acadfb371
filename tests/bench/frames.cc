// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "tests/bench/frames.h"

#include <algorithm>
#include <fstream>
#include <numeric>
#include <random>
#include <stdexcept>

namespace sluice::bench {
namespace {

constexpr unsigned kMinFrameBytes = 60;  // Ethernet pads shorter ones

IpAddress numbered(const char* first, std::uint64_t number) {
  IpAddress address = *parse_address(first);
  Big32 low = address.v4();
  low.set(low.value() + static_cast<std::uint32_t>(number));
  std::memcpy(&address.byte[12], &low, 4);
  return address;
}

template <typename Header>
Header* put(Frame& frame, unsigned at) {
  return new (&frame.bytes[at]) Header{};
}

void write_ip(Frame& frame, const IpAddress& client, const IpAddress& vip, unsigned l4_bytes,
              std::uint8_t protocol) {
  const bool v6 = !vip.is_v4();
  auto* ethernet = put<EthernetHeader>(frame, 0);
  ethernet->destination = *parse_mac("02:00:00:00:00:01");
  ethernet->source = *parse_mac("02:00:00:00:00:02");
  ethernet->type = Big16(v6 ? kEtherIpv6 : kEtherIpv4);
  if (v6) {
    auto* ip = put<Ipv6Header>(frame, sizeof(EthernetHeader));
    ip->version_class_flow.set(6u << 28);
    ip->payload_length.set(static_cast<std::uint16_t>(l4_bytes));
    ip->next_header = protocol;
    ip->hop_limit = 64;
    ip->source = client.byte;
    ip->destination = vip.byte;
  } else {
    auto* ip = put<Ipv4Header>(frame, sizeof(EthernetHeader));
    ip->version_ihl = 0x45;
    ip->total_length.set(static_cast<std::uint16_t>(sizeof(Ipv4Header) + l4_bytes));
    ip->flags_offset.set(Ipv4Header::kDontFragment);  // as every TCP of today sends it
    ip->ttl = 64;
    ip->protocol = protocol;
    ip->source = client.v4();
    ip->destination = vip.v4();
    ip->checksum = ipv4_checksum(*ip);
  }
}

}  // namespace

IpAddress service_vip(bool v6, std::uint32_t number) {
  return numbered(v6 ? "2001:db8:cb::10" : "203.0.113.10", number);
}

IpAddress client_of(std::uint64_t n, bool v6) {
  return numbered(v6 ? "2001:db8:c::1" : "100.64.0.1", n % kClients);
}

Frame make_frame(const FrameShape& shape) {
  const IpAddress client = client_of(0, shape.v6), vip = service_vip(shape.v6, 0);
  Frame frame;
  if (shape.udp) {
    write_ip(frame, client, vip, kMinFrameBytes - sizeof(EthernetHeader) - sizeof(Ipv4Header), kProtoUdp);
    auto* udp = put<UdpHeader>(frame, sizeof(EthernetHeader) + sizeof(Ipv4Header));
    udp->source.set(client_port_of(0));
    udp->destination.set(kServicePort);
    udp->length.set(kMinFrameBytes - sizeof(EthernetHeader) - sizeof(Ipv4Header));
    frame.size = kMinFrameBytes;
    return frame;
  }
  constexpr unsigned kTcpBytes = sizeof(TcpHeader);
  write_ip(frame, client, vip, kTcpBytes, kProtoTcp);
  const unsigned l4 = sizeof(EthernetHeader) + (shape.v6 ? sizeof(Ipv6Header) : sizeof(Ipv4Header));
  auto* tcp = put<TcpHeader>(frame, l4);
  tcp->source.set(client_port_of(0));
  tcp->destination.set(kServicePort);
  tcp->data_offset = 0x50;
  tcp->flags = shape.syn ? TcpHeader::kSyn : TcpHeader::kAck;
  tcp->window.set(1'000);
  tcp->checksum =
      finish(pseudo_sum(client, vip, kProtoTcp, kTcpBytes) + partial_sum({&frame.bytes[l4], kTcpBytes}));
  frame.size = static_cast<std::uint16_t>(std::max(l4 + kTcpBytes, kMinFrameBytes));
  return frame;
}

FrameWriter::FrameWriter(const FrameShape& shape)
    : v6_(shape.v6),
      services_(shape.services),
      first_client_(client_of(0, shape.v6).v4().value()),
      first_vip_(service_vip(shape.v6, 0).v4().value()),
      frame_(make_frame(shape)) {
  const unsigned l3 = sizeof(EthernetHeader);
  const unsigned l4 = l3 + (shape.v6 ? sizeof(Ipv6Header) : sizeof(Ipv4Header));
  std::memcpy(&ports_, &frame_.bytes[l4], sizeof ports_);
  if (shape.v6) return;
  Ipv4Header ip;
  std::memcpy(&ip, &frame_.bytes[l3], sizeof ip);
  ip.source = ip.destination = Big32{};
  ip.checksum = Big16{};
  sum_ = ipv4_sum(ip);
}

void write_capture(const std::string& path, const FrameShape& shape, std::uint32_t flows,
                   std::uint32_t seed) {
  struct FileHeader {
    std::uint32_t magic = 0xa1b2c3d4;
    std::uint16_t major = 2, minor = 4;
    std::uint32_t zone = 0, accuracy = 0, snap_bytes = 65'535, link_type = 1;
  };
  struct PacketHeader {
    std::uint32_t seconds, microseconds, captured_bytes, bytes;
  };
  std::vector<std::uint32_t> order(flows);
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::shuffle(order, std::mt19937(seed));
  std::ofstream file(path, std::ios::binary);
  const auto write = [&](const void* from, std::size_t bytes) {
    file.write(static_cast<const char*>(from), static_cast<std::streamsize>(bytes));
  };
  const FileHeader header;
  write(&header, sizeof header);
  const FrameWriter writer(shape);
  for (const std::uint32_t flow : order) {
    const PacketHeader packet{0, 0, writer.bytes(), writer.bytes()};
    std::uint8_t frame[sizeof(Frame::bytes)];
    writer.write(frame, flow);
    write(&packet, sizeof packet);
    write(frame, writer.bytes());
  }
  if (!file.flush()) throw std::runtime_error("cannot write the capture " + path);
}

}  // namespace sluice::bench
