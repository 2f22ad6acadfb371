// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Shared lists of DIPs (A1). A group that says `dips = "farm"` has the DIPs of the list `farm`, always: the
// model holds a copy in the group, so that nobody but the reader, the printer and the commands knows of
// lists. A command about a DIP of such a group changes the list, and with it every group that shares it, in
// one step.
#pragma once

#include <string_view>

#include "control/config/model.h"

namespace sluice::config {

// The list of that name, or null.
DipList* find_dip_list(Model& model, std::string_view name);
const DipList* find_dip_list(const Model& model, std::string_view name);

// Gives every group that shares a list the DIPs of that list. A list that does not exist has none: the rules
// (validate.h) name it.
void share_dips(Model& model);

}  // namespace sluice::config
