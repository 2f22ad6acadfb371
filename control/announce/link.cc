// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/announce/link.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "dataplane/wire/headers.h"

namespace sluice::announce {
namespace {

// ARP, and ICMPv6 of types 135 and 136 right behind the IPv6 header. Offsets are those of an untagged frame.
constexpr std::array<sock_filter, 10> kFilter = {{
    {BPF_LD | BPF_H | BPF_ABS, 0, 0, 12},
    {BPF_JMP | BPF_JEQ | BPF_K, 7, 0, kEtherArp},
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 5, kEtherIpv6},
    {BPF_LD | BPF_B | BPF_ABS, 0, 0, 20},
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, kProtoIcmpv6},
    {BPF_LD | BPF_B | BPF_ABS, 0, 0, 54},
    {BPF_JMP | BPF_JGE | BPF_K, 0, 1, 135},
    {BPF_JMP | BPF_JGT | BPF_K, 0, 1, 136},
    {BPF_RET | BPF_K, 0, 0, 0},
    {BPF_RET | BPF_K, 0, 0, 0x40000},
}};

}  // namespace

Link::Link(boost::asio::io_context& io, const std::string& interface, Listener listener)
    : listener_(std::move(listener)) {
  groups_ = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);  // where there is no IPv6, there are no groups
  const auto received = [this](std::span<const std::uint8_t> frame) {
    if (const auto heard = heard_in(frame)) listener_(*heard);
  };
  const auto renewed = [this] {
    for (const IpAddress& address : listened_for_) join(address);
  };
  try {
    socket_.emplace(io, interface, kFilter, received, renewed);
  } catch (const std::runtime_error& why) {
    if (groups_ >= 0) ::close(groups_);
    throw std::runtime_error(std::string(why.what()) + ": IIPs need CAP_NET_RAW and an interface that is up");
  }
}

Link::~Link() {
  if (groups_ >= 0) ::close(groups_);
}

bool Link::send(const Frame& frame) {
  return socket_->send(frame);
}

void Link::listen_for(const IpAddress& address) {
  listened_for_.insert(address);
  join(address);
}

void Link::join(const IpAddress& address) {
  if (address.is_v4() || groups_ < 0) return;
  ipv6_mreq request{};
  const std::uint8_t prefix[13] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  std::memcpy(&request.ipv6mr_multiaddr, prefix, sizeof prefix);
  std::memcpy(reinterpret_cast<std::uint8_t*>(&request.ipv6mr_multiaddr) + sizeof prefix, &address.byte[13],
              3);
  request.ipv6mr_interface = static_cast<unsigned>(socket_->ifindex());
  // A membership that is there already, or an interface without IPv6, changes nothing for us.
  setsockopt(groups_, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof request);
}

}  // namespace sluice::announce
