// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Services as an operator writes them, and seconds of a made-up clock, for the tests of plans and loads.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "control/config/model.h"
#include "control/maps/plan.h"

namespace sluice::maps::test {

inline Clock::time_point at(int seconds) {
  return Clock::time_point(std::chrono::seconds(seconds));
}

// DIP 10.1.0.`last`.
inline config::Dip dip(unsigned last, std::uint32_t weight = 1) {
  return {.address = IpAddress::v4(Big32(0x0a010000 + last)), .port = 0, .weight = weight, .line = 0};
}

inline config::Group group(std::string name, std::vector<config::Dip> dips) {
  config::Group made;
  made.name = std::move(name);
  made.dips = std::move(dips);
  return made;
}

// One service, "web", whose transitions take 100 s.
inline config::Model model(std::vector<config::Group> groups) {
  config::Service service;
  service.name = "web";
  service.groups = std::move(groups);
  service.transition.deadline_s = 100;
  config::Model made;
  made.services = {service};
  return made;
}

}  // namespace sluice::maps::test
