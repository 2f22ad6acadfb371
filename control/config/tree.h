// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A configuration as plain values: what a libconfig text, or a JSON object, says before anyone asks what it
// means. Only tree.cc knows libconfig.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control/config/problem.h"
#include "control/config/source.h"

namespace sluice::config {

struct Node {
  enum class Kind : std::uint8_t { kNumber, kFraction, kBoolean, kText, kList, kGroup };
  Kind kind = Kind::kGroup;
  std::string key;             // in a group; "" in a list
  std::string text;            // of kText
  std::int64_t number = 0;     // of kNumber, and 0 or 1 of kBoolean
  unsigned row = 0;            // of the source, from 1; 0 = not from a text
  std::vector<Node> children;  // of kList and kGroup

  // The child with that key, or nullptr.
  [[nodiscard]] const Node* find(std::string_view wanted) const;
};

// "a number", "text", …: for sentences.
std::string_view to_word(Node::Kind kind);

// Parses `source.text`. Without a value, `problem` says why.
std::optional<Node> read_tree(const Source& source, std::optional<Problem>& problem);

}  // namespace sluice::config
