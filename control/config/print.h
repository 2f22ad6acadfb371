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

// The same for eyes that may not see the hash key: it is left out, and a comment says so. Whoever knows the
// key can aim every flow at one server (docs/decisions.md).
std::string to_text_without_secrets(const Model& model);

}  // namespace sluice::config
