// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The section of a state file that says what control knew: the hash key, the configuration that ran (commands
// may have changed it since its file was read), the transitions under way, who was down, and whose the flow
// tables are. JSON, so that a later version can add to it; times are relative to when it was written. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/maps/live.h"

namespace sluice::restart {

inline constexpr std::size_t kHashKeyBytes = 40;

// A group's flow table; its flows are the sections of the same number.
struct TableState {
  std::string service, group;
  std::uint64_t turn = 0, random = 1;            // of GroupState
  std::map<std::uint32_t, std::string> targets;  // the ids that its flows name -> DIP
};

struct ControlState {
  std::string program;  // the version that wrote it
  std::vector<std::uint8_t> hash_key;
  maps::Live::Past past;
  std::vector<TableState> tables;
  bool has_flows = true;  // false: there was no room for the tables' content
};

std::string encode(const ControlState& state, maps::Clock::time_point now);

struct Decoded {
  std::string program;
  std::vector<std::uint8_t> hash_key;
  std::optional<maps::Live::Past> past;  // nothing when the configuration of then cannot be read now
  std::string why;                       // then the reason
  std::vector<TableState> tables;
  bool has_flows = true;
};

// `elapsed`: since it was written. `ours`: the model that is to run; where its text is the same, nothing is
// parsed. Throws Refused with one sentence when the text is not what encode() writes.
Decoded decode(std::string_view text, const config::Model& ours, maps::Clock::time_point now,
               std::chrono::milliseconds elapsed);

}  // namespace sluice::restart
