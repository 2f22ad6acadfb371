// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// What the interactive mode knows about a half-typed line: what could come next, and what that means. Pure;
// the terminal is interactive.cc's business.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "control/ctl/command.h"

namespace sluice::ctl {

// Names that exist on the server: services, or the DIPs of `service`. Answers quickly or with nothing.
using LiveNames = std::function<std::vector<std::string>(Live kind, const std::string& service)>;

struct Proposal {
  std::string word;  // "" for a value that nobody can guess; then `help` describes it
  std::string help;
};

// What may stand at the end of `line` (up to the cursor), in the order of the table. A word that is begun
// restricts it to words that begin so; after a blank everything possible comes.
std::vector<Proposal> proposals(const std::string& line, const LiveNames& live);

// The letters by which the line can be completed without choosing: the rest of the only word with a blank
// after it, or what all proposals share.
std::string completion(const std::string& line, const std::vector<Proposal>& list);

// The answer to `?`.
std::string explanation(const std::vector<Proposal>& list);

// Object and verb written out when what was typed begins exactly one of them: "di l web" -> "dip list web".
// For people at a terminal; scripts write words in full.
std::vector<std::string> expanded(std::vector<std::string> words);

}  // namespace sluice::ctl
