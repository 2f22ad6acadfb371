// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/observer.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "dataplane/wire/headers.h"
#include "dataplane/wire/reader.h"

namespace sluice::health {
namespace {

constexpr std::size_t kLooked = 256;  // bytes of a packet; the headers of both layers and of an error's quote

// Fills addresses and protocol, and leaves the reader at the transport header. False for what is no IP packet
// or no first fragment.
bool read_ip(Reader& reader, FlowKey& key) {
  const auto* first = reader.peek<std::uint8_t>();
  if (!first) return false;
  if (*first >> 4 == 6) {
    const auto* ip = reader.take<Ipv6Header>();
    if (!ip) return false;
    key.source = IpAddress::v6(ip->source.data());
    key.destination = IpAddress::v6(ip->destination.data());
    key.protocol = ip->next_header;
    return true;
  }
  const auto* ip = reader.peek<Ipv4Header>();
  if (!ip || *first >> 4 != 4 || ip->header_bytes() < sizeof(Ipv4Header)) return false;
  if ((ip->flags_offset.value() & Ipv4Header::kOffsetMask) != 0) return false;
  key.source = IpAddress::v4(ip->source);
  key.destination = IpAddress::v4(ip->destination);
  key.protocol = ip->protocol;
  return reader.skip(ip->header_bytes());
}

void read_ports(const Reader& reader, FlowKey& key) {
  const auto* ports = reader.peek<PortPair>();
  if (!ports || (key.protocol != kProtoTcp && key.protocol != kProtoUdp)) return;
  key.source_port = ports->source;
  key.destination_port = ports->destination;
}

// RFC 792; RFC 4443 section 2.1: errors are the types below 128.
bool is_error(bool v4, std::uint8_t type) {
  return v4 ? type == IcmpHeader::kUnreachable || type == IcmpHeader::kTimeExceeded ||
                  type == IcmpHeader::kParameterProblem
            : type < 128;
}

std::uint32_t mtu_of(bool v4, const IcmpHeader& icmp) {
  if (v4)
    return icmp.type == IcmpHeader::kUnreachable && icmp.code == IcmpHeader::kCodeFragmentationNeeded
               ? icmp.sequence.value()
               : 0;
  if (icmp.type != IcmpHeader::kV6TooBig) return 0;
  return std::uint32_t{icmp.id.value()} << 16 | icmp.sequence.value();
}

}  // namespace

std::optional<Sighting> read_packet(std::span<const std::uint8_t> packet, bool outgoing) {
  Reader reader(packet.data(), packet.size());
  Sighting seen{.outgoing = outgoing, .key = {}};
  if (!read_ip(reader, seen.key)) return {};
  read_ports(reader, seen.key);
  const bool v4 = packet[0] >> 4 == 4;
  if (seen.key.protocol == kProtoUdp) return reader.peek<UdpHeader>() ? std::optional(seen) : std::nullopt;
  if (seen.key.protocol == kProtoTcp) {
    const auto* tcp = reader.peek<TcpHeader>();
    if (!tcp) return {};
    seen.tcp_flags = tcp->flags;
    return seen;
  }
  if (seen.key.protocol != (v4 ? kProtoIcmp : kProtoIcmpv6)) return {};
  const auto* icmp = reader.take<IcmpHeader>();
  if (!icmp || !is_error(v4, icmp->type)) return {};
  Sighting::Error error{icmp->type, icmp->code, mtu_of(v4, *icmp), {}};
  if (!read_ip(reader, error.about)) return {};
  read_ports(reader, error.about);
  seen.error = error;
  return seen;
}

struct Observer::State : std::enable_shared_from_this<State> {
  State(boost::asio::io_context& io, int fd, Seen its_seen) : socket(io, fd), seen(std::move(its_seen)) {}

  void wait() {
    socket.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [self = shared_from_this()](boost::system::error_code error) {
                        if (error || !self->seen) return;
                        self->read();
                        self->wait();
                      });
  }

  void read() {
    std::array<std::uint8_t, kLooked> bytes;
    for (int i = 0; i < kMostPerWake; ++i) {
      sockaddr_ll from{};
      socklen_t length = sizeof from;
      const ssize_t got = ::recvfrom(socket.native_handle(), bytes.data(), bytes.size(), 0,
                                     reinterpret_cast<sockaddr*>(&from), &length);
      if (got < 0) return;
      const auto sighting =
          read_packet({bytes.data(), static_cast<std::size_t>(got)}, from.sll_pkttype == PACKET_OUTGOING);
      if (sighting) seen(*sighting);
    }
  }

  boost::asio::posix::stream_descriptor socket;
  Seen seen;
};

Observer::Observer(boost::asio::io_context& io, const std::string& interface, Seen seen) {
  const int fd = ::socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    problem_ = std::string("no packet socket: ") + std::strerror(errno);
    return;
  }
  state_ = std::make_shared<State>(io, fd, std::move(seen));
  sockaddr_ll on{};
  on.sll_family = AF_PACKET;
  on.sll_protocol = htons(ETH_P_ALL);
  on.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  if (on.sll_ifindex == 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&on), sizeof on) != 0) {
    problem_ = "interface " + interface + " cannot be looked at: " + std::strerror(errno);
    state_.reset();
    return;
  }
  state_->wait();
}

Observer::~Observer() {
  if (!state_) return;
  state_->seen = nullptr;
  boost::system::error_code ignored;
  state_->socket.close(ignored);
}

}  // namespace sluice::health
