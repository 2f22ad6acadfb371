// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What the servers' load makes of the operator's model, kept beside it: the model stays what the operator
// wrote, and the maps are made of `effective(model, loads)`. A change of the loads is a change of the
// effective model, so it is a transition like any other, and no flow moves by it (A7, B7, B10). Pure.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>

#include "control/config/model.h"

namespace sluice::maps {

struct Loads {
  static constexpr std::uint32_t kUnit = 256;  // the factor that leaves a figure as it is

  using Factors = std::map<std::string, std::uint16_t>;  // by DIP, in 256ths; who is not named has kUnit
  // By service: factors of its DIPs' weights. 0: no new flows. A service that is not named keeps its weights.
  std::map<std::string, Factors> weights = {};
  // By service: factors of the capacity that `least-load` compares flows with. They touch no map.
  std::map<std::string, Factors> spare = {};

  struct Lent {
    std::string dip, from;
    friend auto operator<=>(const Lent&, const Lent&) = default;
  };
  // By service: DIPs that serve another group than the model says, and which.
  std::map<std::string, std::map<Lent, std::string>> lent = {};

  friend bool operator==(const Loads&, const Loads&) = default;
};

// The factor of one DIP in such a table.
std::uint32_t factor_of(const std::map<std::string, Loads::Factors>& table, const std::string& service,
                        const std::string& dip);

// The model with the loads in it. Of a service with factors, all weights of DIPs are in 256ths, so that ratios
// come out fine; tier 1's shares of its groups stay those of the model. A DIP that cannot be lent (no such
// group, there already, or its own group would have nobody left with a weight) stays where it is.
config::Model effective(const config::Model& model, const Loads& loads);

}  // namespace sluice::maps
