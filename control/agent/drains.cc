// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/drains.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "control/config/words.h"

namespace sluice::agent {
namespace {

using Json = nlohmann::json;

constexpr int kDeepest = 3;

bool is_part_of(const DrainKey& key, const Service& service) {
  return (service.protocol == Protocol::kAny || service.protocol == key.protocol) &&
         (service.port == 0 || service.port == key.port);
}

// The service of the configuration that the order means: the most exact one that it is part of.
const Service* find_service(const Config& config, const DrainKey& key) {
  const Service* best = nullptr;
  for (const Vip& vip : config.vips) {
    if (vip.prefix != key.vip) continue;
    for (const Service& service : vip.services) {
      const auto exactness = [](const Service& s) {
        return (s.port != 0 ? 2 : 0) + (s.protocol != Protocol::kAny ? 1 : 0);
      };
      if (is_part_of(key, service) && (!best || exactness(service) > exactness(*best))) best = &service;
    }
  }
  return best;
}

std::optional<std::uint64_t> number_at(const Json& order, const char* key, std::uint64_t most) {
  const auto at = order.find(key);
  if (at == order.end() || !at->is_number_unsigned() || at->get<std::uint64_t>() > most) return {};
  return at->get<std::uint64_t>();
}

std::optional<DrainKey> read_key(const Json& order, std::string& error) {
  const auto text = [&](const char* key) {
    const auto at = order.find(key);
    return at != order.end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  DrainKey key;
  const auto vip = parse_prefix(text("vip"));
  if (!vip) {
    error =
        R"(the order names no vip; right would be {"vip": "203.0.113.10", "protocol": "tcp", "port": 80})";
    return {};
  }
  key.vip = *vip;
  const auto protocol = config::from_word<Protocol>(text("protocol"));
  const auto port = number_at(order, "port", 65535);
  if (!protocol || !port) {
    error = "the order names no protocol (as in \"tcp\") or no port (0 to 65535)";
    return {};
  }
  key.protocol = *protocol;
  key.port = static_cast<std::uint16_t>(*port);
  return key;
}

}  // namespace

std::string describe(const DrainKey& key) {
  return to_string(key.vip) + ' ' + std::string(config::to_word(key.protocol)) +
         (key.port != 0 ? " port " + std::to_string(key.port) : std::string());
}

std::optional<DrainOrder> read_drain(std::string_view body, const Config& config, std::string& error) {
  const auto shallow = [](int depth, Json::parse_event_t, Json&) { return depth <= kDeepest; };
  const Json order = Json::parse(body, shallow, false);
  if (!order.is_object()) {
    error = "the body is no JSON object";
    return {};
  }
  auto key = read_key(order, error);
  if (!key) return {};
  const Service* service = find_service(config, *key);
  if (!service) {
    error = describe(*key) + " is not served here";
    return {};
  }
  // Ports are translated service by service: only the very one says where the server listens.
  if (service->port == key->port) key->dip_port = service->dip_port;
  const auto most = static_cast<std::uint64_t>(kLongestDrain.count());
  const std::uint64_t seconds = number_at(order, "deadline_s", most).value_or(most);
  return DrainOrder{*key, std::chrono::seconds(seconds)};
}

std::optional<bool> Drains::begin(const DrainOrder& order, const IpAddress& mux, DrainClock::time_point now) {
  const auto [at, is_new] = all_.try_emplace(order.key);
  Drain& drain = at->second;
  if (is_new) drain.since = now;
  if (!drain.asking.contains(mux) && drain.asking.size() >= kMostAsking) return {};
  drain.asking[mux] = now + order.deadline;
  return is_new;
}

bool Drains::end(const DrainKey& key, const IpAddress& mux) {
  const auto at = all_.find(key);
  if (at == all_.end()) return false;
  at->second.asking.erase(mux);
  if (!at->second.asking.empty()) return false;
  all_.erase(at);
  return true;
}

std::vector<DrainKey> Drains::expire(DrainClock::time_point now) {
  std::vector<DrainKey> over;
  for (auto at = all_.begin(); at != all_.end();) {
    std::erase_if(at->second.asking, [&](const auto& entry) { return entry.second <= now; });
    if (!at->second.asking.empty()) {
      ++at;
      continue;
    }
    over.push_back(at->first);
    at = all_.erase(at);
  }
  return over;
}

bool Drains::count(const DrainKey& key, std::uint64_t connections, DrainClock::time_point now) {
  const auto at = all_.find(key);
  if (at == all_.end()) return false;
  Drain& drain = at->second;
  const bool emptied = connections == 0 && !drain.empty_since;
  drain.connections = connections;
  drain.counted = true;
  if (connections > 0) drain.empty_since.reset();
  if (emptied) drain.empty_since = now;
  return emptied;
}

bool Drains::covers(const Prefix& vip, const Service& service) const {
  return std::ranges::any_of(all_, [&](const auto& entry) {
    const DrainKey& key = entry.first;
    return key.vip == vip && (key.protocol == Protocol::kAny || key.protocol == service.protocol) &&
           (key.port == 0 || key.port == service.port);
  });
}

std::vector<Vip> Drains::as_vips() const {
  std::vector<Vip> vips;
  for (const auto& [key, drain] : all_) {
    if (vips.empty() || vips.back().prefix != key.vip) vips.push_back({key.vip, {}});
    vips.back().services.push_back({key.protocol, key.port, key.dip_port});
  }
  return vips;
}

}  // namespace sluice::agent
