// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/icmp.h"

#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

#include "control/health/prober.h"
#include "dataplane/wire/checksum.h"

namespace sluice::health {
namespace {

using boost::system::error_code;

// RFC 792 page 14, RFC 4443 section 4.1: the same layout for both families.
struct Echo {
  std::uint8_t type = 0, code = 0;
  Big16 checksum, id, sequence;
  std::array<std::uint8_t, 16> payload{};
};
static_assert(sizeof(Echo) == 24);

constexpr std::uint8_t kRequest[] = {8, 128}, kReply[] = {0, 129};
constexpr int kMostPerWake = 256;  // answers; then the loop has its turn

error_code last_error() {
  return {errno, boost::system::system_category()};
}

// Only echo replies reach the socket: a router's whole ICMP traffic would else be copied to it.
void filter_replies(int socket, bool v6) {
  if (v6) {
    icmp6_filter only;
    ICMP6_FILTER_SETBLOCKALL(&only);
    ICMP6_FILTER_SETPASS(kReply[1], &only);
    setsockopt(socket, IPPROTO_ICMPV6, ICMP6_FILTER, &only, sizeof only);
  } else {
    icmp_filter only{.data = ~(std::uint32_t{1} << kReply[0])};
    setsockopt(socket, SOL_RAW, ICMP_FILTER, &only, sizeof only);
  }
}

IpAddress from_sockaddr(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 in;
    std::memcpy(&in, &storage, sizeof in);
    return IpAddress::v6(&in.sin6_addr);
  }
  sockaddr_in in;
  std::memcpy(&in, &storage, sizeof in);
  return IpAddress::v4(Big32::from_raw(in.sin_addr.s_addr));
}

}  // namespace

Pinger::Pinger(boost::asio::io_context& io) : io_(io) {
  std::random_device random;
  secret_ = std::uint64_t{random()} << 32 | random();
  id_ = static_cast<std::uint16_t>(random());
}

error_code Pinger::open(bool v6) {
  if (sockets_[v6]) return {};
  const int family = v6 ? AF_INET6 : AF_INET, protocol = v6 ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP};
  int socket = ::socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  raw_[v6] = socket >= 0;
  if (socket < 0 && errno == EPERM)
    socket = ::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (socket < 0) return last_error();
  if (raw_[v6]) filter_replies(socket, v6);
  const int room = 1 << 20;  // for the answers of some thousands of DIPs in one turn
  setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  sockets_[v6].emplace(io_, socket);
  wait(v6);
  return {};
}

void Pinger::close() {
  waiting_.clear();
  for (auto& socket : sockets_) socket.reset();
}

error_code Pinger::ask(const IpAddress& address, Ticket& ticket, std::function<void()> answered) {
  const bool v6 = !address.is_v4();
  if (const error_code error = open(v6)) return error;
  ticket = next_++;
  Echo echo;
  echo.type = kRequest[v6];
  echo.id = Big16(id_);
  echo.sequence = Big16(static_cast<std::uint16_t>(ticket));
  std::memcpy(echo.payload.data(), &secret_, 8);
  std::memcpy(echo.payload.data() + 8, &ticket, 8);
  std::array<std::uint8_t, sizeof echo> bytes;
  std::memcpy(bytes.data(), &echo, sizeof echo);
  if (!v6) {  // the kernel does it for ICMPv6 (RFC 3542 section 3.1)
    echo.checksum = checksum(bytes);
    std::memcpy(bytes.data(), &echo, sizeof echo);
  }
  socklen_t length = 0;
  const sockaddr_storage to = to_sockaddr(address, 0, length);
  if (::sendto(sockets_[v6]->native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&to), length) < 0)
    return last_error();
  waiting_.emplace(ticket, Waiting{address, std::move(answered)});
  return {};
}

void Pinger::wait(bool v6) {
  sockets_[v6]->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [weak = weak_from_this(), v6](error_code error) {
                             const auto self = weak.lock();
                             if (error || !self || !self->sockets_[v6]) return;
                             self->read(v6);
                             if (self->sockets_[v6]) self->wait(v6);
                           });
}

void Pinger::read(bool v6) {
  std::array<std::uint8_t, 256> packet;  // an answer is 24 bytes, 84 with the longest IPv4 header
  for (int i = 0; i < kMostPerWake && sockets_[v6]; ++i) {
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const ssize_t got = ::recvfrom(sockets_[v6]->native_handle(), packet.data(), packet.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &length);
    if (got < 0) return;
    std::span<const std::uint8_t> bytes(packet.data(), static_cast<std::size_t>(got));
    if (!v6 && raw_[v6]) {  // raw(7): a raw IPv4 socket reads the IP header too
      const std::size_t header = bytes.empty() ? 0 : std::size_t{bytes[0] & 0x0fu} * 4;
      if (header < 20 || header > bytes.size()) continue;
      bytes = bytes.subspan(header);
    }
    take(from_sockaddr(from), v6, bytes);
  }
}

void Pinger::take(const IpAddress& from, bool v6, std::span<const std::uint8_t> packet) {
  // A raw IPv4 socket gets its copy before the kernel has looked at the sum.
  if (packet.size() != sizeof(Echo) || (!v6 && !checksum_holds(packet))) return;
  Echo echo;
  std::memcpy(&echo, packet.data(), sizeof echo);
  std::uint64_t secret = 0;
  Ticket ticket = 0;
  std::memcpy(&secret, echo.payload.data(), 8);
  std::memcpy(&ticket, echo.payload.data() + 8, 8);
  const auto at = waiting_.find(ticket);
  if (echo.type != kReply[v6] || echo.code != 0 || secret != secret_ || at == waiting_.end() ||
      at->second.address != from)
    return;
  const std::function<void()> answered = std::move(at->second.answered);
  waiting_.erase(at);
  answered();
}

namespace {

class IcmpProber : public Prober {
 public:
  IcmpProber(Surroundings& around, const Spec& spec) : io_(around.io), address_(spec.address) {
    if (!around.pinger) around.pinger = std::make_shared<Pinger>(around.io);
    pinger_ = around.pinger;
  }
  ~IcmpProber() override { stop(); }
  IcmpProber(const IcmpProber&) = delete;
  IcmpProber& operator=(const IcmpProber&) = delete;

  void ask(Done done) override {
    const auto shared = std::make_shared<Done>(std::move(done));
    done_ = shared;
    const error_code error = pinger_->ask(address_, ticket_, [this] {
      const auto call = std::exchange(done_, nullptr);
      (*call)({Judgement::kGood, "echo reply"});
    });
    if (!error) return;
    ticket_ = 0;
    boost::asio::post(io_, [weak = std::weak_ptr(shared), error] {
      if (const auto call = weak.lock()) (*call)(trouble(error));
    });
  }
  void stop() override {
    done_ = nullptr;
    if (ticket_ != 0) pinger_->forget(std::exchange(ticket_, 0));
  }
  [[nodiscard]] std::string_view waits_for() const override { return "an echo reply"; }

 private:
  boost::asio::io_context& io_;
  const IpAddress address_;
  std::shared_ptr<Pinger> pinger_;
  std::shared_ptr<Done> done_;  // the question under way
  Pinger::Ticket ticket_ = 0;
};

}  // namespace

std::unique_ptr<Prober> make_icmp_prober(Surroundings& around, const Spec& spec) {
  return std::make_unique<IcmpProber>(around, spec);
}

}  // namespace sluice::health
