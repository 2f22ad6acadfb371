// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/maps/older_maps.h"

#include <algorithm>

namespace sluice::maps {

Layers layers_of(const std::vector<std::shared_ptr<const SlotMap>>& older, const SlotMap& newest,
                 std::size_t most) {
  if (older.size() <= most) return {.maps = older};
  Layers out;
  std::vector<std::vector<std::uint16_t>> layers(most, std::vector<std::uint16_t>(newest.size(), kNoMember));
  std::vector<std::uint16_t> had;  // by one slot besides the first map's group, oldest first
  for (std::uint32_t slot = 0; slot < newest.size(); ++slot) {
    const std::uint16_t first = (*older[0])[slot];
    had.clear();
    for (std::size_t n = 1; n < older.size(); ++n) {
      const std::uint16_t group = (*older[n])[slot];
      if (group == kNoMember || group == first) continue;
      // A flow may have begun under the youngest map that named the group.
      std::erase(had, group);
      if (group != newest[slot]) had.push_back(group);
    }
    out.slots_given_up += had.size() > most - 1;
    const std::size_t skipped = had.size() > most - 1 ? had.size() - (most - 1) : 0;
    layers[0][slot] = first;
    for (std::size_t n = skipped; n < had.size(); ++n) layers[n - skipped + 1][slot] = had[n];
  }
  for (auto& layer : layers) out.maps.push_back(std::make_shared<const SlotMap>(std::move(layer)));
  return out;
}

}  // namespace sluice::maps
