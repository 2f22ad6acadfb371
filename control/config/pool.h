// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Which member of the pool this MUX is. Pure; any thread.
#pragma once

#include <optional>
#include <string>

#include "control/config/model.h"

namespace sluice::config {

// The name in pool.member, else of the only member whose address a port has; nothing when there is no such.
std::optional<std::string> self_of(const Model& model);

}  // namespace sluice::config
