// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/prober.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <cctype>
#include <cstring>
#include <stdexcept>

namespace sluice::health {

namespace errc = boost::system::errc;

std::unique_ptr<Prober> make_prober(Surroundings& around, const Spec& spec) {
  using config::HealthType;
  switch (spec.type) {
    case HealthType::kIcmp:
      return make_icmp_prober(around, spec);
    case HealthType::kTcp:
    case HealthType::kAgentCheck:
      return make_tcp_prober(around, spec);
    case HealthType::kHttp:
    case HealthType::kAgent:
      return make_http_prober(around, spec);
    case HealthType::kHttps:
      return make_https_prober(around, spec);
    case HealthType::kUdp:
      return make_udp_prober(around, spec);
    case HealthType::kNone:
      break;
  }
  throw std::logic_error("a probe of type none");
}

sockaddr_storage to_sockaddr(const IpAddress& address, std::uint16_t port, socklen_t& length) {
  sockaddr_storage storage{};
  if (address.is_v4()) {
    sockaddr_in in{.sin_family = AF_INET,
                   .sin_port = Big16(port).raw(),
                   .sin_addr = {address.v4().raw()},
                   .sin_zero = {}};
    std::memcpy(&storage, &in, length = sizeof in);
  } else {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = Big16(port).raw();
    std::memcpy(&in.sin6_addr, address.byte.data(), address.byte.size());
    std::memcpy(&storage, &in, length = sizeof in);
  }
  return storage;
}

Answer trouble(const boost::system::error_code& error) {
  static constexpr std::array kOurOwn = {errc::too_many_files_open,     errc::too_many_files_open_in_system,
                                         errc::no_buffer_space,         errc::not_enough_memory,
                                         errc::permission_denied,       errc::address_not_available,
                                         errc::operation_not_permitted, errc::resource_unavailable_try_again};
  const bool our_own = std::ranges::any_of(kOurOwn, [&](errc::errc_t e) { return error == e; });
  if (error == boost::asio::error::eof)
    return {Judgement::kBad, "the connection was closed without an answer"};
  std::string text = one_line(error.message());
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])))
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return {.judgement = our_own ? Judgement::kNone : Judgement::kBad,
          .text = our_own ? "not asked: " + text : text,
          .refused = error == errc::connection_refused};
}

}  // namespace sluice::health
