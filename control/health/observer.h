// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What passes a port's kernel interface, as far as it tells something of a probe: the packets that the kernel
// sends to a VIP, what comes back, and ICMP errors about either layer of a tunnel packet. A packet socket
// (packet(7)) sees an answer even when the kernel then refuses it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "dataplane/wire/flow_key.h"

namespace sluice::health {

struct Sighting {
  bool outgoing = false;
  FlowKey key;                 // of the packet itself; ports of TCP and UDP
  std::uint8_t tcp_flags = 0;  // TcpHeader::kSyn and so on
  // Of an ICMP error: what it says, and the packet that it is about.
  struct Error {
    std::uint8_t type = 0, code = 0;
    std::uint32_t mtu = 0;  // of "too big", else 0
    FlowKey about;          // the outer packet of a tunnel packet, whose protocol is 4 or 41, or UDP
  };
  std::optional<Error> error = {};
};

// `packet`: from the IP header on, any bytes. Nothing when it is no TCP, UDP, or ICMP error, or is damaged.
// Pure.
std::optional<Sighting> read_packet(std::span<const std::uint8_t> packet, bool outgoing);

class Observer {
 public:
  using Seen = std::function<void(const Sighting&)>;
  static constexpr int kMostPerWake = 64;  // packets; then the loop has its turn

  // Looks on until it ends. `seen` runs on the io_context's thread and must not end the observer. Nothing
  // is seen when the socket cannot be had; problem() says why.
  Observer(boost::asio::io_context& io, const std::string& interface, Seen seen);
  ~Observer();
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::string problem_;
};

}  // namespace sluice::health
