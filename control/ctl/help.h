// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// The table of commands as text: for --help, for docs/commands.md and for the man page. After a change of the
// table
//
//   build/sluicectl --markdown > docs/commands.md
//   build/sluicectl --man > docs/sluicectl.8
//
// bring the documents up to date; a unit test fails until that is done.
#pragma once

#include <string>

#include "control/ctl/command.h"

namespace sluice::ctl {

// Of one command; of an object's verbs when `command` is null; of everything when `object` is empty too.
std::string help(const std::string& object, const Command* command);

std::string markdown();
std::string man_page();

}  // namespace sluice::ctl
