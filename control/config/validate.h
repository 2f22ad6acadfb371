// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The rules that a model keeps, whether it came from a file or a live command changed it.
#pragma once

#include <vector>

#include "control/config/model.h"
#include "control/config/problem.h"

namespace sluice::config {

// All that is wrong with `model`; empty when it may run. The problems name no file and no line: parse.h adds
// them for a model that it read. Cost: linear in services and DIPs (times the number of distinct VIP
// lengths).
std::vector<Problem> validate(const Model& model);

}  // namespace sluice::config
