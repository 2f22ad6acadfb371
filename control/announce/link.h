// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// One kernel interface of ours, on which frames about addresses are sent and heard: ARP and neighbour
// discovery, and nothing else. Belongs to the io_context's thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "control/announce/frames.h"
#include "control/announce/packet_socket.h"

namespace sluice::announce {

class Link {
 public:
  using Listener = std::function<void(const Heard&)>;

  // Throws std::runtime_error with one sentence. `listener` is called on the io_context; it may not destroy
  // this Link.
  Link(boost::asio::io_context& io, const std::string& interface, Listener listener);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // False when the kernel did not take it; errno says why. When the interface was removed and made anew under
  // its name, the new one is taken.
  bool send(const Frame& frame);
  // Has switches that snoop send us what concerns this IPv6 address before we have it (RFC 4862
  // section 5.4.2). Nothing for IPv4.
  void listen_for(const IpAddress& address);

 private:
  void join(const IpAddress& address);

  std::set<IpAddress> listened_for_;
  int groups_ = -1;  // a socket that only holds memberships
  Listener listener_;
  std::optional<PacketSocket> socket_;
};

}  // namespace sluice::announce
