// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

#include "dataplane/stage/reply.h"
#include "dataplane/stage/stages.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/headers.h"

namespace sluice {
namespace {

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

Complaint complaint_about(const Burst& burst, unsigned i, const Snapshot& tables) {
  const Target& target = tables.targets[burst.target[i]];
  const auto mtu = static_cast<std::uint16_t>(tables.next_hops[target.next_hop].mtu - target.outer_bytes);
  const IpAddress source = complaint_source(burst, i, tables);
  return burst.layout[i].is(Layout::kV6) ? complaint6(burst.reason[i], mtu, source)
                                         : complaint4(burst.reason[i], mtu, source);
}

bool write_error(const Burst& burst, unsigned i, const Complaint& complaint, rte_mbuf* m) {
  const Layout& layout = burst.layout[i];
  const bool v6 = layout.is(Layout::kV6);
  const unsigned headers = (v6 ? sizeof(Ipv6Header) : sizeof(Ipv4Header)) + sizeof(IcmpHeader);
  const unsigned quote_bytes =
      std::min<unsigned>(layout.ip_bytes, (v6 ? kMaxError6Bytes : kMaxError4Bytes) - headers);
  const unsigned icmp_bytes = sizeof(IcmpHeader) + quote_bytes;
  const Reply reply = begin_reply(burst, i, icmp_bytes, m);
  if (!reply.ip) return false;

  const IpAddress client = sender_of(burst, i);
  const std::uint8_t protocol = v6 ? kProtoIcmpv6 : kProtoIcmp;
  write_reply_ip(reply, complaint.source, client, protocol, icmp_bytes);
  IcmpHeader icmp{};
  icmp.type = complaint.type;
  icmp.code = complaint.code;
  icmp.sequence.set(complaint.mtu);  // IPv4: RFC 1191; IPv6: the low half of the MTU, which fits 16 bits
  std::memcpy(reply.payload, &icmp, sizeof icmp);
  std::memcpy(reply.payload + sizeof icmp, burst.frame(i) + layout.l3, quote_bytes);
  const PartialSum pseudo = v6 ? pseudo_sum(complaint.source, client, protocol, icmp_bytes) : 0;
  icmp.checksum = finish(pseudo + partial_sum({reply.payload, icmp_bytes}));
  std::memcpy(reply.payload, &icmp, sizeof icmp);
  return true;
}

// No error about an error, nor about a piece that has no transport header (RFC 1122 section 3.2.2, RFC
// 4443 2.4); "too big" only to whom forbade to split.
bool deserves_answer(const Burst& burst, unsigned i) {
  constexpr std::uint8_t kSilent = Layout::kIcmpError | Layout::kLaterFragment;
  if (burst.layout[i].flags & kSilent) return false;
  const DropReason why = burst.reason[i];
  if (why == DropReason::kTooBig) return burst.layout[i].is(Layout::kDontFragment);
  return why == DropReason::kTtlExpired || why == DropReason::kFlowReset;
}

bool write_answer(const Burst& burst, unsigned i, const Snapshot& tables, rte_mbuf* m) {
  if (burst.reason[i] == DropReason::kFlowReset) return write_reset(burst, i, m);
  return write_error(burst, i, complaint_about(burst, i, tables), m);
}

}  // namespace

void answer(const Burst& burst, Burst& further, const Snapshot& tables, TokenBucket& answer_rate,
            WorkerCounters& counters) noexcept {
  for_each(burst.dropped, [&](unsigned i) {
    if (!deserves_answer(burst, i) || further.size == kBurstPackets || !answer_rate.take()) return;
    rte_mbuf* m = rte_pktmbuf_alloc(burst.packet[i]->pool);
    if (!m) return;
    if (!write_answer(burst, i, tables, m)) return rte_pktmbuf_free(m);
    m->port = burst.packet[i]->port;
    const unsigned to = further.append(m);
    further.finish(to, static_cast<std::uint8_t>(m->port));
    counters.port[m->port].created_packets.add(1);
  });
}

}  // namespace sluice
