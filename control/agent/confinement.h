// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What the agent needs of root's rights once its programs are loaded (docs/security.md).
#pragma once

#include "control/agent/config.h"
#include "control/confine/confine.h"

namespace sluice::agent {

// `again`: a fresh agent after SIGHUP, which has the system call filter of the one before; the kernel would
// stack a second one on it.
confine::Plan plan_for(const Config& config, bool again);

}  // namespace sluice::agent
