// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// What was typed, held against the table of commands: words in, a request for the server out.
#pragma once

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "control/ctl/command.h"

namespace sluice::ctl {

// Something typed wrongly: one sentence; the program ends with 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Action {
  kRun,          // `command` with `params`
  kInteractive,  // nothing was named
  kHelp,         // of `command`, or of `object`, or of all when both are empty
  kVersion,
  kMarkdown,
  kMan,
};

struct Invocation {
  Action action = Action::kInteractive;
  bool json = false;
  std::string socket = {};  // "" when not given
  std::string object = {};
  const Command* command = nullptr;
  nlohmann::json params = nlohmann::json::object();
};

// Takes the words after the program's name. Options of the program itself (--socket, --json, --help, ...) may
// stand anywhere. Throws UsageError.
Invocation parse_arguments(const std::vector<std::string>& words);

// The global options as help and completion show them.
const std::vector<Argument>& global_options();

// A line of the interactive mode cut into words at blanks; '...', "..." and backslash as in a shell. Throws
// UsageError for an open quote.
std::vector<std::string> split_words(const std::string& line);

}  // namespace sluice::ctl
