// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/spec.h"

#include <algorithm>
#include <cctype>

#include "control/config/address_port.h"
#include "control/config/words.h"

namespace sluice::health {

using config::HealthType;

namespace {

std::uint16_t port_of(const config::Service& service, const config::Dip& dip) {
  const config::Health& health = service.health;
  if (health.type == HealthType::kIcmp) return 0;
  if (health.port != 0) return health.port;
  if (health.type == HealthType::kAgent) return kAgentPort;
  if (health.through == config::ProbeWay::kVip) return service.port;  // the agent translates
  return dip.port != 0 ? dip.port : service.port;
}

bool speaks_http(HealthType type) {
  return type == HealthType::kHttp || type == HealthType::kHttps || type == HealthType::kAgent;
}

// As a URL has it (RFC 3986 section 3.2.2), without the port: the name that virtual hosts go by.
std::string host_of(const config::Service& service) {
  if (!service.health.host.empty()) return service.health.host;
  const IpAddress& vip = service.vip.address;
  return vip.is_v4() ? to_string(vip) : '[' + to_string(vip) + ']';
}

}  // namespace

std::string bytes_of(const std::string& text) {
  const auto is_digit = [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; };
  if (text.size() < 4 || text.size() % 2 != 0 || !text.starts_with("0x") ||
      !std::all_of(text.begin() + 2, text.end(), is_digit))
    return text;
  std::string bytes;
  for (std::size_t i = 2; i < text.size(); i += 2)
    bytes += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  return bytes;
}

Spec spec_of(const config::Service& service, const config::Dip& dip) {
  const config::Health& health = service.health;
  Spec spec;
  spec.type = health.type;
  spec.address = dip.address;
  spec.port = port_of(service, dip);
  spec.interval = std::chrono::milliseconds(health.interval_ms);
  spec.timeout = std::chrono::milliseconds(health.timeout_ms);
  if (speaks_http(health.type)) {
    spec.path = health.type == HealthType::kAgent && health.path == "/" ? "/status" : health.path;
    // An agent is asked as itself: it answers for all its VIPs, and one question serves all of them.
    spec.host = health.type == HealthType::kAgent ? health.host : host_of(service);
    spec.persistent = health.persistent;
  }
  if (health.type == HealthType::kHttp || health.type == HealthType::kHttps) spec.expect = health.expect;
  if (health.type == HealthType::kUdp) spec.expect = bytes_of(health.expect);
  if (health.type == HealthType::kUdp || health.type == HealthType::kAgentCheck)
    spec.payload = bytes_of(health.payload);
  if (health.through == config::ProbeWay::kVip) {
    spec.through = health.through;
    spec.vip = service.vip.address;
    spec.service = service.name;
    spec.dip = config::to_string(config::AddressPort{dip.address, dip.port});
  }
  return spec;
}

std::string describe(const Spec& spec) {
  const bool by_vip = spec.through == config::ProbeWay::kVip;
  const config::AddressPort asked{by_vip ? spec.vip : spec.address, spec.port};
  return std::string(config::to_word(spec.type)) + ' ' + config::to_string(asked) + spec.path +
         (by_vip ? " on " + spec.dip : "");
}

}  // namespace sluice::health
