// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

#include "dataplane/stage/stages.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/headers.h"

namespace sluice {
namespace {

constexpr std::uint8_t kAnswerTtl = 64;
// How much of the offending packet goes back: RFC 1812 section 4.3.2.3, RFC 4443 section 3.1.
constexpr unsigned kMaxError4Bytes = 576, kMaxError6Bytes = 1280;

struct Complaint {
  std::uint8_t type, code;
  std::uint16_t mtu;  // 0 = none
  IpAddress source;   // who complains
};

Complaint complaint4(DropReason reason, std::uint16_t mtu, const IpAddress& source) {
  if (reason == DropReason::kTooBig) {
    return {IcmpHeader::kUnreachable, IcmpHeader::kCodeFragmentationNeeded, mtu, source};
  }
  return {IcmpHeader::kTimeExceeded, 0, 0, source};
}
Complaint complaint6(DropReason reason, std::uint16_t mtu, const IpAddress& source) {
  if (reason == DropReason::kTooBig) return {IcmpHeader::kV6TooBig, 0, mtu, source};
  return {IcmpHeader::kV6TimeExceeded, 0, 0, source};
}

// "Too big" comes from the VIP, which is where the client believes the packet was going; "time exceeded" from
// this hop's own address, so that traceroute shows the MUX, or from the VIP where the port has none.
IpAddress complaint_source(const Burst& burst, unsigned i, const Snapshot& tables) {
  const bool v6 = burst.layout[i].is(Layout::kV6);
  const unsigned port = burst.packet[i]->port;
  const IpAddress own = v6 ? tables.port_address6[port] : tables.port_address4[port];
  if (burst.reason[i] == DropReason::kTtlExpired && !own.is_unspecified()) return own;
  return burst.key[i].destination;
}

void write_ip4(Ipv4Header& ip, const IpAddress& source, const IpAddress& destination, unsigned total_bytes) {
  ip = Ipv4Header{};
  ip.version_ihl = 0x45;
  ip.total_length.set(static_cast<std::uint16_t>(total_bytes));
  ip.ttl = kAnswerTtl;
  ip.protocol = kProtoIcmp;
  ip.source = source.v4();
  ip.destination = destination.v4();
  ip.checksum = ipv4_checksum(ip);
}

void write_ip6(Ipv6Header& ip, const IpAddress& source, const IpAddress& destination,
               unsigned payload_bytes) {
  ip = Ipv6Header{};
  ip.version_class_flow.set(6u << 28);
  ip.payload_length.set(static_cast<std::uint16_t>(payload_bytes));
  ip.next_header = kProtoIcmpv6;
  ip.hop_limit = kAnswerTtl;
  ip.source = source.byte;
  ip.destination = destination.byte;
}

void write_icmp(std::uint8_t* at, const Complaint& complaint, const std::uint8_t* quote, unsigned quote_bytes,
                PartialSum pseudo) {
  auto* icmp = reinterpret_cast<IcmpHeader*>(at);
  *icmp = IcmpHeader{};
  icmp->type = complaint.type;
  icmp->code = complaint.code;
  icmp->sequence.set(complaint.mtu);  // IPv4: RFC 1191; IPv6: the low half of the MTU, which fits 16 bits
  std::memcpy(at + sizeof(IcmpHeader), quote, quote_bytes);
  icmp->checksum = finish(pseudo + partial_sum({at, sizeof(IcmpHeader) + quote_bytes}));
}

// Writes the whole error frame into `m`; the link layer goes back to where the packet came from.
bool write_error(const Burst& burst, unsigned i, const Complaint& complaint, rte_mbuf* m) {
  const Layout& layout = burst.layout[i];
  const bool v6 = layout.is(Layout::kV6);
  const unsigned headers = (v6 ? sizeof(Ipv6Header) : sizeof(Ipv4Header)) + sizeof(IcmpHeader);
  const unsigned quote_bytes =
      std::min<unsigned>(layout.ip_bytes, (v6 ? kMaxError6Bytes : kMaxError4Bytes) - headers);
  auto* frame = reinterpret_cast<std::uint8_t*>(
      rte_pktmbuf_append(m, static_cast<std::uint16_t>(layout.l3 + headers + quote_bytes)));
  if (!frame) return false;
  std::memcpy(frame, burst.frame(i), layout.l3);
  auto* ethernet = reinterpret_cast<EthernetHeader*>(frame);
  std::swap(ethernet->source, ethernet->destination);

  const IpAddress& client = burst.key[i].source;
  const std::uint8_t* quote = burst.frame(i) + layout.l3;
  std::uint8_t* ip = frame + layout.l3;
  const unsigned icmp_bytes = sizeof(IcmpHeader) + quote_bytes;
  if (v6) {
    write_ip6(*reinterpret_cast<Ipv6Header*>(ip), complaint.source, client, icmp_bytes);
    write_icmp(ip + sizeof(Ipv6Header), complaint, quote, quote_bytes,
               pseudo_sum(complaint.source, client, kProtoIcmpv6, icmp_bytes));
  } else {
    write_ip4(*reinterpret_cast<Ipv4Header*>(ip), complaint.source, client, headers + quote_bytes);
    write_icmp(ip + sizeof(Ipv4Header), complaint, quote, quote_bytes, 0);
  }
  return true;
}

// No error about an error, nor about a piece that has no transport header (RFC 1122 section 3.2.2, RFC
// 4443 2.4).
bool deserves_answer(const Burst& burst, unsigned i) {
  constexpr std::uint8_t kSilent = Layout::kIcmpError | Layout::kLaterFragment;
  return (burst.reason[i] == DropReason::kTooBig || burst.reason[i] == DropReason::kTtlExpired) &&
         !(burst.layout[i].flags & kSilent);
}

}  // namespace

void answer(const Burst& burst, Burst& further, const Snapshot& tables, TokenBucket& answer_rate,
            WorkerCounters& counters) noexcept {
  for_each(burst.dropped, [&](unsigned i) {
    if (!deserves_answer(burst, i) || further.size == kBurstPackets || !answer_rate.take()) return;
    rte_mbuf* m = rte_pktmbuf_alloc(burst.packet[i]->pool);
    if (!m) return;
    const Target& target = tables.targets[burst.target[i]];
    const auto mtu = static_cast<std::uint16_t>(tables.next_hops[target.next_hop].mtu - target.outer_bytes);
    const IpAddress source = complaint_source(burst, i, tables);
    const Complaint complaint = burst.layout[i].is(Layout::kV6) ? complaint6(burst.reason[i], mtu, source)
                                                                : complaint4(burst.reason[i], mtu, source);
    if (!write_error(burst, i, complaint, m)) return rte_pktmbuf_free(m);
    m->port = burst.packet[i]->port;
    const unsigned to = further.append(m);
    further.finish(to, static_cast<std::uint8_t>(m->port));
    counters.port[m->port].created_packets.add(1);
  });
}

}  // namespace sluice
