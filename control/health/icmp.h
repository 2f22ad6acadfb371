// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// ICMP echo for any number of DIPs over one socket for each address family. Raw sockets when the process may
// have them (CAP_NET_RAW), else the kernel's ping sockets (net.ipv4.ping_group_range). An answer counts when
// it comes from the address that was asked and carries back the 16 bytes that went there: 64 random bits of
// this process and a number that is used once. Belongs to the io_context's thread.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/system/error_code.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>

#include "dataplane/wire/address.h"

namespace sluice::health {

class Pinger : public std::enable_shared_from_this<Pinger> {
 public:
  using Ticket = std::uint64_t;

  explicit Pinger(boost::asio::io_context& io);

  // Sends one echo request; `answered` is called at most once, later. An error when it could not be sent.
  boost::system::error_code ask(const IpAddress& address, Ticket& ticket, std::function<void()> answered);
  // Its `answered` is not called any more.
  void forget(Ticket ticket) { waiting_.erase(ticket); }
  void close();

 private:
  struct Waiting {
    IpAddress address;
    std::function<void()> answered;
  };

  boost::system::error_code open(bool v6);
  void wait(bool v6);
  void read(bool v6);
  // `packet`: from the ICMP header on.
  void take(const IpAddress& from, bool v6, std::span<const std::uint8_t> packet);

  boost::asio::io_context& io_;
  std::array<std::optional<boost::asio::posix::stream_descriptor>, 2> sockets_;  // IPv4, IPv6
  std::array<bool, 2> raw_{};
  std::uint64_t secret_;
  std::uint16_t id_;
  Ticket next_ = 1;
  std::map<Ticket, Waiting> waiting_;
};

}  // namespace sluice::health
