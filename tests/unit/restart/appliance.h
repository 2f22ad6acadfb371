// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// An appliance without ports and workers: a live model, its flow tables, and the counts that belong to them.
#pragma once

#include <memory>
#include <string>

#include "control/config/parse.h"
#include "control/restart/restart.h"
#include "dataplane/door/counters.h"
#include "dataplane/table/group_state.h"
#include "tests/packet/key.h"

namespace sluice::restart::test {

using sluice::test::key_of;

inline config::Model model_of(const std::string& services) {
  const config::Result result = config::parse_text(
      "dataplane: { slots = 251; ports = ( { name = \"up\"; device = \"net_null0\"; "
      "address = [ \"10.0.0.10/24\" ]; gateway_mac = \"02:00:00:00:00:01\"; } ); "
      "workers = ( { lcore = 1; } ); };\nservices: ( " +
          services + " );",
      "test");
  if (!result.model) throw std::runtime_error(config::to_string(result.problems.front()));
  return *result.model;
}

inline std::string web(const std::string& dips, const std::string& more = {}) {
  return "{ name = \"web\"; vip = \"203.0.113.10\"; port = 80; flows = 4096; dips = ( " + dips + " ); " +
         more + "}";
}
inline std::string dip(const std::string& address, unsigned weight = 1) {
  return "{ address = \"" + address + "\"; weight = " + std::to_string(weight) + "; }";
}

class Appliance {
 public:
  explicit Appliance(config::Model model, const std::string& state_file = {}, unsigned seed = 5)
      : predecessor(state_file, model),
        key(predecessor.key().value_or(key_of(seed))),
        live(std::move(model), surroundings()) {
    predecessor.resume(live);
    auto first = live.first_snapshot();
    predecessor.restore_flows(live, *first, key, kNow,
                              [this](unsigned, std::uint32_t target, std::uint64_t flows) {
                                counters.target_flows[target].add(flows);
                              });
    publisher = std::make_unique<Publisher>(std::move(first), 1);
    live.publish_through(*publisher);
  }

  // A connection of client number n to the VIP of this service, on the DIP of this name.
  void open(std::uint32_t n, const std::string& dip, const std::string& service = "web",
            const std::string& group = "default") {
    const auto tables = live.tables_of(service);
    for (const auto& table : tables) {
      if (table.group != group) continue;
      const FlowKey k = flow_key(n);
      const std::uint32_t target = id_of(service, group, dip);
      Flow* flow = table.state->flows.insert(k, hash(k), target, kNow).flow;
      table.state->flows.touch(*flow, {.bytes = 100}, kNow);
      counters.target_flows[target].add(1);
    }
  }
  // Where the flow of client n is, as "web/default/10.1.0.11"; "" when no table knows it.
  [[nodiscard]] std::string place_of(std::uint32_t n) const {
    const FlowKey k = flow_key(n);
    for (const auto& table : live.tables_of("")) {
      const Flow* flow = table.state->flows.peek(k, hash(k), kNow);
      if (!flow) continue;
      for (const auto& target : live.directory().targets) {
        if (target.id == flow->target) return table.service + '/' + table.group + '/' + target.dip.name;
      }
    }
    return {};
  }
  [[nodiscard]] std::uint64_t flows_on(const std::string& dip, const std::string& service = "web",
                                       const std::string& group = "default") const {
    return counters.target_flows[id_of(service, group, dip)].get();
  }
  [[nodiscard]] std::string state_of(const std::string& dip) const {
    for (const auto& target : live.directory().targets) {
      if (target.dip.name == dip) return std::string(maps::to_word(target.dip.state()));
    }
    return "absent";
  }

  static FlowKey flow_key(std::uint32_t n) {
    FlowKey key;
    key.source = IpAddress::v4(Big32(0xc6336400u + n));
    key.destination = IpAddress::v4(Big32(0xcb00710au));
    key.source_port.set(static_cast<std::uint16_t>(1024 + n % 60'000));
    key.destination_port.set(80);
    key.protocol = 6;
    return key;
  }

  static constexpr std::uint32_t kNow = 1'000'000;
  WorkerCounters counters;
  Predecessor predecessor;
  HashKey key;
  maps::Live live;
  std::unique_ptr<Publisher> publisher;

 private:
  [[nodiscard]] KeyedHash slot_hash() const { return KeyedHash(derive_secret(key, "test")); }
  [[nodiscard]] std::uint64_t hash(const FlowKey& k) const { return slot_hash()(k, HashFields::kFiveTuple); }
  [[nodiscard]] std::uint32_t id_of(const std::string& service, const std::string& group,
                                    const std::string& dip) const {
    for (const auto& target : live.directory().targets) {
      if (target.dip.name == dip && live.directory().groups[target.group].name == group &&
          live.directory().services[target.service].name == service) {
        return target.id;
      }
    }
    throw std::runtime_error("no " + dip);
  }
  maps::Live::Surroundings surroundings() {
    std::vector<maps::PortFacts> ports(1);
    ports[0].source4 = IpAddress::v4(Big32(0x0a00000a));
    return {.ports = ports,
            .path_to =
                [](const IpAddress&) {
                  return maps::Path{.resolved = true, .port = 0, .next_hop = {}, .why = {}};
                },
            .own_addresses = [] { return std::vector<IpAddress>{}; },
            .toeplitz = ToeplitzKey(key),
            .slot_hash = slot_hash(),
            .observer = [](unsigned) { return FlowObserver{}; },
            .flows_of_target = [this](std::uint32_t target) { return counters.target_flows[target].get(); }};
  }
};

}  // namespace sluice::restart::test
