// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/status.h"

#include "control/config/words.h"

namespace sluice::agent {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array kOutcomeKeys = {
#define SLUICE_TUNNEL_KEY(name, key, text) key,
    SLUICE_TUNNEL_OUTCOMES(SLUICE_TUNNEL_KEY)
#undef SLUICE_TUNNEL_KEY
};
static_assert(kOutcomeKeys.size() == TUNNEL_OUTCOMES);

double rounded(double value) {
  return static_cast<double>(static_cast<long long>(value * 100 + 0.5)) / 100;
}

Json packets(const tunnel_counters& counters, int from, int to) {
  Json all = Json::object();
  for (int i = from; i < to; ++i) all[kOutcomeKeys[static_cast<std::size_t>(i)]] = counters.packets[i];
  return all;
}

std::uint64_t decapsulated(const tunnel_counters& counters) {
  std::uint64_t sum = 0;
  for (int form = TUNNEL_IPV4_IN_IPV4; form <= TUNNEL_GUE_OVER_IPV6; ++form) sum += counters.packets[form];
  return sum;
}

Json vip_status(const Vip& vip, const VipConnections& connections, const tunnel_counters& counters) {
  Json services = Json::array();
  for (std::size_t i = 0; i < vip.services.size(); ++i) {
    const Service& s = vip.services[i];
    services.push_back({{"protocol", config::to_word(s.protocol)},
                        {"port", s.port},
                        {"dip_port", s.local_port()},
                        {"connections", connections.by_service[i]}});
  }
  return {{"address", to_string(vip.prefix)},
          {"connections", connections.total},
          {"rx_packets", decapsulated(counters)},
          {"rx_bytes", counters.rx_bytes},
          {"tx_packets", counters.packets[TUNNEL_REPLY]},
          {"tx_bytes", counters.tx_bytes},
          {"packets", packets(counters, 0, TUNNEL_FIRST_OF_HOST)},
          {"services", services}};
}

}  // namespace

nlohmann::ordered_json make_status(const Config& config, const StatusFacts& facts) {
  Json interfaces = Json::array(), vips = Json::array();
  for (const InterfaceStatus& i : facts.interfaces)
    interfaces.push_back(
        {{"name", i.name}, {"mtu_bytes", i.mtu_bytes}, {"inner_mtu_bytes", i.inner_mtu_bytes}});
  std::uint64_t connections = 0;
  for (std::size_t i = 0; i < config.vips.size(); ++i) {
    connections += facts.connections[i].total;
    vips.push_back(vip_status(config.vips[i], facts.connections[i], facts.counters[i + 1]));
  }
  const Machine& m = facts.machine;
  return {{"version", SLUICE_VERSION},
          {"state", facts.draining ? "draining" : "alive"},
          {"healthy", facts.healthy},
          {"health", facts.health_text},
          {"uptime_s", rounded(facts.uptime_s)},
          {"connections", connections},
          {"load", {{"average_1min", m.load[0]}, {"average_5min", m.load[1]}, {"average_15min", m.load[2]}}},
          {"cpu", {{"count", m.cpus}, {"busy_percent", rounded(m.cpu_busy_percent)}}},
          {"memory", {{"total_bytes", m.memory.total_bytes}, {"available_bytes", m.memory.available_bytes}}},
          {"interfaces", interfaces},
          {"vips", vips},
          {"left_alone_packets", packets(facts.counters[0], TUNNEL_FIRST_OF_HOST, TUNNEL_OUTCOMES)}};
}

}  // namespace sluice::agent
