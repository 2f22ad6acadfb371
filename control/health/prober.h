// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Asks one DIP one question, again and again, over the kernel's sockets. A prober keeps no time: its owner
// starts it and stops it when its time is over (monitor.cc). All of it belongs to the io_context's thread.
//
// What a peer can make a prober hold is bounded: kLongestHeader and kLongestBody for HTTP, kLongestStatus for
// an agent, kLongestAgentCheck, kLongestDatagram.
#pragma once

#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "control/config/to_asio.h"
#include "control/health/data_path.h"
#include "control/health/report.h"
#include "control/health/spec.h"

namespace sluice::health {

inline constexpr std::size_t kLongestHeader = 8 * 1024, kLongestBody = 64 * 1024, kLongestDatagram = 4096;

class Pinger;
class TlsContext;

// What all probers of a monitor share.
struct Surroundings {
  boost::asio::io_context& io;
  std::shared_ptr<Pinger> pinger;                 // made by the first one that needs it
  std::shared_ptr<TlsContext> tls;                // the same
  std::size_t kept = 0;                           // connections that wait for their next probe
  std::size_t most_kept = 1024;                   // further ones are closed
  std::shared_ptr<DataPath> data_path = nullptr;  // null: there is none
};

class Prober {
 public:
  using Done = std::function<void(Answer)>;

  virtual ~Prober() = default;  // as stop()
  // Asks. `done` is called once, after ask() has returned, unless stop() comes first; it may destroy the
  // prober.
  virtual void ask(Done done) = 0;
  // Gives the question up: `done` is not called any more.
  virtual void stop() = 0;
  // What is waited for: "the connection", "an answer".
  [[nodiscard]] virtual std::string_view waits_for() const = 0;
};

// Never null; `spec.type` is not kNone.
std::unique_ptr<Prober> make_prober(Surroundings& around, const Spec& spec);
std::unique_ptr<Prober> make_tcp_prober(Surroundings& around, const Spec& spec);
std::unique_ptr<Prober> make_http_prober(Surroundings& around, const Spec& spec);
std::unique_ptr<Prober> make_https_prober(Surroundings& around, const Spec& spec);
std::unique_ptr<Prober> make_udp_prober(Surroundings& around, const Spec& spec);
std::unique_ptr<Prober> make_icmp_prober(Surroundings& around, const Spec& spec);

sockaddr_storage to_sockaddr(const IpAddress& address, std::uint16_t port, socklen_t& length);

// Whom a probe's packets are for: the DIP, or the VIP when they take the clients' way.
template <class Protocol>
typename Protocol::endpoint endpoint_of(const Spec& spec) {
  return {config::to_asio(spec.through == config::ProbeWay::kVip ? spec.vip : spec.address), spec.port};
}

// What an error of a socket says of the DIP: kBad with its text ("connection refused"), or kNone when the
// shortage is our own (no descriptor, no port, no memory, no permission).
Answer trouble(const boost::system::error_code& error);

// Opens a socket for a probe and, when that goes through the data path, binds it; `lease` must live as long
// as the socket. What is wrong, or nothing.
template <class Socket>
std::optional<Answer> open_socket(Socket& socket, const Spec& spec, DataPath* path, DataPath::Lease& lease) {
  boost::system::error_code error;
  socket.open(endpoint_of<typename Socket::protocol_type>(spec).protocol(), error);
  if (error) return trouble(error);
  if (spec.through == config::ProbeWay::kDip) return {};
  if (!path) return Answer{Judgement::kNone, "not asked: no port has a kernel interface"};
  return path->bind(socket.native_handle(), spec, lease);
}

}  // namespace sluice::health
