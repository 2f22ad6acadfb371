// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A JSON value as a tree, so that commands may give services with the keys of the configuration file.
#pragma once

#include <limits>
#include <nlohmann/json.hpp>

#include "control/config/tree.h"

namespace sluice::config {

// null becomes an empty list and a number beyond 63 bits a fraction: no key takes either. What is nested
// deeper than any key needs is cut off.
inline Node from_json(const nlohmann::json& json, unsigned depth = 0) {
  Node node;
  node.kind = Node::Kind::kList;
  if (json.is_string()) {
    node.kind = Node::Kind::kText;
    node.text = json.get<std::string>();
  } else if (json.is_boolean()) {
    node.kind = Node::Kind::kBoolean;
    node.number = json.get<bool>() ? 1 : 0;
  } else if (json.is_number_unsigned() &&
             json.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    node.kind = Node::Kind::kFraction;
  } else if (json.is_number()) {
    node.kind = json.is_number_integer() ? Node::Kind::kNumber : Node::Kind::kFraction;
    if (json.is_number_integer()) node.number = json.get<std::int64_t>();
  } else if (json.is_object()) {
    node.kind = Node::Kind::kGroup;
  }
  if (!json.is_structured() || depth >= kMaxNesting) return node;
  for (const auto& item : json.items()) {
    node.children.push_back(from_json(item.value(), depth + 1));
    if (json.is_object()) node.children.back().key = item.key();
  }
  return node;
}

}  // namespace sluice::config
