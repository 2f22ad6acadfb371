// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The small world that all measurements share: one service on one VIP, its DIPs in groups, and TCP packets of
// many flows to it in random order. Everything follows from the seed, so two runs see the same packets.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/table/snapshot.h"

namespace sluice::bench {

struct WorldShape {
  unsigned flows = 100'000;
  unsigned dips = 1'000;
  unsigned groups = 1;        // the DIPs are spread over them evenly
  unsigned services = 1;      // further ones on other VIPs, which no packet asks for
  bool sticky = false;        // a flow table in each group, of `flows` entries
  double moved = 0;           // share of the slots that a transition under way moves
  unsigned elephant_pps = 0;  // from which rate on; 0 = never
  std::uint8_t owner = 0;     // index of the worker that all groups belong to
  bool v6 = false;            // clients, VIP, MUX and DIPs
  std::uint32_t seed = 4711;
};

inline constexpr std::uint16_t kServicePort = 80;
IpAddress service_vip(bool v6, std::uint32_t number);

// 64 bytes on the wire are 60 in the buffer: the NIC takes the checksum of the frame off. IPv6 needs 74.
struct Frame {
  std::array<std::uint8_t, 80> bytes{};
  std::uint16_t size = 0;
};

// Ethernet, IP and TCP with the ACK bit, right checksums, one frame for each flow, in random order.
std::vector<Frame> make_frames(const WorldShape& shape);

// The client of flow number `n` (IPv4), and its port: distinct for all numbers below 2^38.
IpAddress client_of(std::uint64_t n);
inline std::uint16_t client_port_of(std::uint64_t n) {
  return static_cast<std::uint16_t>(1'024 + (n >> 22) % 60'000);
}
// One frame of flow number `n`; a SYN, or a packet with the ACK bit.
Frame make_frame(std::uint64_t n, bool syn);

// A classic capture (microsecond pcap) of them; throws std::runtime_error when it cannot be written.
void write_capture(const std::string& path, const std::vector<Frame>& frames);

std::unique_ptr<const Snapshot> make_snapshot(const WorldShape& shape);

ToeplitzKey make_toeplitz_key(std::uint32_t seed);
KeyedHash make_keyed_hash(std::uint32_t seed);

}  // namespace sluice::bench
