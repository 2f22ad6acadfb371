// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What is wrong with a configuration: where, what, and what would be right, in one sentence.
#pragma once

#include <string>

namespace sluice::config {

struct Problem {
  std::string file;   // as the operator named it; "" when the model did not come from a file
  unsigned line = 0;  // from 1; 0 = the whole file, or no file
  std::string what;   // "what is wrong; what would be right"
  friend bool operator==(const Problem&, const Problem&) = default;
};

// "FILE:LINE: what", "FILE: what" for a whole file, "what" without one.
std::string to_string(const Problem& problem);

}  // namespace sluice::config
