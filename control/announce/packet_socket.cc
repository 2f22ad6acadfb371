// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/announce/packet_socket.h"

#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "dataplane/wire/big_endian.h"

namespace sluice::announce {
namespace {

constexpr std::chrono::milliseconds kLookAgain{100};  // for an interface that went
constexpr int kMostPerWake = 64;                      // frames; then the loop has its turn

[[noreturn]] void fail(const std::string& interface, const char* what) {
  throw std::runtime_error("interface " + interface + ": " + what + " failed (" + std::strerror(errno) + ')');
}

int open_socket(const std::string& interface, int ifindex, std::span<const sock_filter> filter) {
  // Protocol 0 receives nothing until the filter stands.
  const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail(interface, "opening a packet socket");
  // The kernel's structure takes no const, and does not write.
  const sock_fprog program{static_cast<unsigned short>(filter.size()),
                           const_cast<sock_filter*>(filter.data())};
  const int yes = 1;
  setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes);
  sockaddr_ll at{};
  at.sll_family = AF_PACKET;
  at.sll_protocol = Big16(0x0003).raw();  // ETH_P_ALL
  at.sll_ifindex = ifindex;
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0 &&
      ::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0)
    return fd;
  const int error = errno;
  ::close(fd);
  errno = error;
  fail(interface, "listening on it");
}

}  // namespace

PacketSocket::PacketSocket(boost::asio::io_context& io, std::string interface,
                           std::span<const sock_filter> filter, Received received,
                           std::function<void()> renewed)
    : socket_(io),
      timer_(io),
      interface_(std::move(interface)),
      filter_(filter),
      received_(std::move(received)),
      renewed_(std::move(renewed)) {
  open();
}

void PacketSocket::open() {
  const auto ifindex = static_cast<int>(if_nametoindex(interface_.c_str()));
  if (ifindex == 0) fail(interface_, "finding it");
  const int fd = open_socket(interface_, ifindex, filter_);
  boost::system::error_code ignored;
  socket_.close(ignored);
  socket_.assign(fd);
  ifindex_ = ifindex;
  wait();
}

// The kernel says once that the link is down. If it comes back under another index, it is another one.
void PacketSocket::follow() {
  timer_.expires_after(kLookAgain);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    const auto now = static_cast<int>(if_nametoindex(interface_.c_str()));
    if (now == ifindex_) return;
    if (now == 0) return follow();
    try {
      open();
    } catch (const std::runtime_error&) {  // gone again
      return follow();
    }
    if (renewed_) renewed_();
  });
}

bool PacketSocket::send(std::span<const std::uint8_t> frame) {
  return ::send(socket_.native_handle(), frame.data(), frame.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(frame.size());
}

void PacketSocket::wait() {
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [this](const boost::system::error_code& error) {
                       if (error) return;  // also when this is gone
                       read();
                       wait();
                     });
}

void PacketSocket::read() {
  std::array<std::uint8_t, kMostBytes> frame;
  for (int i = 0; i < kMostPerWake; ++i) {
    const ssize_t got = ::recv(socket_.native_handle(), frame.data(), frame.size(), 0);
    if (got < 0 && errno == ENETDOWN) return follow();
    if (got < 0) return;
    received_({frame.data(), static_cast<std::size_t>(got)});
  }
}

}  // namespace sluice::announce
