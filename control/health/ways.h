// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Finds the way of probes through the data path in what runs now: the DIP's target, the port that leads to
// it, and an address of ours there to send from. Control thread.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>

#include "control/health/data_path.h"
#include "control/maps/live.h"
#include "control/maps/paths.h"

namespace sluice::health {

class Ways {
 public:
  // `live` outlives this.
  Ways(const maps::Live& live, maps::PathTo path_to) : live_(live), path_to_(std::move(path_to)) {}

  // A FindWay.
  std::variant<Way, std::string> operator()(const std::string& service, const std::string& dip);

 private:
  struct Entry {
    std::uint32_t target = 0;
    IpAddress address;  // of the DIP
    bool vip_is_v4 = true;
  };
  void index();

  const maps::Live& live_;
  maps::PathTo path_to_;
  std::uint64_t generation_ = 0;  // of the snapshot that entries_ is made of
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace sluice::health
