// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// While tier 1 moves slots from group to group, flows stay in the table of the group that they began in, and
// are found there by the older maps. When no such flow is left, control can forget those maps; until then it
// must not. So the owner of each table counts them, a slice at a time.
#pragma once

#include <cstdint>

#include "dataplane/table/snapshot.h"

namespace sluice {

// Looks at the next `budget` entries of the table of group `group`, which has a state and belongs to the
// calling worker; at the end of a walk writes what it found to GroupState::strays. Nothing when tier 1 has no
// older maps. Cost: a Toeplitz hash for each flow.
void count_strays(const Snapshot& tables, std::uint32_t group, std::uint32_t budget) noexcept;

}  // namespace sluice
