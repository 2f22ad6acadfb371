// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The agent's configuration: what the operator of one server decides. The file is libconfig; docs/agent.md
// describes every key. Reading is pure: nothing of the machine is touched or asked.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/wire/address.h"

namespace sluice::agent {

// One use of a VIP. Ports are in host byte order.
struct Service {
  std::uint8_t protocol = 0;   // IPPROTO_TCP, _UDP, _SCTP; 0 = any
  std::uint16_t port = 0;      // as clients see it; 0 = every port
  std::uint16_t dip_port = 0;  // where the server listens; 0 = on `port`, nothing is translated
  friend bool operator==(const Service&, const Service&) = default;
};

struct Vip {
  Prefix prefix;                  // a host prefix but for VIPs that are whole subnets
  std::vector<Service> services;  // at least one
  friend bool operator==(const Vip&, const Vip&) = default;
};

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// An HTTP GET to a server on this machine that decides whether /healthz carries the magic word.
struct HealthCheck {
  Endpoint server;
  std::string host;    // of the URL, for the Host field
  std::string path;    // with query
  std::string expect;  // must be in the body; "" = any body
  std::chrono::milliseconds interval{2000};
  std::chrono::milliseconds timeout{1000};
  unsigned failures = 3;  // in a row, until the server counts as ill
  friend bool operator==(const HealthCheck&, const HealthCheck&) = default;
};

struct Config {
  std::vector<std::string> interfaces;
  std::vector<Vip> vips;
  Endpoint listen;
  std::string magic = "sluice-ok";
  std::uint16_t gue_port = 6080;          // 0 = no GUE
  bool clamp_mss = true;                  // off: replies keep the MSS that the kernel chose
  unsigned mtu_overhead_bytes = 48;       // outer IPv6 (40) + UDP (8)
  unsigned advertised_mtu_bytes = 0;      // inner packet that clients may send; 0 = interface MTU - overhead
  bool compatible_decapsulation = false;  // the way of kernels before 6.3, on any kernel
  std::uint16_t tc_priority = 10;
  std::string state_file;  // "" = one for each network namespace, below /run
  std::string drain_hook;  // program run with "draining" or "alive" when that changes; "" = none
  std::string log_level = "info";
  std::optional<HealthCheck> health;
  friend bool operator==(const Config&, const Config&) = default;
};

struct Parsed {
  Config config;
  std::vector<std::string> errors;  // "FILE:LINE: what, what would be right"; config is good when empty
};

// Reads and validates. `path` is used in the errors as given.
Parsed read_config(const std::string& path);

// "10.1.0.11:9110", "[2001:db8::1]:9110".
std::optional<Endpoint> parse_endpoint(std::string_view text);

}  // namespace sluice::agent
