// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The rules that a model keeps, whether it came from a file or a live command changed it.
#pragma once

#include <vector>

#include "control/config/model.h"
#include "control/config/problem.h"

namespace sluice::config {

class Report;

// All that is wrong with `model`; empty when it may run. The problems name no file and no line: parse.h adds
// them for a model that it read. Cost: linear in services and DIPs (times the number of distinct VIP
// lengths).
std::vector<Problem> validate(const Model& model);

// Writes a DIP's port as 0 where it is the service's own, so that both ways to write one DIP are one DIP to
// `diff` and a reload breaks no flow. The parser and the edits do it.
void settle_ports(Service& service);

// As validate, into a report that may know the rows of a text (parse.cc).
void judge(Report& report, const Model& model);

}  // namespace sluice::config
