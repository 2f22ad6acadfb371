// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// One typed word into the JSON value that its kind of argument travels as.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "control/ctl/command.h"

namespace sluice::ctl {

// Throws UsageError with a sentence that begins with `label` ("SERVICE", "--weight") and says what would be
// right.
nlohmann::json value_of(Kind kind, const std::string& label, const std::string& word);

}  // namespace sluice::ctl
