// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Tier 1's maps under way, as a worker asks them: at most kMostOlderMaps, oldest first. When there are more,
// they are laid on each other: what counts is not which map named a group, but which groups a slot has had.
// Most slots have had one or two, whatever the number of changes. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/table/slot_map.h"
#include "dataplane/table/snapshot.h"

namespace sluice::maps {

struct Layers {
  std::vector<std::shared_ptr<const SlotMap>> maps;  // as `older`, or layers made of them
  std::uint32_t slots_given_up = 0;                  // that have had more groups than there are layers
};

// `older`: oldest first, all of the size of `newest`. The first layer is the first map: flows that no table
// knows follow it. Of a slot with too many groups the youngest are kept.
Layers layers_of(const std::vector<std::shared_ptr<const SlotMap>>& older, const SlotMap& newest,
                 std::size_t most = kMostOlderMaps);

}  // namespace sluice::maps
