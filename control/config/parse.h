// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// From a libconfig file to a valid model, or to every reason why there is none (F4, "Bad input").
// The text is read into a tree (tree.h), the tables of keys.h turn the tree into a model, and validate.h
// judges the model by the rules that span several values. The same tables print a model and write the
// reference in docs/configuration.md, so a key is described once.
//
// Everything here may be called from any thread, keeps nothing, and throws nothing but std::bad_alloc.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/config/model.h"
#include "control/config/problem.h"
#include "control/config/tree.h"

namespace sluice::config {

struct Result {
  std::optional<Model> model;  // only when there is no problem
  std::vector<Problem>
      problems;  // in the order of the text: all of them, but only the first against the grammar
};

// Reads `path`. An @include names a file relative to the one that holds it; at most 10 deep, 64 MiB in all.
Result parse_file(const std::string& path);

// The same for text in memory; `name` stands for the file in problems. The text may come from a stranger, so
// @include is refused: it would read files with the rights of this process.
Result parse_text(std::string_view text, const std::string& name);

// One service from a tree with the keys of the file, for `service add`: its text comes from a socket, not
// from a file. Checks what a single service can be checked for; add_service (edit.h) does the rest.
std::optional<Service> read_service(const Node& node, std::string& error);

}  // namespace sluice::config
