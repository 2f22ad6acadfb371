// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// JSON results for people: aligned tables and records. Units come out of the field names that carry them
// (`uptime_s`, `rx_bytes`), so a field that a server adds is shown rightly by a client that never heard of
// it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "control/ctl/command.h"

namespace sluice::ctl {

// What a command prints for its result, ending in a newline. Never throws over the result's shape: what does
// not fit the view is shown by the generic rendering.
std::string render(const View& view, const nlohmann::json& result);

// Any JSON: objects as records, arrays of objects as tables of all their keys, the rest as words.
std::string render_any(const nlohmann::json& value);

// Lines of `keys`, aligned, numbers to the right, two blanks between columns. `rows` is an array of objects;
// a missing field is "-".
std::string render_table(const std::vector<std::string>& keys, const nlohmann::json& rows);

// "rx_packets" -> "rx packets", "uptime_s" -> "uptime", "busy_percent" -> "busy".
std::string title_of(const std::string& key);

// One value as its key's unit asks: bytes as 1.5 MiB, seconds as 2 h 5 min, rates as 1.24 M/s, counts with
// thousands separated, names and numbers that name (ports, slots) as they are.
std::string format_value(const std::string& key, const nlohmann::json& value);

// Control characters as '?': a server's text must not move the terminal's cursor. Keeps newline and tab if
// asked.
std::string harmless(const std::string& text, bool keep_lines = false);

// Columns that the text takes on a terminal, counted as one per UTF-8 character.
std::size_t width_of(const std::string& text);

}  // namespace sluice::ctl
