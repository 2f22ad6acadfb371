// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A packet socket on one kernel interface of ours. What is sent there leaves by the port, what the workers
// punt comes in there: the socket stands beside the kernel on the exception path. A filter in the kernel lets
// in only what is wanted, so that other traffic costs nothing. When the interface is removed and made anew
// under its name, the new one is taken. Belongs to the io_context's thread.
#pragma once

#include <linux/filter.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace sluice::announce {

class PacketSocket {
 public:
  // The first kMostBytes bytes of a frame.
  using Received = std::function<void(std::span<const std::uint8_t> frame)>;
  static constexpr std::size_t kMostBytes = 512;

  // `filter` outlives this. `received` is called on the io_context, and may not destroy this; `renewed` after
  // a new interface was taken. Throws std::runtime_error with one sentence: what failed on which interface.
  PacketSocket(boost::asio::io_context& io, std::string interface, std::span<const sock_filter> filter,
               Received received, std::function<void()> renewed = {});
  PacketSocket(const PacketSocket&) = delete;
  PacketSocket& operator=(const PacketSocket&) = delete;

  // False when the kernel did not take it; errno says why.
  bool send(std::span<const std::uint8_t> frame);
  // Gives out what waits already, a bounded number of frames.
  void read();
  [[nodiscard]] int ifindex() const { return ifindex_; }

 private:
  void open();
  void wait();
  void follow();

  boost::asio::posix::stream_descriptor socket_;
  boost::asio::steady_timer timer_;
  const std::string interface_;
  const std::span<const sock_filter> filter_;
  Received received_;
  std::function<void()> renewed_;
  int ifindex_ = 0;
};

}  // namespace sluice::announce
