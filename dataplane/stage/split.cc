// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <rte_mbuf.h>

#include <array>
#include <cstring>

#include "dataplane/stage/stages.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/headers.h"

namespace sluice {
namespace {

constexpr unsigned kMaxHeaderBytes = 60;

struct PieceHeader {  // of every piece but the first
  std::array<std::uint8_t, kMaxHeaderBytes> bytes{};
  unsigned size = sizeof(Ipv4Header);
};

// Options without the "copied" bit stay in the first fragment (RFC 791 section 3.1).
PieceHeader header_of_later_pieces(const Ipv4Header& ip) {
  PieceHeader header;
  const auto* from = reinterpret_cast<const std::uint8_t*>(&ip);
  std::memcpy(header.bytes.data(), from, sizeof(Ipv4Header));
  constexpr std::uint8_t kEnd = 0, kNoOperation = 1, kCopied = 0x80;
  for (unsigned at = sizeof(Ipv4Header); at < ip.header_bytes() && from[at] != kEnd;) {
    if (from[at] == kNoOperation) {
      ++at;
      continue;
    }
    const unsigned length = at + 1 < ip.header_bytes() ? from[at + 1] : 0;
    if (length < 2 || at + length > ip.header_bytes()) break;
    if (from[at] & kCopied) {
      std::memcpy(&header.bytes[header.size], from + at, length);
      header.size += length;
    }
    at += length;
  }
  while (header.size % 4 != 0) header.bytes[header.size++] = kEnd;
  return header;
}

void finish_header(Ipv4Header& ip, unsigned total_bytes, unsigned header_bytes, unsigned flags_offset) {
  ip.version_ihl = static_cast<std::uint8_t>(0x40 | header_bytes / 4);
  ip.total_length.set(static_cast<std::uint16_t>(total_bytes));
  ip.flags_offset.set(static_cast<std::uint16_t>(flags_offset));
  ip.checksum = Big16{};
  ip.checksum = ipv4_checksum(ip);
}

// One later piece in a buffer of its own, appended to `further` with all that the stages know of its
// datagram.
bool append_piece(const Burst& burst, unsigned i, Burst& further, const PieceHeader& header,
                  const std::uint8_t* payload, unsigned payload_bytes, unsigned flags_offset) {
  rte_mbuf* m = further.size < kBurstPackets ? rte_pktmbuf_alloc(burst.packet[i]->pool) : nullptr;
  if (!m) return false;
  const unsigned total_bytes = header.size + payload_bytes;
  auto* at = reinterpret_cast<std::uint8_t*>(rte_pktmbuf_append(m, static_cast<std::uint16_t>(total_bytes)));
  if (!at) {
    rte_pktmbuf_free(m);
    return false;
  }
  std::memcpy(at, header.bytes.data(), header.size);
  std::memcpy(at + header.size, payload, payload_bytes);
  finish_header(*reinterpret_cast<Ipv4Header*>(at), total_bytes, header.size, flags_offset);
  m->port = burst.packet[i]->port;

  const unsigned to = further.append(m);
  further.live |= 1ull << to;
  further.layout[to] = burst.layout[i];
  further.layout[to].l3 = 0;
  further.layout[to].l4 = 0;
  further.layout[to].ip_bytes = static_cast<std::uint16_t>(total_bytes);
  further.key[to] = burst.key[i];
  further.slot_hash[to] = burst.slot_hash[i];
  further.target[to] = burst.target[i];
  further.egress[to] = burst.egress[i];
  return true;
}

// The pieces of one packet; false when a buffer was missing, and then none of them may leave: half a datagram
// helps nobody.
bool split_one(Burst& burst, unsigned i, Burst& further, unsigned room_bytes) {
  Layout& layout = burst.layout[i];
  auto* ip = burst.at<Ipv4Header>(i, layout.l3);
  const unsigned header_bytes = ip->header_bytes();
  const unsigned payload_bytes = layout.ip_bytes - header_bytes;
  const unsigned step = (room_bytes - header_bytes) & ~7u;
  const unsigned flags_offset = ip->flags_offset.value();
  const std::uint8_t* payload = reinterpret_cast<const std::uint8_t*>(ip) + header_bytes;
  const PieceHeader later = header_of_later_pieces(*ip);

  for (unsigned done = step; done < payload_bytes; done += step) {
    const bool last = payload_bytes - done <= step;
    const unsigned piece_bytes = last ? payload_bytes - done : step;
    const unsigned more = last ? flags_offset & Ipv4Header::kMoreFragments : Ipv4Header::kMoreFragments;
    const unsigned offset = (flags_offset & Ipv4Header::kOffsetMask) + done / 8;
    if (!append_piece(burst, i, further, later, payload + done, piece_bytes, more | offset)) return false;
  }
  layout.ip_bytes = static_cast<std::uint16_t>(header_bytes + step);
  finish_header(*ip, layout.ip_bytes, header_bytes, flags_offset | Ipv4Header::kMoreFragments);
  return true;
}

}  // namespace

void split(Burst& burst, std::uint64_t oversized, Burst& further, const Snapshot& tables,
           WorkerCounters& counters) noexcept {
  for_each(oversized, [&](unsigned i) {
    const Target& target = tables.targets[burst.target[i]];
    const unsigned room_bytes = tables.next_hops[target.next_hop].mtu - target.outer_bytes;
    const unsigned before = further.size;
    const bool done = split_one(burst, i, further, room_bytes);
    const unsigned added = further.size - before;
    counters.port[burst.packet[i]->port].created_packets.add(added);
    if (done) return;
    for (unsigned k = before; k < further.size; ++k) further.drop(k, DropReason::kNoBuffer);
    burst.drop(i, DropReason::kNoBuffer);
  });
}

}  // namespace sluice
