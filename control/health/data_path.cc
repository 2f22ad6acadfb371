// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/data_path.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/system/error_code.hpp>
#include <cerrno>

#include "control/health/prober.h"

namespace sluice::health {
namespace {

// Ports that somebody else on this host holds are passed over, so many at most.
constexpr unsigned kTries = 16;

Answer not_asked(const std::string& why) {
  return {Judgement::kNone, "not asked: " + why};
}

Answer last_error() {
  return trouble({errno, boost::system::system_category()});
}

// A datagram that does not fit is refused, as a client with path MTU discovery would see it; pieces of it
// would have no ports to be known by.
void forbid_fragments(int socket, bool v4) {
  const int always = IP_PMTUDISC_DO;
  if (v4)
    setsockopt(socket, IPPROTO_IP, IP_MTU_DISCOVER, &always, sizeof always);
  else
    setsockopt(socket, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &always, sizeof always);
}

}  // namespace

DataPath::DataPath(ProbePorts& ports, FindWay find) : ports_(ports), find_(std::move(find)) {
  for (unsigned i = 0; i < ProbePorts::kCount; ++i)
    pool_->free.push_back(static_cast<std::uint16_t>(ProbePorts::kFirst + i));
}

std::optional<DataPath::Lease> DataPath::lease(std::uint32_t target) {
  if (pool_->free.empty()) return {};
  const std::uint16_t port = pool_->free.front();
  pool_->free.pop_front();
  ports_.set(port, target);
  return Lease(pool_, port);
}

std::optional<Answer> DataPath::bind(int socket, const Spec& spec, Lease& held) {
  const auto found = find(spec);
  if (const auto* why = std::get_if<std::string>(&found)) return not_asked(*why);
  const Way& way = std::get<Way>(found);
  if (setsockopt(socket, SOL_SOCKET, SO_BINDTODEVICE, way.interface.c_str(),
                 static_cast<socklen_t>(way.interface.size())) != 0)
    return last_error();
  forbid_fragments(socket, way.source.is_v4());
  for (unsigned i = 0; i < kTries; ++i) {
    std::optional<Lease> next = lease(way.target);
    if (!next) return not_asked("all " + std::to_string(ProbePorts::kCount) + " source ports are in use");
    held = std::move(*next);
    socklen_t length = 0;
    const sockaddr_storage from = to_sockaddr(way.source, held.port(), length);
    if (::bind(socket, reinterpret_cast<const sockaddr*>(&from), length) == 0) return {};
    if (errno != EADDRINUSE) return last_error();
  }
  return not_asked("no source port from " + std::to_string(ProbePorts::kFirst) + " on is free");
}

}  // namespace sluice::health
