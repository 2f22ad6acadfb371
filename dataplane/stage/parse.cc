// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <rte_mbuf.h>

#include "dataplane/stage/parse_plain.h"
#include "dataplane/stage/stages.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/headers.h"
#include "dataplane/wire/reader.h"

// The parser returns kCount for "well-formed"; every other value is the reason to drop.
namespace sluice {
namespace {

constexpr DropReason kFine = DropReason::kCount;
constexpr unsigned kMaxExtensionHeaders = 8;  // more is an attack on parsers, not traffic
constexpr unsigned kMaxDatagramBytes = 65535;

struct Parsed {
  Layout layout;
  bool punt = false;
  bool unrelated = false;  // an ICMP error, but about no packet of ours
  std::uint32_t fragment_id = 0;
};

void set_ports(FlowKey& key, const PortPair& ports) {
  key.source_port = ports.source;
  key.destination_port = ports.destination;
}

bool is_icmp_error(bool v6, std::uint8_t type) {
  if (v6) return type >= IcmpHeader::kV6Unreachable && type <= IcmpHeader::kV6ParameterProblem;
  return type == IcmpHeader::kUnreachable || type == IcmpHeader::kTimeExceeded ||
         type == IcmpHeader::kParameterProblem;
}

bool has_ports(std::uint8_t protocol) {
  return protocol == kProtoTcp || protocol == kProtoUdp || protocol == kProtoSctp;
}

// The ports inside an ICMP error belong to a packet server -> client; the key is client -> server.
DropReason set_embedded_key(Reader& r, FlowKey& key, const IpAddress& source, const IpAddress& destination,
                            std::uint8_t protocol, bool later_fragment) {
  key.source = destination;
  key.destination = source;
  key.protocol = protocol;
  key.source_port = key.destination_port = Big16{};
  if (!has_ports(protocol)) return kFine;
  const PortPair* ports = later_fragment ? nullptr : r.peek<PortPair>();
  if (!ports) return DropReason::kIcmpUnrelated;
  key.source_port = ports->destination;
  key.destination_port = ports->source;
  return kFine;
}

DropReason parse_embedded4(Reader& r, FlowKey& key) {
  const auto* ip = r.take<Ipv4Header>();
  if (!ip || ip->version_ihl >> 4 != 4 || ip->header_bytes() < sizeof(Ipv4Header) ||
      !r.skip(ip->header_bytes() - sizeof(Ipv4Header))) {
    return DropReason::kIcmpUnrelated;
  }
  return set_embedded_key(r, key, IpAddress::v4(ip->source), IpAddress::v4(ip->destination), ip->protocol,
                          (ip->flags_offset.value() & Ipv4Header::kOffsetMask) != 0);
}

struct Ipv6Chain {
  std::uint8_t protocol = 0;
  bool fragment = false, later_fragment = false;
  std::uint32_t fragment_id = 0;
};

// Walks hop-by-hop, routing, destination and fragment headers (RFC 8200 section 4) up to the transport. A
// `quoted` packet may have been cut anywhere by the router that sent the error: its lengths are not checked.
DropReason walk_extensions(Reader& r, std::uint8_t next, Ipv6Chain& chain, bool quoted) {
  for (unsigned count = 0;; ++count) {
    const bool option_like = next == kProtoHopByHop || next == kProtoRouting || next == kProtoDestination;
    if (!option_like && next != kProtoFragment) break;
    if (count == kMaxExtensionHeaders || (next == kProtoHopByHop && count != 0)) {
      return DropReason::kBadExtensionHeader;
    }
    if (next == kProtoFragment) {
      const auto* fragment = r.take<Ipv6FragmentHeader>();
      if (!fragment || chain.fragment) return DropReason::kBadExtensionHeader;
      const unsigned offset_bytes = fragment->offset_more.value() & ~7u;
      const bool more = fragment->offset_more.value() & 1;
      const bool fits =
          offset_bytes + r.left() <= kMaxDatagramBytes && r.left() != 0 && !(more && r.left() % 8 != 0);
      if (!fits && !quoted) return DropReason::kBadFragment;
      next = fragment->next_header;
      // An atomic fragment (RFC 6946) is a whole datagram.
      chain.fragment = more || offset_bytes != 0;
      chain.later_fragment = offset_bytes != 0;
      chain.fragment_id = fragment->id.raw();
      if (chain.later_fragment) break;
      continue;
    }
    struct Extension {
      std::uint8_t next, length_8, type, segments_left;
    };
    const auto* extension = r.peek<Extension>();
    if (!extension) return DropReason::kBadExtensionHeader;
    // Type 0 source routes are forbidden (RFC 5095).
    if (next == kProtoRouting && extension->type == 0 && extension->segments_left != 0) {
      return DropReason::kBadExtensionHeader;
    }
    next = extension->next;
    if (!r.skip((extension->length_8 + 1u) * 8)) return DropReason::kBadExtensionHeader;
  }
  chain.protocol = next;
  return kFine;
}

DropReason parse_embedded6(Reader& r, FlowKey& key) {
  const auto* ip = r.take<Ipv6Header>();
  Ipv6Chain chain;
  if (!ip || ip->version_class_flow.value() >> 28 != 6) return DropReason::kIcmpUnrelated;
  if (walk_extensions(r, ip->next_header, chain, true) != kFine) return DropReason::kIcmpUnrelated;
  return set_embedded_key(r, key, IpAddress::v6(ip->source.data()), IpAddress::v6(ip->destination.data()),
                          chain.protocol, chain.later_fragment);
}

// An error has the key of the flow it speaks of. One that speaks of nothing, or of a packet that was not sent
// by the address it comes to, keeps its own key: what it is worth depends on who that address is.
DropReason parse_icmp(Reader& r, Parsed& p, FlowKey& key) {
  Layout& layout = p.layout;
  const auto* icmp = r.take<IcmpHeader>();
  if (!icmp) return DropReason::kTruncatedL4;
  const bool v6 = layout.is(Layout::kV6);
  if (icmp->type == (v6 ? IcmpHeader::kV6EchoRequest : IcmpHeader::kEchoRequest)) {
    layout.flags |= Layout::kEcho;
    return kFine;
  }
  if (!is_icmp_error(v6, icmp->type)) return kFine;
  layout.flags |= Layout::kIcmpError;
  FlowKey flow;
  const DropReason quote = v6 ? parse_embedded6(r, flow) : parse_embedded4(r, flow);
  p.unrelated = quote != kFine || flow.destination != key.destination || layout.is(Layout::kFragment);
  if (!p.unrelated) key = flow;
  return kFine;
}

// `r` stands at the transport header and ends where the IP packet ends.
DropReason parse_transport(Reader& r, Parsed& p, FlowKey& key) {
  Layout& layout = p.layout;
  const bool whole = !layout.is(Layout::kFragment);
  switch (key.protocol) {
    case kProtoTcp: {
      const auto* tcp = r.peek<TcpHeader>();
      if (!tcp) return DropReason::kTruncatedL4;
      if (tcp->header_bytes() < sizeof(TcpHeader) || tcp->header_bytes() > r.left()) {
        return DropReason::kBadL4Header;
      }
      set_ports(key, {tcp->source, tcp->destination});
      constexpr auto kOpening = TcpHeader::kSyn | TcpHeader::kAck | TcpHeader::kRst | TcpHeader::kFin;
      if ((tcp->flags & kOpening) == TcpHeader::kSyn) layout.flags |= Layout::kOpensFlow;
      if (tcp->flags & (TcpHeader::kFin | TcpHeader::kRst)) layout.flags |= Layout::kCloses;
      return kFine;
    }
    case kProtoUdp: {
      const auto* udp = r.peek<UdpHeader>();
      if (!udp) return DropReason::kTruncatedL4;
      const unsigned length = udp->length.value();
      if (length < sizeof(UdpHeader) || (whole && length > r.left())) return DropReason::kBadL4Header;
      set_ports(key, {udp->source, udp->destination});
      return kFine;
    }
    case kProtoSctp: {
      const auto* sctp = r.take<SctpHeader>();
      if (!sctp) return DropReason::kTruncatedL4;
      set_ports(key, {sctp->source, sctp->destination});
      constexpr std::uint8_t kInit = 1, kAbort = 6, kShutdown = 7;  // chunks, RFC 9260 section 3.2
      const std::uint8_t chunk = r.left() ? *r.here() : 0;
      if (chunk == kInit) layout.flags |= Layout::kOpensFlow;
      if (chunk == kAbort || chunk == kShutdown) layout.flags |= Layout::kCloses;
      return kFine;
    }
    case kProtoIcmp:
    case kProtoIcmpv6:
      // Each family has its own ICMP; the other's number is just a protocol.
      if ((key.protocol == kProtoIcmpv6) != layout.is(Layout::kV6)) return kFine;
      return parse_icmp(r, p, key);
    case kProtoEsp:
      return r.left() < 8 ? DropReason::kTruncatedL4 : kFine;  // SPI and sequence, RFC 4303 section 2
    case kProtoAh:
      return r.left() < 12 ? DropReason::kTruncatedL4 : kFine;  // RFC 4302 section 2
    default:
      return kFine;
  }
}

// The same rules for both families; the addresses are looked at where they lie in the frame.
DropReason check_source4(Big32 source, Big32 destination) {
  const std::uint32_t number = source.value();
  if (source == destination) return DropReason::kSourceIsDestination;
  if (number >> 28 == 0xe) return DropReason::kSourceMulticast;
  if (number >> 24 == 127) return DropReason::kSourceLoopback;
  if (number == 0) return DropReason::kSourceUnspecified;
  if (number == 0xffffffff) return DropReason::kSourceBroadcast;
  return kFine;
}

DropReason check_source6(const IpAddress& source, const IpAddress& destination) {
  if (source == destination) return DropReason::kSourceIsDestination;
  if (source.is_multicast()) return DropReason::kSourceMulticast;
  if (source.is_loopback()) return DropReason::kSourceLoopback;
  if (source.is_unspecified()) return DropReason::kSourceUnspecified;
  return kFine;
}

DropReason parse_ipv4(Reader& r, bool checksum_known_good, Parsed& p, FlowKey& key) {
  const auto* ip = r.peek<Ipv4Header>();
  if (!ip) return DropReason::kFrameTruncated;
  if (ip->version_ihl >> 4 != 4) return DropReason::kBadIpVersion;
  const unsigned header_bytes = ip->header_bytes();
  const unsigned total_bytes = ip->total_length.value();
  if (header_bytes < sizeof(Ipv4Header)) return DropReason::kBadIpHeader;
  if (total_bytes < header_bytes) return DropReason::kBadIpHeader;
  if (!r.limit(total_bytes)) return DropReason::kBadIpLength;
  if (!checksum_known_good && !checksum_holds({r.here(), header_bytes})) return DropReason::kBadIpChecksum;
  r.skip(header_bytes);

  Layout& layout = p.layout;
  layout.ip_bytes = static_cast<std::uint16_t>(total_bytes);
  layout.hops_left = ip->ttl;
  layout.l4 = static_cast<std::uint16_t>(r.offset());
  key.source = IpAddress::v4(ip->source);
  key.destination = IpAddress::v4(ip->destination);
  key.protocol = ip->protocol;
  const std::uint32_t destination = ip->destination.value();
  if (destination >> 28 == 0xe || destination == 0xffffffff) {
    p.punt = true;
    return kFine;
  }
  if (const DropReason bad = check_source4(ip->source, ip->destination); bad != kFine) [[unlikely]] {
    return bad;
  }
  const unsigned flags_offset = ip->flags_offset.value();
  if (flags_offset & Ipv4Header::kDontFragment) layout.flags |= Layout::kDontFragment;
  if (flags_offset & (Ipv4Header::kMoreFragments | Ipv4Header::kOffsetMask)) [[unlikely]] {
    const unsigned offset_bytes = (flags_offset & Ipv4Header::kOffsetMask) * 8;
    const bool more = flags_offset & Ipv4Header::kMoreFragments;
    if (offset_bytes + total_bytes > kMaxDatagramBytes || r.left() == 0 || (more && r.left() % 8 != 0)) {
      return DropReason::kBadFragment;
    }
    layout.flags |= Layout::kFragment;
    p.fragment_id = ip->id.raw();
    if (offset_bytes != 0) {
      layout.flags |= Layout::kLaterFragment;
      layout.l4 = 0;
      return kFine;
    }
  }
  return parse_transport(r, p, key);
}

DropReason parse_ipv6(Reader& r, Parsed& p, FlowKey& key) {
  const auto* ip = r.take<Ipv6Header>();
  if (!ip) return DropReason::kFrameTruncated;
  if (ip->version_class_flow.value() >> 28 != 6) return DropReason::kBadIpVersion;
  const unsigned payload_bytes = ip->payload_length.value();
  if (!r.limit(payload_bytes)) return DropReason::kBadIpLength;
  if (payload_bytes + sizeof(Ipv6Header) > kMaxDatagramBytes) return DropReason::kBadIpLength;

  Layout& layout = p.layout;
  layout.flags |= Layout::kV6 | Layout::kDontFragment;
  layout.ip_bytes = static_cast<std::uint16_t>(payload_bytes + sizeof(Ipv6Header));
  layout.hops_left = ip->hop_limit;
  key.source = IpAddress::v6(ip->source.data());
  key.destination = IpAddress::v6(ip->destination.data());
  if (key.destination.is_multicast()) {
    p.punt = true;
    return kFine;
  }
  if (const DropReason bad = check_source6(key.source, key.destination); bad != kFine) [[unlikely]] {
    return bad;
  }
  if (key.source.is_v4() || key.destination.is_v4()) return DropReason::kMappedAddress;
  Ipv6Chain chain;
  if (const DropReason bad = walk_extensions(r, ip->next_header, chain, false); bad != kFine) return bad;
  key.protocol = chain.protocol;
  if (chain.fragment) layout.flags |= Layout::kFragment;
  p.fragment_id = chain.fragment_id;
  if (chain.later_fragment) {
    layout.flags |= Layout::kLaterFragment;
    layout.l4 = 0;
    return kFine;
  }
  layout.l4 = static_cast<std::uint16_t>(r.offset());
  return parse_transport(r, p, key);
}

DropReason parse_frame(const rte_mbuf& m, Parsed& p, FlowKey& key) {
  if (m.nb_segs != 1) return DropReason::kFrameSegmented;
  Reader r(rte_pktmbuf_mtod(&m, const std::uint8_t*), m.data_len);
  const auto* ethernet = r.take<EthernetHeader>();
  if (!ethernet) return DropReason::kFrameTruncated;
  std::uint16_t type = ethernet->type.value();
  if (type == kEtherVlan) {
    const auto* tag = r.take<VlanTag>();
    if (!tag) return DropReason::kFrameTruncated;
    type = tag->type.value();
    if (type == kEtherVlan) return DropReason::kNestedVlan;
  }
  p.layout.l3 = static_cast<std::uint16_t>(r.offset());
  key = FlowKey{};
  switch (type) {
    case kEtherIpv4:
      return parse_ipv4(r, (m.ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD, p, key);
    case kEtherIpv6:
      return parse_ipv6(r, p, key);
    default:
      p.punt = true;
      return kFine;
  }
}

[[gnu::noinline]] void parse_other(Burst& burst, unsigned i) {
  Parsed parsed;
  const DropReason bad = parse_frame(*burst.packet[i], parsed, burst.key[i]);
  burst.layout[i] = parsed.layout;
  burst.fragment_id[i] = parsed.fragment_id;
  constexpr std::uint8_t kSpecial = Layout::kFragment | Layout::kEcho | Layout::kIcmpError;
  if (parsed.layout.flags & kSpecial) [[unlikely]] {
    burst.fragments |= std::uint64_t{parsed.layout.is(Layout::kFragment)} << i;
    burst.echoes |= std::uint64_t{parsed.layout.is(Layout::kEcho)} << i;
    burst.unrelated |= std::uint64_t{parsed.unrelated} << i;
  }
  if (bad != kFine) [[unlikely]] {
    burst.drop(i, bad);
  } else if (parsed.punt) [[unlikely]] {
    burst.punt(i);
  }
}

}  // namespace

void parse(Burst& burst) noexcept {
  // A loop for each kind: short enough for the compiler to keep all it needs in registers.
  std::uint64_t others = 0, odd = 0;
  for_each(burst.live, [&](unsigned i) {
    const bool plain = parse_plain(*burst.packet[i], burst.layout[i], burst.key[i]);
    others |= std::uint64_t{!plain} << i;
  });
  for_each(others, [&](unsigned i) {
    const bool plain = parse_plain6(*burst.packet[i], burst.layout[i], burst.key[i]);
    odd |= std::uint64_t{!plain} << i;
  });
  for_each(odd, [&](unsigned i) { parse_other(burst, i); });
}

}  // namespace sluice
