// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Addresses as Boost.Asio has them. An IPv4 address of ours is one of Asio's, not a mapped IPv6 one.
#pragma once

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "control/config/address_port.h"

namespace sluice::config {

inline boost::asio::ip::address to_asio(const IpAddress& address) {
  if (address.is_v4()) return boost::asio::ip::address_v4(address.v4().value());
  return boost::asio::ip::address_v6(address.byte);
}

inline boost::asio::ip::tcp::endpoint to_asio(const AddressPort& server) {
  return {to_asio(server.address), server.port};
}

// An IPv4 address that comes by an IPv6 socket is the IPv4 address.
inline IpAddress from_asio(const boost::asio::ip::address& address) {
  if (address.is_v4()) return IpAddress::v4(Big32(address.to_v4().to_uint()));
  IpAddress out;
  std::ranges::copy(address.to_v6().to_bytes(), out.byte.begin());
  return out;
}

}  // namespace sluice::config
