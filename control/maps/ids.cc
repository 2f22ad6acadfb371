// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/maps/ids.h"

#include <utility>

namespace sluice::maps {

std::optional<std::uint32_t> Ids::find(const std::string& name) const {
  const auto at = used_.find(name);
  return at == used_.end() ? std::nullopt : std::optional(at->second);
}

std::optional<std::uint32_t> Ids::get(const std::string& name) {
  if (const auto known = find(name)) return known;
  std::uint32_t id = next_;
  if (next_ < limit_) {
    ++next_;
  } else if (!free_.empty()) {
    id = free_.front();
    free_.pop_front();
    reused_.insert(id);
  } else {
    return {};
  }
  used_.emplace(name, id);
  return id;
}

void Ids::keep_only(const std::set<std::string>& names) {
  for (auto at = used_.begin(); at != used_.end();) {
    if (names.contains(at->first)) {
      ++at;
    } else {
      free_.push_back(at->second);
      at = used_.erase(at);
    }
  }
}

std::set<std::uint32_t> Ids::take_reused() {
  return std::exchange(reused_, {});
}

}  // namespace sluice::maps
