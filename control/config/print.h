// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The model as a file that can be loaded again (`config show`).
#pragma once

#include <string>

#include "control/config/model.h"

namespace sluice::config {

// libconfig text that parses back to an equal model. Every key is written, defaults too, but for optional
// values that were not given; no comments, no includes.
std::string to_text(const Model& model);

}  // namespace sluice::config
