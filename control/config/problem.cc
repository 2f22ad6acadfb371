// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/problem.h"

namespace sluice::config {

std::string to_string(const Problem& problem) {
  std::string text = problem.file;
  if (problem.line != 0) text += ':' + std::to_string(problem.line);
  return text.empty() ? problem.what : text + ": " + problem.what;
}

}  // namespace sluice::config
