// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The frames by which a member asks another one's data path what a client would ask (A9, A10): a ping of a
// VIP and a SYN to a service, addressed to the other's port on the wire, and the answers to them. Each
// question bears a number that its answer brings back: the id and sequence of an echo, the sequence of a SYN.
// Written whole, from the Ethernet header on, and read from bytes that anybody may have sent. Pure; any
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "control/announce/frames.h"

namespace sluice::pool {

using announce::Frame;

// Ports that SYNs come from: below those of health probes through the tunnel, which begin at 61440, and above
// what Linux gives to programs by itself (net.ipv4.ip_local_port_range).
inline constexpr std::uint16_t kFirstPort = 61184, kPorts = 256;

struct Ends {
  MacAddress own, peer;
  IpAddress source, vip;  // of one family
};

Frame echo(const Ends& ends, std::uint32_t number);
Frame syn(const Ends& ends, std::uint16_t source_port, std::uint16_t port, std::uint32_t number);
// Ends what a SYN that was accepted has begun.
Frame reset(const Ends& ends, std::uint16_t source_port, std::uint16_t port, std::uint32_t number);

struct Answer {
  std::uint32_t number = 0;
  IpAddress vip;
  // Of a SYN that was accepted, which is to be reset; 0 otherwise.
  std::uint16_t source_port = 0, port = 0;
  friend bool operator==(const Answer&, const Answer&) = default;
};

// An echo reply, and a SYN-ACK or reset to one of our ports; nothing for all else. Checksums are not looked
// at: what came through a kernel was checked there, and a number that is right was not made by chance.
std::optional<Answer> answer_in(std::span<const std::uint8_t> frame);

}  // namespace sluice::pool
