// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The agent's configuration: what the operator of one server decides. Read with the same tables of keys as
// the appliance's file (control/config/key.h), so errors look alike. Pure: nothing of the machine is touched.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control/config/address_port.h"
#include "control/config/model.h"
#include "dataplane/wire/address.h"

namespace sluice::agent {

using config::AddressPort;
using config::Protocol;

// One use of a VIP. Ports are in host byte order.
struct Service {
  Protocol protocol = Protocol::kAny;
  std::uint16_t port = 0;      // as clients see it; 0 = every port
  std::uint16_t dip_port = 0;  // where the server listens; 0 = on `port`, nothing is translated
  [[nodiscard]] std::uint16_t local_port() const { return dip_port != 0 ? dip_port : port; }
  friend bool operator==(const Service&, const Service&) = default;
};

struct Vip {
  Prefix prefix;                  // a host prefix but for VIPs that are whole subnets
  std::vector<Service> services;  // at least one
  friend bool operator==(const Vip&, const Vip&) = default;
};

struct Url {  // http://ADDRESS[:PORT]/PATH
  AddressPort server;
  std::string host;  // as written, for the Host field
  std::string path;  // with query
  friend bool operator==(const Url&, const Url&) = default;
};

// An HTTP GET to a server on this machine that decides whether /healthz carries the magic word.
struct HealthCheck {
  Url url;
  std::string expect;  // must be in the body; "" = any body
  unsigned interval_ms = 2000;
  unsigned timeout_ms = 1000;
  unsigned failures = 3;  // in a row, until the server counts as ill
  friend bool operator==(const HealthCheck&, const HealthCheck&) = default;
};

enum class Decapsulation : std::uint8_t { kAuto, kCompatible };

struct Config {
  std::vector<std::string> interfaces;
  std::vector<Vip> vips;  // no prefix twice
  AddressPort listen;
  std::string magic = "sluice-ok";
  std::uint16_t gue_port = 6080;      // 0 = no GUE
  bool clamp_mss = true;              // off: replies keep the MSS that the kernel chose
  unsigned mtu_overhead_bytes = 48;   // outer IPv6 (40) + UDP (8)
  unsigned advertised_mtu_bytes = 0;  // inner packet that clients may send; 0 = interface MTU - overhead
  std::optional<HealthCheck> health;
  std::vector<std::string> drain_hook;  // program and its arguments; one more is the event. Empty: none
  unsigned drain_hook_timeout_s = 10;
  std::vector<Prefix> muxes;  // who may POST /drain and /undrain
  bool muxes_on_link = true;  // whoever is on a link of `interfaces` may as well
  unsigned leave_s = 0;       // how long SIGTERM waits for connections to end
  Decapsulation decapsulation = Decapsulation::kAuto;
  std::uint16_t tc_priority = 10;
  std::string state;  // path of the ledger; "" = one for each network namespace, below /run
  std::string capabilities = "auto";  // what it keeps after the start: words, config/capabilities.h
  config::Seccomp seccomp = config::Seccomp::kKill;
  std::string log_level = "info";
  friend bool operator==(const Config&, const Config&) = default;
};

struct Parsed {
  std::optional<Config> config;     // not there when there are errors
  std::vector<std::string> errors;  // "FILE:LINE: what is wrong; what would be right"
};

Parsed read_config(const std::string& path);
// The same of a text; `name` stands for the file in errors.
Parsed read_config_text(std::string_view text, const std::string& name);

// The value of the key `muxes`, as it would be written.
std::string print_muxes(const Config& config);

// The keys as Markdown tables, for docs/agent.md.
std::string config_reference();

}  // namespace sluice::agent
