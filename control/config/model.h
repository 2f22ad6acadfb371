// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The model: everything an operator decides, as plain values. The file, the command line and (later) the
// cluster manager all speak it; `diff` compares two of them; control/maps turns one into a snapshot.
// Times and sizes carry their unit in the name; optional text is empty when not given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/wire/address.h"
#include "dataplane/wire/flow_key.h"

namespace sluice::config {

// The most of each that the dataplane has counters for (dataplane/door/counters.h; main.cc holds the two
// equal).
namespace limits {
inline constexpr std::size_t kPorts = 16, kWorkers = 64, kServices = 1u << 16, kDips = 1u << 20, kIips = 256,
                             kPoolIips = 48, kPoolMembers = 16;
}

inline constexpr char kBesideTheSocket[] = "auto";  // Control::state_file
enum class OnStall : std::uint8_t { kExit, kAbort, kLog };
enum class OnStop : std::uint8_t { kWithdraw, kKeep };
enum class Seccomp : std::uint8_t { kKill, kLog, kOff };

struct Control {
  std::string socket = "/run/sluice/sluice.sock";
  std::string socket_group;  // who may read; "" = the process's own group
  unsigned socket_mode = 0660;
  std::string admin_group;                    // who, besides root, may change; "" = nobody else
  std::string metrics;                        // ADDRESS:PORT; "" = no endpoint
  std::string state_file = kBesideTheSocket;  // for the next process; "" = none
  std::string log_level = "info";             // trace, debug, info, warn, error
  std::vector<std::string> fence_command =
      {};  // what is run when somebody else defends an IIP (A6); no shell
  // Where the routes of the VIPs are put for a routing daemon to find (A5), and the mark that makes them
  // ours.
  std::uint32_t route_table = 202;  // 0 = no routes
  std::uint8_t route_protocol = 202;
  unsigned leave_ms = 0;  // from the withdrawal of all routes to the end of forwarding
  unsigned stall_s = 5;   // a worker that has not turned for so long is stuck; 0 = nobody looks
  OnStall on_stall = OnStall::kExit;
  std::string user;                   // whom the process becomes after its start; "" = nobody else
  std::string capabilities = "auto";  // what it keeps then: words, config/capabilities.h
  OnStop on_stop = OnStop::kWithdraw;
  Seccomp seccomp = Seccomp::kKill;  // what becomes of system calls that are not on the list
  friend bool operator==(const Control&, const Control&) = default;
};

struct InterfaceAddress {  // an address with the length of its subnet; host bits are kept
  IpAddress address;
  std::uint8_t prefix_length = 0;
  friend bool operator==(const InterfaceAddress&, const InterfaceAddress&) = default;
};

struct Port {
  std::string name;
  std::string device;                       // PCI address or vdev with its arguments
  std::vector<InterfaceAddress> addresses;  // the MUX's own
  std::optional<IpAddress> gateway, gateway6;
  std::optional<MacAddress> gateway_mac;  // skips resolution, needs no kernel
  std::uint16_t mtu = 1500;               // of the IP packet, without Ethernet header
  std::uint16_t vlan = 0;                 // 0 = untagged
  std::string kernel_interface;           // name of the TAP; "" = no exception path
  std::uint16_t queues = 0;               // 0 = one for each tier-1 worker
  friend bool operator==(const Port&, const Port&) = default;
};

struct Worker {
  unsigned lcore = 0;
  bool tier1 = true, tier2 = true;
  friend bool operator==(const Worker&, const Worker&) = default;
};

enum class Idle : std::uint8_t { kAdaptive, kBusy };
enum class FlowMemory : std::uint8_t { kAsNeeded, kAtOnce };

struct Dataplane {
  std::vector<std::string> eal;
  Idle idle = Idle::kAdaptive;
  std::vector<std::uint8_t> hash_key;  // 40 bytes, or empty: a random one at start
  std::uint32_t slots = 65537;         // per VipMap, a prime
  std::uint32_t flows = 4u << 20;  // entries of all flow tables; groups without their own figure share them
  FlowMemory flow_memory = FlowMemory::kAsNeeded;
  std::uint32_t buffers = 0;  // packet buffers (mbufs); 0 = computed from ports and workers
  std::vector<Port> ports;
  std::vector<Worker> workers;
  friend bool operator==(const Dataplane&, const Dataplane&) = default;
};

enum class Protocol : std::uint8_t {
  kAny = 0,
  kIcmp = 1,
  kTcp = 6,
  kUdp = 17,
  kEsp = 50,
  kAh = 51,
  kSctp = 132
};
enum class Stickiness : std::uint8_t { kFlow, kNone };
enum class Scheduler : std::uint8_t {
  kHash,
  kRoundRobin,
  kRandom,
  kWeightedRoundRobin,
  kWeightedRandom,
  kLeastFlows,
  kLeastLoad
};
enum class Encapsulation : std::uint8_t { kIpIp, kGue };
enum class OuterSource : std::uint8_t { kMux, kClient, kPrefix };
enum class FlowTypes : std::uint8_t { kBoth, kType1, kType2 };              // B5
enum class FlowStart : std::uint8_t { kHandshake, kGtpC, kRadius, kDhcp };  // B3, B15
enum class UnknownFlow : std::uint8_t { kHash, kDrop, kReset };
enum class Announce : std::uint8_t { kLive, kAlways, kNever };  // A5
enum class AtDeadline : std::uint8_t { kTimeout, kReset, kKeep };
enum class Weights : std::uint8_t { kConfigured, kAdaptive };
enum class HealthType : std::uint8_t { kNone, kIcmp, kTcp, kHttp, kHttps, kUdp, kAgent, kAgentCheck };

// Which way a probe goes: to the server's own address, or to the VIP as a client's packet does (A9).
enum class ProbeWay : std::uint8_t { kDip, kVip };

// What a new DIP needs before its first packet: a good probe, or with it the doctor's walk of the whole way
// (A9).
enum class Admit : std::uint8_t { kDoctor, kProbe };

struct Dip {
  IpAddress address;
  std::uint16_t port = 0;    // reported to the agent; 0 = the VIP's port
  std::uint32_t weight = 1;  // 0 = no new slots
  unsigned line = 0;         // where the file names it; 0 = not from a file. Not compared.
  friend bool operator==(const Dip& a, const Dip& b) {
    return a.address == b.address && a.port == b.port && a.weight == b.weight;
  }
};

// DIPs that several groups and services share (A1): one place to add, weigh and drain them.
struct DipList {
  std::string name;
  std::vector<Dip> dips;
  friend bool operator==(const DipList&, const DipList&) = default;
};

struct Group {
  std::string name;
  std::uint32_t weight = 0;  // tier-1 share; 0 = the sum of its DIPs' weights
  std::vector<Dip> dips;     // its own, or a copy of those of `dip_list` (dip_lists.h)
  std::optional<unsigned> worker =
      std::nullopt;           // lcore of the tier-2 worker that owns it; none: Sluice's choice
  std::string dip_list = {};  // "" = dips of its own
  friend bool operator==(const Group&, const Group&) = default;
};

struct Health {
  HealthType type = HealthType::kNone;
  std::uint16_t port = 0;  // 0 = the service's port
  std::string path = "/", host = {}, expect = {};
  unsigned interval_ms = 2000, timeout_ms = 1000, failures = 3, successes = 2;
  std::string payload = {};  // what udp and agent-check send
  bool persistent = false;   // one connection for many probes
  bool panic = true;         // all DIPs dead at once: the last good ones stay
  ProbeWay through = ProbeWay::kDip;
  Admit admit = Admit::kDoctor;
  friend bool operator==(const Health&, const Health&) = default;
};

struct Transition {
  unsigned deadline_s = 300;
  AtDeadline at_deadline = AtDeadline::kTimeout;
  friend bool operator==(const Transition&, const Transition&) = default;
};

struct Timeouts {                                                 // how long a silent flow is remembered
  std::uint32_t syn_s = 10, established_s = 900, closing_s = 30;  // TCP, as seen from the client's side
  std::uint32_t udp_s = 60, other_s = 60;
  friend bool operator==(const Timeouts&, const Timeouts&) = default;
};

struct ElephantThreshold {  // a flow at or above either figure skips tier 2 (B11); 0 = never by this figure
  std::uint64_t bytes_per_s = 125'000'000, packets_per_s = 100'000;
  friend bool operator==(const ElephantThreshold&, const ElephantThreshold&) = default;
};

struct Load {  // how far, and how fast, the servers' load may change what the operator wrote (B7, B10)
  unsigned lowest_percent = 25, highest_percent = 400;  // of a configured weight
  unsigned interval_s = 10;                             // from change to change
  unsigned group_difference_percent = 25;  // of utilisation, between groups, before a DIP is lent
  unsigned group_interval_s = 60;          // from DIP to DIP
  unsigned group_least_dips = 2;           // that a group keeps, up
  friend bool operator==(const Load&, const Load&) = default;
};

struct Service {
  std::string name;
  Prefix vip;  // a host prefix, or a whole prefix as one service
  Protocol protocol = Protocol::kTcp;
  std::uint16_t port = 0;  // 0 = every port
  Stickiness stickiness = Stickiness::kFlow;
  HashFields hash_fields = HashFields::kFiveTuple;
  Scheduler scheduler = Scheduler::kHash;
  Encapsulation encapsulation = Encapsulation::kIpIp;
  std::uint16_t gue_port = 6080;  // destination port of Encapsulation::kGue
  OuterSource outer_source = OuterSource::kMux;
  std::optional<Prefix> outer_prefix4, outer_prefix6;  // for OuterSource::kPrefix, per outer family
  std::vector<Group> groups;  // `dips = (…)` in the file becomes one group named "default"
  Health health;
  Announce announce = Announce::kLive;
  Transition transition;
  UnknownFlow unknown_flow = UnknownFlow::kHash;
  FlowTypes flow_types = FlowTypes::kBoth;
  HashFields flow_key = HashFields::kFiveTuple;  // what tells flows apart; at least hash_fields
  FlowStart flow_start = FlowStart::kHandshake;
  std::uint32_t flows = 0;  // entries of each group's flow table, per address family; 0 = a share
  Timeouts timeouts;
  ElephantThreshold elephant;
  Weights weights = Weights::kConfigured;
  bool balance_groups = false;
  Load load;
  unsigned line = 0;  // not compared
  friend bool operator==(const Service& a, const Service& b);
};

struct Iip {  // an address that routers send to; the MUX that has it answers for it on the wire (A6)
  InterfaceAddress address;       // prefix_length 0 = not given: see place_of() in iip.h
  std::string port;               // "" = found by the address
  std::uint32_t probe_ms = 200;   // between two questions whether anybody has it
  std::uint32_t announce_s = 60;  // between two announcements, for ever
  std::string home = {};          // the member of the pool that takes it when nobody has it; "" = any
  unsigned line = 0;              // not compared
  friend bool operator==(const Iip& a, const Iip& b) {
    return a.address == b.address && a.port == b.port && a.probe_ms == b.probe_ms &&
           a.announce_s == b.announce_s && a.home == b.home;
  }
};

struct PoolMember {
  std::string name;
  IpAddress address;  // that adverts go to and come from
  std::uint32_t priority = 100;
  friend bool operator==(const PoolMember&, const PoolMember&) = default;
};

struct Pool {        // MUXes that take over each other's IIPs (A9, A10)
  std::string name;  // "" = no pool
  std::string secret;
  std::string member;         // which one this MUX is; "" = the one whose address a port has
  std::uint16_t port = 9108;  // UDP
  std::uint32_t advert_ms = 100;
  std::vector<PoolMember> members;
  std::uint32_t exchange_busy_percent = 0;  // A20; 0 = never
  std::uint32_t exchange_after_s = 10, exchange_pause_s = 300;
  std::uint32_t probe_ms = 500, probe_failures = 3;  // of the others' data paths; 0 = never
  friend bool operator==(const Pool&, const Pool&) = default;
};

struct Model {
  Control control;
  Dataplane dataplane;
  std::vector<DipList> dip_lists;
  std::vector<Service> services;
  std::vector<Iip> iips;
  Pool pool;
  friend bool operator==(const Model&, const Model&) = default;
};

inline bool operator==(const Service& a, const Service& b) {
  return a.name == b.name && a.vip == b.vip && a.protocol == b.protocol && a.port == b.port &&
         a.stickiness == b.stickiness && a.hash_fields == b.hash_fields && a.scheduler == b.scheduler &&
         a.encapsulation == b.encapsulation && a.gue_port == b.gue_port && a.outer_source == b.outer_source &&
         a.outer_prefix4 == b.outer_prefix4 && a.outer_prefix6 == b.outer_prefix6 && a.groups == b.groups &&
         a.health == b.health && a.announce == b.announce && a.transition == b.transition &&
         a.unknown_flow == b.unknown_flow && a.flow_types == b.flow_types && a.flow_key == b.flow_key &&
         a.flow_start == b.flow_start && a.flows == b.flows && a.timeouts == b.timeouts &&
         a.elephant == b.elephant && a.weights == b.weights && a.balance_groups == b.balance_groups &&
         a.load == b.load;
}

}  // namespace sluice::config
