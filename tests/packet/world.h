// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Snapshots built by hand, in words: what control would publish, made without control, so that a test of the
// dataplane depends on nothing else.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/table/snapshot.h"

namespace sluice::test {

inline constexpr std::string_view kMuxV4 = "10.0.0.10", kMuxV6 = "2001:db8:a::10";
inline constexpr std::string_view kServersMac = "02:00:00:00:00:fe";
inline constexpr unsigned kSlots = 251;
inline constexpr std::uint8_t kAnyProtocol = 0, kIcmp = 1, kTcp = 6, kUdp = 17, kEsp = 50, kAh = 51,
                              kIcmp6 = 58, kSctp = 132;
inline constexpr std::uint16_t kAnyPort = 0;

struct Way {  // how packets leave for the servers of a prefix
  std::string_view mac = kServersMac;
  unsigned port = 0, vlan = 0, mtu = 1500;
  bool resolved = true;
};

class ServicePlan {
 public:
  ServicePlan& group(std::vector<std::string> dips);  // once: the service's DIPs; again: one more group
  ServicePlan& down(std::string_view dip);
  ServicePlan& gue();
  ServicePlan& outer_source_client();
  ServicePlan& outer_source_prefix(std::string_view prefix);
  ServicePlan& hash(HashFields fields);
  // Each flow has an entry, and new ones go to the DIPs in turn. Worlds that are copies share the tables.
  ServicePlan& remembers_flows();
  ServicePlan& flows_are(HashFields fields);  // hashed so too
  ServicePlan& flows_start_by(FlowStart start, std::uint16_t port);
  ServicePlan& only_type1(UnknownFlow unknown);

  [[nodiscard]] const std::string& vip() const { return vip_; }
  [[nodiscard]] std::vector<std::string> dips() const;  // all that are up

 private:
  friend class World;
  struct Dip {
    std::string address;
    bool up = true;
  };
  std::string vip_;
  std::uint8_t protocol_ = 0;
  std::uint16_t port_ = 0;
  std::vector<std::vector<Dip>> groups_;
  bool gue_ = false;
  OuterSourceKind source_ = OuterSourceKind::kFixed;
  std::string source_prefix_;
  HashFields hash_fields_ = HashFields::kFiveTuple, flow_key_ = HashFields::kFiveTuple;
  FlowStart flow_start_ = FlowStart::kHandshake;
  std::uint16_t control_port_ = 0;
  bool type2_ = true;
  UnknownFlow unknown_flow_ = UnknownFlow::kMap;
  std::shared_ptr<GroupState> state_;  // of all its groups
};

class World {
 public:
  // `vip`: an address or a prefix.
  ServicePlan& service(std::string_view vip, std::uint8_t protocol, std::uint16_t port);
  // The service that has exactly this VIP, to be changed; copies of this world stay as they are.
  ServicePlan& change(std::string_view vip);
  // DIPs inside `prefix` are reached so; the way named last wins. Without any: by port 0, MTU 1500.
  World& way(std::string_view prefix, Way way);
  World& own_address(std::string_view address);
  // Source of time-exceeded messages on this port.
  World& port_address(unsigned port, std::string_view address);
  // Whose packets to the kernel come before those of strangers.
  World& known_host(std::string_view address);
  World& own_subnet(std::string_view prefix);
  World& hash_key_byte(std::uint8_t value);  // another key: all 40 bytes of this value

  [[nodiscard]] std::unique_ptr<Snapshot> build(std::uint64_t generation = 1) const;
  [[nodiscard]] const std::deque<ServicePlan>& services() const { return services_; }
  // The service that has exactly this VIP and port.
  [[nodiscard]] const ServicePlan& service_at(std::string_view vip) const;
  // Of all services, in the order of their targets' counters.
  [[nodiscard]] std::vector<std::string> all_dips() const;

 private:
  std::uint16_t add_next_hop(Snapshot& snapshot, const std::string& dip) const;
  void add_service(Snapshot& snapshot, const ServicePlan& plan) const;

  std::deque<ServicePlan> services_;
  std::vector<std::pair<Prefix, Way>> ways_;
  std::vector<std::string> own_addresses_, known_hosts_, own_subnets_;
  std::vector<std::pair<unsigned, std::string>> port_addresses_;
  std::optional<std::uint8_t> key_byte_;
};

// The world of most fixtures: services of every kind, the clients' side and the servers' side on one port.
World town();
inline constexpr std::string_view kClient = "198.51.100.1", kClient6 = "2001:db8:c::1";
// VIPs of the town. TCP 80 unless the name says something else; the digits are outer and inner family.
inline constexpr std::string_view kWeb = "203.0.113.10", kWeb6 = "2001:db8:cb::10", k4In6 = "203.0.113.46",
                                  k6In4 = "2001:db8:cb::64", kDns = "203.0.113.53", kDns6 = "2001:db8:cb::53",
                                  kAnyPortVip = "203.0.113.20", kAnyProtocolVip = "203.0.113.21",
                                  kAnyProtocolVip6 = "2001:db8:cb::21", kEspVip = "203.0.113.22",
                                  kSctpVip = "203.0.113.23", kPingVip = "203.0.113.24",
                                  kAhVip = "203.0.113.25", kPrefixVip = "203.0.114.0/24",
                                  kDeadVip = "203.0.113.30", kLostVip = "203.0.113.31",
                                  kHalfDeadVip = "203.0.113.32", kGroupsVip = "203.0.113.33",
                                  kTaggedVip = "203.0.113.34", kNarrowVip = "203.0.113.35",
                                  kNarrowVip6 = "2001:db8:cb::35", kSourceHashVip = "203.0.113.36";

}  // namespace sluice::test
