// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What the decision about routes needs to know of the services that run. Pure; control thread.
#pragma once

#include <vector>

#include "control/config/model.h"
#include "control/maps/build.h"
#include "control/route/wanted.h"

namespace sluice::route {

// One for each service of the model, in its order. A DIP that is in several groups counts once.
std::vector<ServiceFacts> facts_of(const config::Model& model, const maps::Directory& directory);

}  // namespace sluice::route
