// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/announce/link.h"

#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>

#include "dataplane/wire/headers.h"

namespace sluice::announce {
namespace {

constexpr std::chrono::milliseconds kLookAgain{100};  // for an interface that went
constexpr int kMostPerWake = 64;                      // frames; then the loop has its turn

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

[[noreturn]] void fail(const std::string& interface, const char* what) {
  throw std::runtime_error("interface " + interface + ": " + what + " failed (" + std::strerror(errno) +
                           "): IIPs need CAP_NET_RAW and an interface that is up");
}

int open_socket(const std::string& interface, int ifindex) {
  // Protocol 0 receives nothing until the filter stands.
  const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail(interface, "opening a packet socket");
  std::array<sock_filter, kFilter.size()> program = kFilter;  // the kernel's structure takes no const
  const sock_fprog filter{program.size(), program.data()};
  const int yes = 1;
  setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes);
  sockaddr_ll at{};
  at.sll_family = AF_PACKET;
  at.sll_protocol = Big16(0x0003).raw();  // ETH_P_ALL
  at.sll_ifindex = ifindex;
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0 &&
      ::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0)
    return fd;
  const int error = errno;
  ::close(fd);
  errno = error;
  fail(interface, "listening for ARP and neighbour discovery");
}

}  // namespace

Link::Link(boost::asio::io_context& io, const std::string& interface, Listener listener)
    : socket_(io), timer_(io), interface_(interface), listener_(std::move(listener)) {
  groups_ = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);  // where there is no IPv6, there are no groups
  open();
}

void Link::open() {
  ifindex_ = static_cast<int>(if_nametoindex(interface_.c_str()));
  if (ifindex_ == 0) fail(interface_, "finding it");
  const int fd = open_socket(interface_, ifindex_);
  boost::system::error_code ignored;
  socket_.close(ignored);
  socket_.assign(fd);
  for (const IpAddress& address : listened_for_) join(address);
  wait();
}

// The kernel says once that the link is down. If it comes back under another index, it is another one.
void Link::follow() {
  timer_.expires_after(kLookAgain);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    const auto now = static_cast<int>(if_nametoindex(interface_.c_str()));
    if (now == ifindex_) return;
    if (now == 0) return follow();
    try {
      open();
    } catch (const std::runtime_error&) {  // gone again
      follow();
    }
  });
}

Link::~Link() {
  if (groups_ >= 0) ::close(groups_);
}

bool Link::send(const Frame& frame) {
  return ::send(socket_.native_handle(), frame.data(), frame.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(frame.size());
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
  request.ipv6mr_interface = static_cast<unsigned>(ifindex_);
  // A membership that is there already, or an interface without IPv6, changes nothing for us.
  setsockopt(groups_, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof request);
}

void Link::wait() {
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [this](const boost::system::error_code& error) {
                       if (error) return;  // also when this Link is gone
                       read();
                       wait();
                     });
}

void Link::read() {
  std::array<std::uint8_t, 512> frame;  // a solicitation with every option that matters fits
  for (int i = 0; i < kMostPerWake; ++i) {
    const ssize_t got = ::recv(socket_.native_handle(), frame.data(), frame.size(), 0);
    if (got < 0 && errno == ENETDOWN) return follow();
    if (got < 0) return;
    if (const auto heard = heard_in({frame.data(), static_cast<std::size_t>(got)})) listener_(*heard);
  }
}

}  // namespace sluice::announce
