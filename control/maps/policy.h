// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What a service's configuration says about flows, in the dataplane's words. Pure.
#pragma once

#include "control/config/model.h"
#include "dataplane/table/snapshot.h"

namespace sluice::maps {

// Writes all of `out` that follows from the service's own keys; groups and maps are the caller's.
void set_policy(Service& out, const config::Service& service);

}  // namespace sluice::maps
