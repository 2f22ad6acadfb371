// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The frames that all measurements send: TCP with the ACK bit or UDP, of numbered flows to numbered services,
// right checksums of IP. Everything follows from the numbers, so two programs see the same packets.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "dataplane/wire/address.h"
#include "dataplane/wire/checksum.h"
#include "dataplane/wire/headers.h"

namespace sluice::bench {

inline constexpr std::uint16_t kServicePort = 80;
// Flow n asks for service n % services.
IpAddress service_vip(bool v6, std::uint32_t number);

// The client of flow number `n`, and its port: distinct for all numbers below 2^38.
inline constexpr std::uint64_t kClients = 1u << 22;
IpAddress client_of(std::uint64_t n, bool v6);
inline std::uint16_t client_port_of(std::uint64_t n) {
  return static_cast<std::uint16_t>(1'024 + n / kClients % 60'000);
}

// 64 bytes on the wire are 60 in the buffer: the NIC takes the checksum of the frame off. IPv6 needs 74.
struct Frame {
  std::array<std::uint8_t, 80> bytes{};
  std::uint16_t size = 0;
};

struct FrameShape {
  bool v6 = false;  // client and VIP
  bool syn = false;
  bool udp = false;  // IPv4 only: UDP without a checksum and 18 bytes of payload at kUdpPayload
  std::uint32_t services = 1;
};
inline constexpr unsigned kUdpPayload = sizeof(EthernetHeader) + sizeof(Ipv4Header) + sizeof(UdpHeader);
// The frame of flow number 0.
Frame make_frame(const FrameShape& shape);

// Writes frames of any flow, at the cost of a copy and a few stores. IP's checksum is right; TCP's is that of
// flow 0, which nothing on the way reads.
class FrameWriter {
 public:
  explicit FrameWriter(const FrameShape& shape);

  [[nodiscard]] std::uint16_t bytes() const { return frame_.size; }
  // At least bytes() are there.
  void write(std::uint8_t* at, std::uint64_t n) const {
    constexpr unsigned kV4 = sizeof(EthernetHeader) + sizeof(Ipv4Header);
    constexpr unsigned kV6 = sizeof(EthernetHeader) + sizeof(Ipv6Header);
    const Big32 client(first_client_ + static_cast<std::uint32_t>(n % kClients));
    const Big32 vip(first_vip_ + static_cast<std::uint32_t>(n % services_));
    PortPair ports = ports_;
    ports.source.set(client_port_of(n));
    if (v6_) {
      std::memcpy(at, frame_.bytes.data(), 74);
      std::memcpy(at + kV6 - 20, &client, 4);
      std::memcpy(at + kV6 - 4, &vip, 4);
      std::memcpy(at + kV6, &ports, 4);
    } else {
      std::memcpy(at, frame_.bytes.data(), 60);
      std::memcpy(at + kV4 - 8, &client, 4);
      std::memcpy(at + kV4 - 4, &vip, 4);
      const Big16 checksum = finish(sum_ + client.raw() + vip.raw());
      std::memcpy(at + sizeof(EthernetHeader) + 10, &checksum, 2);
      std::memcpy(at + kV4, &ports, 4);
    }
  }

 private:
  bool v6_;
  std::uint32_t services_, first_client_, first_vip_;
  PartialSum sum_ = 0;  // of the IPv4 header without addresses and checksum
  PortPair ports_{};
  Frame frame_;
};

// A classic capture (microsecond pcap) of flows [0, flows) in random order; throws std::runtime_error when it
// cannot be written.
void write_capture(const std::string& path, const FrameShape& shape, std::uint32_t flows, std::uint32_t seed);

}  // namespace sluice::bench
