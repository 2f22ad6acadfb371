// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What came out, read by the tests' own eyes. Every function here throws std::runtime_error with one sentence
// on bytes that are not what it expects: the test that called it then fails with that sentence.
#pragma once

#include <string>
#include <vector>

#include "tests/packet/bytes.h"

namespace sluice::test {

struct Frame {
  std::string to, from;        // MAC addresses
  std::vector<unsigned> tags;  // TCIs, outermost first
  unsigned type = 0;           // after all tags
  Bytes l3;
};
Frame read_frame(const Bytes& frame);

// An IP packet whose length is that of its bytes and whose header checksum is right: both are checked here.
struct Ip {
  bool v6 = false;
  std::string source, destination;
  unsigned tos = 0, ttl = 0;
  unsigned protocol = 0;  // IPv6: the first next header
  unsigned id = 0;        // IPv4
  bool dont_fragment = false, more = false;
  unsigned offset_bytes = 0;
  std::uint32_t flow_label = 0;
  Bytes options;
  Bytes payload;
};
Ip read_ip(const Bytes& packet);

struct Udp {
  unsigned source = 0, destination = 0, length = 0, checksum = 0;
  Bytes payload;
};
Udp read_udp(const Bytes& l4);

// An ICMP or ICMPv6 message whose checksum is right.
struct Icmp {
  unsigned type = 0, code = 0;
  std::uint32_t rest = 0;
  Bytes payload;
};
Icmp read_icmp(const Ip& ip);

// The IP packet after one hop: TTL or hop limit one less, the IPv4 header checksum made anew.
Bytes one_hop_further(Bytes ip_packet);

// Puts IPv4 pieces, in any order, together again: the whole packet, with the header of the first piece.
Bytes reassemble4(const std::vector<Bytes>& pieces);

}  // namespace sluice::test
