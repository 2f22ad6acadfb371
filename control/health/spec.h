// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What to ask of whom: a probe as plain values, made from a service's health section and one DIP. Probes with
// equal values are one probe, whichever services asked for it. Pure.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>

#include "control/config/model.h"

namespace sluice::health {

inline constexpr std::uint16_t kAgentPort = 9110;  // of `agent`, when no port is given

struct Spec {
  config::HealthType type = config::HealthType::kNone;
  IpAddress address;
  std::uint16_t port = 0;       // 0 for icmp
  std::string path, host;       // http, https, agent
  std::string expect, payload;  // bytes; payload: what udp and agent-check send
  bool persistent = false;      // http, https, agent
  std::chrono::milliseconds interval{2000}, timeout{1000};
  // Of a probe that takes the clients' way: whose way, and where to. Else empty.
  config::ProbeWay through = config::ProbeWay::kDip;
  IpAddress vip = {};
  std::string service = {}, dip = {};
  std::uint16_t fill_bytes = 0;  // http, https: so much longer is the request, to fill packets
  std::uint16_t segment_bytes =
      0;                   // of TCP, at most, for a request that is filled. 0: a client's by Ethernet
  bool keep_body = false;  // agent: the status is wanted as it came
  friend auto operator<=>(const Spec&, const Spec&) = default;
};

// Figures that a kind of probe does not look at are left empty, so that more of them are equal.
Spec spec_of(const config::Service& service, const config::Dip& dip);

// "http 10.1.0.11:80/healthz", "icmp 10.1.0.11".
std::string describe(const Spec& spec);

// What a text of the configuration stands for: "0x" and an even number of hexadecimal digits are bytes,
// anything else is itself.
std::string bytes_of(const std::string& text);

}  // namespace sluice::health
