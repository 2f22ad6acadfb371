// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// How many connections the server holds for each VIP: what a MUX waits for when this server leaves (A7). The
// kernel lists its sockets over sock_diag (linux/inet_diag.h); they are counted as they stream by, none is
// kept. A connection is a TCP socket between SYN received and the last acknowledgement (not listening, not
// TIME_WAIT), or a connected UDP socket.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "control/agent/config.h"

namespace sluice::agent {

struct LocalSocket {
  IpAddress address;       // local
  std::uint16_t port = 0;  // local, host byte order
  Protocol protocol = Protocol::kAny;
};

// What one datagram of a dump held.
enum class Dump { kMore, kDone, kBroken };

// Calls `each` for every socket in a datagram as the kernel sends it. kBroken: it is not what a dump looks
// like, or it carries an error, which `error` then names (errno). Pure.
Dump read_dump(std::span<const std::byte> datagram, Protocol protocol,
               const std::function<void(const LocalSocket&)>& each, int* error = nullptr);

struct VipConnections {
  std::uint64_t total = 0;                // on any port of the VIP
  std::vector<std::uint64_t> by_service;  // in the order of Vip::services
  friend bool operator==(const VipConnections&, const VipConnections&) = default;
};

// Adds sockets up by VIP and service. A socket counts for the longest prefix, and there for the most exact
// service: by port, then by protocol, then any.
class ConnectionCount {
 public:
  explicit ConnectionCount(const std::vector<Vip>& vips);
  void add(const LocalSocket& socket);
  [[nodiscard]] const std::vector<VipConnections>& result() const { return result_; }

 private:
  const std::vector<Vip>& vips_;
  std::vector<VipConnections> result_;  // in the order of vips_
};

// Asks the kernel of this namespace. Blocks for the length of the dump (about 1 ms per thousand sockets,
// never more than `kDumpTimeout` without an answer). Throws std::system_error.
std::vector<VipConnections> count_connections(const std::vector<Vip>& vips);
constexpr std::chrono::seconds kDumpTimeout{2};

}  // namespace sluice::agent
