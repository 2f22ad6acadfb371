// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What a health section needs from its service and from the ports. Pure.
#pragma once

#include <string>

#include "control/config/model.h"

namespace sluice::config {

// Probes that need a port find it in health, in the service, or in every DIP; true when they do not.
bool lacks_probe_port(const Service& service);

// What forbids the service's `through = "vip"`, one sentence; "" when nothing does, or it is not asked for.
std::string wrong_with_way(const Service& service, const Model& model);

}  // namespace sluice::config
