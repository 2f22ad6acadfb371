// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What an agent says of its server, as far as it can be believed: every figure has bounds, and one that is
// absent, of a wrong type or out of its bounds is as if it had not been said. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/health/machine.h"
#include "dataplane/wire/address.h"

namespace sluice::health {

enum class Life : std::uint8_t { kAlive, kDraining, kLeaving, kJoining, kRestarting };  // B7
std::string_view to_word(Life life);

struct Report {
  Life life = Life::kAlive;
  std::optional<std::uint64_t> connections = {};    // to 10^9
  std::optional<double> load_1min = {};             // to 10^5
  std::optional<unsigned> cpus = {};                // 1 to 65536
  std::optional<double> cpu_busy_percent = {};      // 0 to 100
  std::optional<double> cpu_busy_10s_percent = {};  // the same, smoothed by the agent
  std::optional<double> memory_used_percent = {};   // 0 to 100
  std::optional<double> temperature_c = {};         // -50 to 200
  std::optional<double> weight_percent = {};        // 0 to 256: of the configured weight, from agent-check
  struct Vip {
    Prefix address;
    std::optional<std::uint64_t> connections = {};  // to 10^9
    std::optional<double> rx_pps = {};              // to 10^10: packets that came for it, smoothed
  };
  std::vector<Vip> vips = {};  // at most kMostVips, each once
};
inline constexpr std::size_t kMostVips = 1024;

// What one answer comes to.
struct Answer {
  Judgement judgement = Judgement::kNone;
  std::string text;
  std::optional<Report> report = {};
  bool refused = false;   // the connection was
  bool heard = false;     // the peer's program answered, whatever it said (http, https, agent, udp)
  bool silent = false;    // nothing came in time; set by who keeps the time
  std::string body = {};  // of an agent, where it was asked to be kept
};

inline constexpr std::size_t kLongestStatus = 256 * 1024;  // bytes; about 300 VIPs of sluice-agent

// The body of `/status` of sluice-agent (docs/agent.md): JSON, of which `state`, `healthy`, `health`,
// `connections`, `load.average_1min`, `cpu`, `memory`, `temperature_c` and `vips` are read. Good when the
// state is alive, draining, leaving or joining and `healthy` is not false; a restarting server does not
// serve.
Answer read_status(std::string_view body);

inline constexpr std::size_t kLongestAgentCheck = 256;  // bytes; HAProxy reads no more than its buffer either

// One line of HAProxy's agent-check (its configuration manual, "agent-check"): words apart by blanks, tabs or
// commas. `75%` is a weight; `up`, `ready` are good; `down`, `stopped`, `failed`, `fail`, `maint` are bad,
// with an optional `#reason`; `drain` is good and draining; `maxconn:N` and words that are not known mean
// nothing.
Answer read_agent_check(std::string_view line);

// A stranger's text on one line: at most `longest` bytes, control characters and what is no ASCII as '?'.
std::string one_line(std::string_view text, std::size_t longest = 100);

}  // namespace sluice::health
