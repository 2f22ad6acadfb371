// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The text of a configuration before its grammar: files joined by @include into one text, comments taken out,
// every row of it traceable to a file and a line. What libconfig would misread in silence is settled here:
// whole numbers beyond 32 bits (it wraps them), a comment or quotation that never ends, a directory as
// include (it ends the process); grammar.h sees every token.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/config/grammar.h"
#include "control/config/problem.h"

namespace sluice::config {

struct Source {
  std::string text;                // without comments; all whole numbers are decimal with the suffix L
  std::vector<std::string> files;  // the first is the one that was asked for
  std::vector<Origin> rows;        // where each row of `text` comes from

  // Where row `row` (from 1) of `text` was written; a row beyond the end is the last one, 0 no line at all.
  [[nodiscard]] Origin origin(unsigned row) const;
  [[nodiscard]] Problem problem(unsigned row, std::string what) const;
};

inline constexpr unsigned kMaxIncludeDepth = 10;
inline constexpr std::size_t kMaxSourceBytes = std::size_t{64} << 20;

// Both fill `source` up to the first problem, which they return.
std::optional<Problem> gather_file(const std::string& path, Source& source);
std::optional<Problem> gather_text(std::string_view text, const std::string& name, Source& source);

}  // namespace sluice::config
