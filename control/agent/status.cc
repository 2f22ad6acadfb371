// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/status.h"

#include <algorithm>
#include <cmath>

#include "control/agent/traffic.h"
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
  return std::round(value * 100) / 100;
}

Json packets(const tunnel_counters& counters, int from, int to) {
  Json all = Json::object();
  for (int i = from; i < to; ++i) all[kOutcomeKeys[static_cast<std::size_t>(i)]] = counters.packets[i];
  return all;
}

double seconds(DrainClock::duration time) {
  return rounded(std::max(0.0, std::chrono::duration<double>(time).count()));
}

Json vip_status(const StatusFacts& facts, const Vip& vip, std::size_t index) {
  const VipConnections& connections = facts.connections[index];
  const tunnel_counters& counters = facts.counters[index + 1];
  Json services = Json::array();
  for (std::size_t i = 0; i < vip.services.size(); ++i) {
    const Service& s = vip.services[i];
    services.push_back({{"protocol", config::to_word(s.protocol)},
                        {"port", s.port},
                        {"dip_port", s.local_port()},
                        {"state", facts.drains && facts.drains->covers(vip.prefix, s) ? "draining" : "alive"},
                        {"connections", connections.by_service[i]}});
  }
  Json out = {{"address", to_string(vip.prefix)},
              {"held", static_cast<bool>(facts.held[index])},
              {"connections", connections.total},
              {"rx_packets", decapsulated(counters)},
              {"rx_bytes", counters.rx_bytes},
              {"tx_packets", counters.packets[TUNNEL_REPLY]},
              {"tx_bytes", counters.tx_bytes},
              {"packets", packets(counters, 0, TUNNEL_FIRST_OF_HOST)},
              {"services", services}};
  if (index < facts.rx_pps.size()) out["rx_pps"] = rounded(facts.rx_pps[index]);
  return out;
}

}  // namespace

Json make_drain(const DrainKey& key, const Drain& drain, DrainClock::time_point now) {
  DrainClock::time_point until = now;
  for (const auto& [mux, deadline] : drain.asking) until = std::max(until, deadline);
  Json out = {{"vip", to_string(key.vip)},
              {"protocol", config::to_word(key.protocol)},
              {"port", key.port},
              {"since_s", seconds(now - drain.since)},
              {"remaining_s", seconds(until - now)}};
  if (drain.counted) out["connections"] = drain.connections;
  if (drain.empty_since) out["empty_s"] = seconds(now - *drain.empty_since);
  return out;
}

nlohmann::ordered_json make_status(const Config& config, const StatusFacts& facts) {
  Json interfaces = Json::array(), vips = Json::array();
  for (const InterfaceStatus& i : facts.interfaces)
    interfaces.push_back({{"name", i.name},
                          {"mtu_bytes", i.mtu_bytes},
                          {"inner_mtu_bytes", i.inner_mtu_bytes},
                          {"rp_filter", i.rp_filter}});
  std::uint64_t connections = 0;
  for (std::size_t i = 0; i < config.vips.size(); ++i) {
    connections += facts.connections[i].total;
    vips.push_back(vip_status(facts, config.vips[i], i));
  }
  Json drains = Json::array();
  if (facts.drains)
    for (const auto& [key, drain] : facts.drains->all()) drains.push_back(make_drain(key, drain, facts.now));
  const Machine& m = facts.machine;
  Json status = {
      {"version", SLUICE_VERSION},
      {"state", facts.state},
      {"healthy", facts.healthy},
      {"health", facts.health_text},
      {"uptime_s", rounded(facts.uptime_s)},
      {"connections", connections},
      {"load", {{"average_1min", m.load[0]}, {"average_5min", m.load[1]}, {"average_15min", m.load[2]}}},
      {"cpu", {{"count", m.cpus}, {"busy_percent", rounded(m.cpu_busy_percent)}}},
      {"memory", {{"total_bytes", m.memory.total_bytes}, {"available_bytes", m.memory.available_bytes}}},
      {"interfaces", interfaces},
      {"vips", vips},
      {"drains", drains},
      {"drain_hook", facts.hook},
      {"left_alone_packets", packets(facts.counters[0], TUNNEL_FIRST_OF_HOST, TUNNEL_OUTCOMES)}};
  if (m.cpu_busy_10s_percent) status["cpu"]["busy_10s_percent"] = rounded(*m.cpu_busy_10s_percent);
  if (m.temperature_c) status["temperature_c"] = rounded(*m.temperature_c);
  return status;
}

}  // namespace sluice::agent
