// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/connections.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

namespace sluice::agent {
namespace {

constexpr std::uint32_t kConnected = 1u << TCP_ESTABLISHED | 1u << TCP_SYN_RECV | 1u << TCP_FIN_WAIT1 |
                                     1u << TCP_FIN_WAIT2 | 1u << TCP_CLOSE_WAIT | 1u << TCP_LAST_ACK |
                                     1u << TCP_CLOSING;

struct Request {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

// The kernel copies no more than this into one datagram unless the reader's buffer asks for it.
constexpr std::size_t kDatagram = 64 * 1024;

LocalSocket local_socket(const inet_diag_msg& message, Protocol protocol) {
  LocalSocket socket;
  socket.protocol = protocol;
  socket.port = ntohs(message.id.idiag_sport);
  if (message.idiag_family == AF_INET) {
    Big32 v4;
    std::memcpy(&v4, message.id.idiag_src, sizeof(v4));
    socket.address = IpAddress::v4(v4);
  } else {
    socket.address = IpAddress::v6(message.id.idiag_src);
  }
  return socket;
}

[[noreturn]] void fail(const char* what, int error) {
  throw std::system_error(error, std::generic_category(), what);
}

class DiagSocket {
 public:
  DiagSocket() : descriptor_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)) {
    if (descriptor_ < 0) fail("cannot ask for connections (sock_diag)", errno);
    const timeval timeout{kDumpTimeout.count(), 0};
    setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  }
  ~DiagSocket() { close(descriptor_); }
  DiagSocket(const DiagSocket&) = delete;
  DiagSocket& operator=(const DiagSocket&) = delete;

  void dump(std::uint8_t family, Protocol protocol, ConnectionCount& count) {
    Request request{};
    request.header.nlmsg_len = sizeof(request);
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.body.sdiag_family = family;
    request.body.sdiag_protocol = static_cast<std::uint8_t>(protocol);
    request.body.idiag_states = protocol == Protocol::kTcp ? kConnected : 1u << TCP_ESTABLISHED;
    if (send(descriptor_, &request, sizeof(request), 0) < 0)
      fail("cannot ask for connections (sock_diag)", errno);

    for (Dump state = Dump::kMore; state == Dump::kMore;) {
      const ssize_t length = recv(descriptor_, buffer_.get(), kDatagram, 0);
      if (length < 0 && errno == EINTR) continue;
      if (length < 0) fail("no answer to the question for connections (sock_diag)", errno);
      int error = EPROTO;
      state = read_dump(
          {buffer_.get(), static_cast<std::size_t>(length)}, protocol,
          [&](const LocalSocket& s) { count.add(s); }, &error);
      if (state == Dump::kBroken && error == ENOENT) return;  // a kernel that cannot list this protocol
      if (state == Dump::kBroken) fail("the list of connections cannot be read (sock_diag)", error);
    }
  }

 private:
  int descriptor_;
  std::unique_ptr<std::byte[]> buffer_{new std::byte[kDatagram]};
};

}  // namespace

Dump read_dump(std::span<const std::byte> datagram, Protocol protocol,
               const std::function<void(const LocalSocket&)>& each, int* error) {
  while (!datagram.empty()) {
    nlmsghdr header;
    if (datagram.size() < sizeof(header)) return Dump::kBroken;
    std::memcpy(&header, datagram.data(), sizeof(header));
    if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > datagram.size()) return Dump::kBroken;
    const auto body = datagram.subspan(sizeof(header), header.nlmsg_len - sizeof(header));
    if (header.nlmsg_type == NLMSG_DONE) return Dump::kDone;
    if (header.nlmsg_type == NLMSG_ERROR) {
      nlmsgerr refused;
      if (error != nullptr && body.size() >= sizeof(refused)) {
        std::memcpy(&refused, body.data(), sizeof(refused));
        *error = -refused.error;
      }
      return Dump::kBroken;
    }
    if (header.nlmsg_type == SOCK_DIAG_BY_FAMILY) {
      inet_diag_msg message;
      if (body.size() < sizeof(message)) return Dump::kBroken;
      std::memcpy(&message, body.data(), sizeof(message));
      each(local_socket(message, protocol));
    }
    datagram = datagram.subspan(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), datagram.size()));
  }
  return Dump::kMore;
}

ConnectionCount::ConnectionCount(const std::vector<Vip>& vips) : vips_(vips) {
  for (const Vip& vip : vips) result_.push_back({0, std::vector<std::uint64_t>(vip.services.size())});
}

void ConnectionCount::add(const LocalSocket& socket) {
  const Vip* best = nullptr;
  for (const Vip& vip : vips_)
    if (vip.prefix.contains(socket.address) && (best == nullptr || vip.prefix.length > best->prefix.length))
      best = &vip;
  if (best == nullptr) return;
  VipConnections& counts = result_[static_cast<std::size_t>(best - vips_.data())];
  ++counts.total;

  int best_score = -1;
  std::size_t at = 0;
  for (std::size_t i = 0; i < best->services.size(); ++i) {
    const Service& s = best->services[i];
    const bool any = s.protocol == Protocol::kAny;
    if ((!any && s.protocol != socket.protocol) || (s.port != 0 && s.local_port() != socket.port)) continue;
    const int score = (s.port != 0 ? 2 : 0) + (any ? 0 : 1);
    if (score > best_score) best_score = score, at = i;
  }
  if (best_score >= 0) ++counts.by_service[at];
}

std::vector<VipConnections> count_connections(const std::vector<Vip>& vips) {
  ConnectionCount count(vips);
  DiagSocket kernel;
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp})
    for (const std::uint8_t family : {AF_INET, AF_INET6}) kernel.dump(family, protocol, count);
  return count.result();
}

}  // namespace sluice::agent
