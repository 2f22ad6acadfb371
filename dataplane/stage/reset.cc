// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/stage/reply.h"

namespace sluice {
namespace {

// How much of the sequence space a segment takes: its payload, and one each for SYN and FIN.
std::uint32_t segment_length(const TcpHeader& tcp, const Layout& layout) {
  const unsigned headers = layout.l4 - layout.l3 + tcp.header_bytes();
  return layout.ip_bytes - headers + ((tcp.flags & TcpHeader::kSyn) != 0) +
         ((tcp.flags & TcpHeader::kFin) != 0);
}

}  // namespace

bool write_reset(const Burst& burst, unsigned i, rte_mbuf* m) {
  const Layout& layout = burst.layout[i];
  if (layout.l4 == 0) return false;
  const auto& theirs = *burst.at<TcpHeader>(i, layout.l4);
  if (theirs.flags & TcpHeader::kRst) return false;  // a reset is never answered
  const Reply reply = begin_reply(burst, i, sizeof(TcpHeader), m);
  if (!reply.ip) return false;

  TcpHeader tcp{};
  tcp.source = theirs.destination;
  tcp.destination = theirs.source;
  tcp.data_offset = (sizeof tcp / 4) << 4;
  tcp.flags = TcpHeader::kRst;
  if (theirs.flags & TcpHeader::kAck) {
    tcp.sequence = theirs.acknowledgement;
  } else {
    tcp.flags |= TcpHeader::kAck;
    tcp.acknowledgement.set(theirs.sequence.value() + segment_length(theirs, layout));
  }
  const IpAddress &vip = burst.key[i].destination, client = sender_of(burst, i);
  std::array<std::uint8_t, sizeof tcp> bytes;
  std::memcpy(bytes.data(), &tcp, sizeof tcp);
  tcp.checksum = finish(pseudo_sum(vip, client, kProtoTcp, sizeof tcp) + partial_sum(bytes));
  write_reply_ip(reply, vip, client, kProtoTcp, sizeof tcp);
  std::memcpy(reply.payload, &tcp, sizeof tcp);
  return true;
}

}  // namespace sluice
