// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Where factors should be, from what the servers of a service report (B7). Pure.
//
// `weights = "adaptive"` wants all servers equally busy. A server that does `work` at utilisation u would do
// work / u when fully busy: that is its speed, and its weight should be in proportion to it. The figure says
// nothing of the weights in force, so old flows that stay where they are (and make the servers' answer slow)
// cannot make the policy swing, and MUXes that began with other weights come to the same ones. Factors are
// relative to the median server: one that lies, however grossly, moves nobody's factor but its own, and that
// within the bounds. Who reports nothing keeps the configured weight.
//
// `scheduler = "least-load"` compares flows with capacity: the configured weight times the share of the
// server that is idle, relative to the median server.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/load/follower.h"

namespace sluice::load {

// Of less utilisation, work / u is noise; where the median is idle, everybody stays.
inline constexpr double kLeastUtilisation = 0.05, kIdle = 0.10;
inline constexpr double kLeastSpare = 0.05;

// `adapt`: false where weights stay as configured; then only who drains or leaves is heard. Its target is
// kNothing, unless nobody who is up would be left to take flows: then nobody is heard.
std::map<std::string, Target> weight_targets(const std::vector<Server>& servers, bool adapt);
std::map<std::string, Target> spare_targets(const std::vector<Server>& servers);

}  // namespace sluice::load
