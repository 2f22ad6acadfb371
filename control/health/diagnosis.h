// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The probe doctor's judgement: what was seen on one walk from here to a DIP and back, and what that says.
// Where several causes look the same from here, it says "one of". Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/health/report.h"
#include "dataplane/wire/address.h"

namespace sluice::health {

// What an agent's /status says of the way that packets take on its server (docs/agent.md).
struct AgentFacts {
  std::string state;                    // "alive", "draining", ...
  bool vip_known = false;               // it decapsulates for the VIP
  std::optional<bool> held{};           // the VIP is an address of the server now
  std::optional<unsigned> rp_filter{};  // the strictest of the interfaces that tunnel packets come in by
  std::uint64_t rx_packets = 0, tx_packets = 0;  // decapsulated for the VIP; sent from it
  std::uint64_t other_tunnel = 0, bad_tunnel = 0, outer_fragment = 0;
};

// Nothing when the body is no such status.
std::optional<AgentFacts> read_agent_facts(std::string_view body, const IpAddress& vip);

// An ICMP error that came while the tunnel was tried.
struct Refusal {
  IpAddress from;
  std::uint8_t type = 0, code = 0;
  bool about_tunnel = false;  // about the outer packet, which went to the DIP; else about the inner one
  std::uint32_t mtu = 0;
};

struct Observations {
  std::string dip, vip;  // as the operator knows them; the VIP with its port
  IpAddress dip_address, vip_address;
  // The way there.
  bool resolved = false;
  std::string path;    // in words of the kernel's tables
  std::string no_way;  // why no probe can take the clients' way; "" when it can
  // Straight to the server.
  Answer ping;
  std::optional<Answer> direct{};               // the service's own question at the server's own address
  std::optional<AgentFacts> before{}, after{};  // the tunnel was tried; `after` only where it failed
  std::string agent;                            // what became of asking it, when there is no `before`
  // Through the tunnel. What is absent was not tried.
  std::optional<Answer> tunnel{};  // the connection, or the one datagram
  std::optional<Answer> answer{};  // the service's question
  std::optional<Answer> large{};   // the same with a request that fills packets
  std::optional<Answer> cut_up{};  // where that was silent: the same request in small packets
  std::string no_question{};       // why only the connection can be tried; "" when there is more to ask
  // Seen on the kernel's interface meanwhile.
  std::string blind;  // why nothing could be seen; "" when it could
  bool sent = false, returned = false, reset = false;
  std::optional<IpAddress> stranger{};  // an answer came from this address in place of the VIP
  std::optional<Refusal> refusal{};
  unsigned own_rp_filter = 0;  // of that interface
};

struct Step {
  std::string name;
  std::optional<bool> ok;  // absent: not tried, or nothing to be concluded
  std::string text;
};

struct Diagnosis {
  bool well = false;
  // Not well, and nothing is said against the DIP: the trouble is this MUX's own, or the clients' way could
  // not be tried.
  bool unclear = false;
  bool unable = false;  // so because a question could not be asked, for want of our own means: perhaps later
  std::string verdict;  // one sentence
  std::vector<Step> steps;
};

Diagnosis diagnose(const Observations& seen);

}  // namespace sluice::health
