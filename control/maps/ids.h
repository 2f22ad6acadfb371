// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Counter ids: a service and each DIP of it keep their index in the workers' counter arrays for as long as
// they exist, over all snapshots. An id that was given back is reused last of all, and its counts start at
// zero for the new owner.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace sluice::maps {

class Ids {
 public:
  // `limit`: the size of the counter arrays.
  explicit Ids(std::uint32_t limit) : limit_(limit) {}

  // The id of `name`, given out now when it is new; nothing when all are in use.
  std::optional<std::uint32_t> get(const std::string& name);
  [[nodiscard]] std::optional<std::uint32_t> find(const std::string& name) const;
  // Gives back the ids of all names that are not in `names`.
  void keep_only(const std::set<std::string>& names);
  // Ids that were reused since the last call: their counters have a history that is not the new owner's.
  std::set<std::uint32_t> take_reused();

 private:
  std::uint32_t limit_;
  std::uint32_t next_ = 0;
  std::map<std::string, std::uint32_t> used_;
  std::deque<std::uint32_t> free_;
  std::set<std::uint32_t> reused_;
};

}  // namespace sluice::maps
