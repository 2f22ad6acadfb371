// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/pool/path_frames.h"

#include <cstddef>
#include <cstring>

#include "dataplane/wire/checksum.h"
#include "dataplane/wire/headers.h"
#include "dataplane/wire/reader.h"

namespace sluice::pool {
namespace {

constexpr std::uint8_t kTtl = 64;
constexpr std::uint16_t kWindow = 1024;

template <typename Header>
void append(Frame& frame, const Header& header) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&header);
  frame.insert(frame.end(), bytes, bytes + sizeof header);
}

// `sum_at`: where in the body its checksum stands, still 0. IPv4's ICMP has no pseudo header (RFC 792).
Frame packet(const Ends& ends, std::uint8_t protocol, Frame body, std::size_t sum_at) {
  const auto length = static_cast<std::uint16_t>(body.size());
  const bool v4 = ends.vip.is_v4();
  PartialSum sum = partial_sum(body);
  if (protocol != kProtoIcmp) sum += pseudo_sum(ends.source, ends.vip, protocol, length);
  const Big16 checksum = finish(sum);
  std::memcpy(&body[sum_at], &checksum, sizeof checksum);
  Frame frame;
  append(frame, EthernetHeader{ends.peer, ends.own, Big16(v4 ? kEtherIpv4 : kEtherIpv6)});
  if (v4) {
    Ipv4Header ip{.version_ihl = 0x45,
                  .tos = 0,
                  .total_length = Big16(static_cast<std::uint16_t>(sizeof ip + length)),
                  .id = Big16{},
                  .flags_offset = Big16(Ipv4Header::kDontFragment),
                  .ttl = kTtl,
                  .protocol = protocol,
                  .checksum = Big16{},
                  .source = ends.source.v4(),
                  .destination = ends.vip.v4()};
    ip.checksum = ipv4_checksum(ip);
    append(frame, ip);
  } else {
    append(frame, Ipv6Header{Big32(std::uint32_t{6} << 28), Big16(length), protocol, kTtl, ends.source.byte,
                             ends.vip.byte});
  }
  frame.insert(frame.end(), body.begin(), body.end());
  return frame;
}

Frame segment(const Ends& ends, std::uint16_t source_port, std::uint16_t port, std::uint32_t sequence,
              std::uint8_t flags) {
  Frame body;
  append(body, TcpHeader{.source = Big16(source_port),
                         .destination = Big16(port),
                         .sequence = Big32(sequence),
                         .acknowledgement = Big32{},
                         .data_offset = sizeof(TcpHeader) / 4 << 4,
                         .flags = flags,
                         .window = Big16(kWindow),
                         .checksum = Big16{},
                         .urgent = Big16{}});
  return packet(ends, kProtoTcp, std::move(body), offsetof(TcpHeader, checksum));
}

std::optional<Answer> answer_of_icmp(Reader& reader, const IpAddress& vip, std::uint8_t reply) {
  const auto* icmp = reader.take<IcmpHeader>();
  if (!icmp || icmp->type != reply || icmp->code != 0) return std::nullopt;
  return Answer{.number = std::uint32_t{icmp->id.value()} << 16 | icmp->sequence.value(), .vip = vip};
}

std::optional<Answer> answer_of_tcp(Reader& reader, const IpAddress& vip) {
  const auto* tcp = reader.take<TcpHeader>();
  if (!tcp) return std::nullopt;
  const std::uint16_t to = tcp->destination.value();
  const bool ours = to >= kFirstPort && to < kFirstPort + kPorts;
  const bool accepted = tcp->flags & TcpHeader::kSyn, refused = tcp->flags & TcpHeader::kRst;
  if (!ours || !(tcp->flags & TcpHeader::kAck) || accepted == refused) return std::nullopt;
  Answer answer{.number = tcp->acknowledgement.value() - 1, .vip = vip};
  if (accepted) {
    answer.source_port = to;
    answer.port = tcp->source.value();
  }
  return answer;
}

}  // namespace

Frame echo(const Ends& ends, std::uint32_t number) {
  const bool v4 = ends.vip.is_v4();
  Frame body;
  append(body, IcmpHeader{.type = v4 ? IcmpHeader::kEchoRequest : IcmpHeader::kV6EchoRequest,
                          .code = 0,
                          .checksum = Big16{},
                          .id = Big16(static_cast<std::uint16_t>(number >> 16)),
                          .sequence = Big16(static_cast<std::uint16_t>(number))});
  return packet(ends, v4 ? kProtoIcmp : kProtoIcmpv6, std::move(body), offsetof(IcmpHeader, checksum));
}

Frame syn(const Ends& ends, std::uint16_t source_port, std::uint16_t port, std::uint32_t number) {
  return segment(ends, source_port, port, number, TcpHeader::kSyn);
}

Frame reset(const Ends& ends, std::uint16_t source_port, std::uint16_t port, std::uint32_t number) {
  return segment(ends, source_port, port, number + 1, TcpHeader::kRst);
}

std::optional<Answer> answer_in(std::span<const std::uint8_t> frame) {
  Reader reader(frame.data(), frame.size());
  const auto* ethernet = reader.take<EthernetHeader>();
  if (!ethernet) return std::nullopt;
  if (ethernet->type.value() == kEtherIpv4) {
    const auto* ip = reader.take<Ipv4Header>();
    // What a MUX or a server answers has no options and is no fragment.
    if (!ip || ip->version_ihl != 0x45 ||
        (ip->flags_offset.value() & (Ipv4Header::kOffsetMask | Ipv4Header::kMoreFragments)))
      return std::nullopt;
    const IpAddress vip = IpAddress::v4(ip->source);
    if (ip->protocol == kProtoIcmp) return answer_of_icmp(reader, vip, IcmpHeader::kEchoReply);
    return ip->protocol == kProtoTcp ? answer_of_tcp(reader, vip) : std::nullopt;
  }
  if (ethernet->type.value() != kEtherIpv6) return std::nullopt;
  const auto* ip = reader.take<Ipv6Header>();
  if (!ip || ip->version_class_flow.value() >> 28 != 6) return std::nullopt;
  const IpAddress vip = IpAddress::v6(ip->source.data());
  if (ip->next_header == kProtoIcmpv6) return answer_of_icmp(reader, vip, IcmpHeader::kV6EchoReply);
  return ip->next_header == kProtoTcp ? answer_of_tcp(reader, vip) : std::nullopt;
}

}  // namespace sluice::pool
