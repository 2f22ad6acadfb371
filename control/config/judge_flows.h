// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What flow_key and flow_start of a service ask of its other keys (B3, B15). A part of validate.cc.
#pragma once

#include <string>

#include "control/config/model.h"
#include "control/config/report.h"

namespace sluice::config {

// `path`: of the service, as in "services[0]".
void judge_flows(Report& report, const std::string& path, const Service& service);

}  // namespace sluice::config
