// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/ctl/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "control/ctl/values.h"
#include "control/rpc/names.h"

namespace sluice::ctl {
namespace {

std::string label_of(const Argument& argument) {
  return argument.option.empty() ? argument.shown : argument.option;
}

std::string usage(const Command& command) {
  return "; usage: sluicectl " + synopsis(command);
}

// The object and the verb, taken out of `words`: the first two that are neither options nor an option's
// value.
struct Names {
  std::vector<std::string> found;
  std::vector<std::string> rest;
};

Names take_names(const std::vector<std::string>& words) {
  Names names;
  std::size_t wanted = 1;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (names.found.size() < wanted && !word.starts_with("-")) {
      names.found.push_back(word);
      if (names.found.size() == 1 && !verbs_of(word).empty()) wanted = 2;
      continue;
    }
    names.rest.push_back(word);
    if (word == "--socket" && i + 1 < words.size()) names.rest.push_back(words[++i]);
  }
  return names;
}

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

[[noreturn]] void unknown(const std::string& what, const std::string& word,
                          const std::vector<std::string>& known) {
  const std::string hint = rpc::did_you_mean(word, known);
  throw UsageError("unknown " + what + " " + rpc::shown(word) +
                   (hint.empty() ? "; known: " + join(known) : hint));
}

// Null when only an object was named, and help for it was asked.
const Command* command_named(const std::vector<std::string>& found, bool help) {
  if (found.empty()) return nullptr;
  const std::vector<std::string> verbs = verbs_of(found[0]);
  const Command* alone = find_command(found[0], "");
  if (verbs.empty()) {
    if (!alone) unknown("command", found[0], objects());
    return alone;
  }
  if (found.size() < 2) {
    if (help) return nullptr;
    throw UsageError(found[0] + " needs a verb: " + join(verbs));
  }
  const Command* command = find_command(found[0], found[1]);
  if (!command) unknown("verb of " + found[0], found[1], verbs);
  return command;
}

std::vector<std::string> option_names(const Command* command) {
  std::vector<std::string> names;
  for (const Argument& argument : global_options()) names.push_back(argument.option);
  if (!command) return names;
  for (const Argument& argument : command->arguments) {
    if (!argument.option.empty()) names.push_back(argument.option);
  }
  return names;
}

// CLI11's complaint in our words.
[[noreturn]] void complain(const CLI::App& app, const CLI::ParseError& error, const Command* command) {
  const std::vector<std::string> extras = app.remaining();
  if (!extras.empty()) {
    const std::string& word = extras.front();
    if (word.starts_with("-"))
      unknown(command ? "option of " + name_of(*command) : "option", word, option_names(command));
    throw UsageError(rpc::shown(word) + " is one argument too many" + (command ? usage(*command) : ""));
  }
  throw UsageError(std::string(error.what()) + (command ? usage(*command) : ""));
}

using Words = std::map<std::string, std::vector<std::string>>;

void declare(CLI::App& app, const Argument& argument, std::vector<std::string>& values, bool& flag) {
  if (argument.kind == Kind::kFlag) {
    app.add_flag(argument.option, flag)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    return;
  }
  const std::string name = argument.option.empty() ? "arg_" + argument.key : argument.option;
  CLI::Option* option = app.add_option(name, values);
  // One word each; what [2001:db8::1] means is ours to say, not CLI11's list syntax.
  option->expected(1)->allow_extra_args(false);
  if (argument.kind == Kind::kDip) option->take_all();
}

nlohmann::json params_of(const Command& command, const Words& words,
                         const std::map<std::string, bool>& flags) {
  nlohmann::json params = nlohmann::json::object();
  for (const Argument& argument : command.arguments) {
    if (argument.kind == Kind::kFlag) {
      if (flags.at(argument.key)) params[argument.key] = true;
      continue;
    }
    const std::vector<std::string>& values = words.at(argument.key);
    if (values.empty()) {
      if (argument.required)
        throw UsageError(name_of(command) + " needs " + label_of(argument) + usage(command));
      continue;
    }
    if (argument.kind != Kind::kDip) {
      params[argument.key] = value_of(argument.kind, label_of(argument), values.front());
      continue;
    }
    nlohmann::json list = nlohmann::json::array();
    for (const std::string& word : values) list.push_back(value_of(argument.kind, argument.option, word));
    params[argument.key] = std::move(list);
  }
  return params;
}

}  // namespace

const std::vector<Argument>& global_options() {
  static const std::vector<Argument> options = {
      {.key = "socket",
       .shown = "PATH",
       .option = "--socket",
       .required = false,
       .help = "the server's socket; else SLUICE_SOCKET, else " + std::string(rpc::kDefaultSocket)},
      {.key = "json",
       .option = "--json",
       .kind = Kind::kFlag,
       .required = false,
       .help = "print the result as one JSON document"},
      {.key = "help",
       .option = "--help",
       .kind = Kind::kFlag,
       .required = false,
       .help = "say how to use it, or the command named before"},
      {.key = "version",
       .option = "--version",
       .kind = Kind::kFlag,
       .required = false,
       .help = "print the version"},
      {.key = "markdown",
       .option = "--markdown",
       .kind = Kind::kFlag,
       .required = false,
       .help = "print the command reference"},
      {.key = "man",
       .option = "--man",
       .kind = Kind::kFlag,
       .required = false,
       .help = "print the man page"}};
  return options;
}

Invocation parse_arguments(const std::vector<std::string>& words) {
  const Names names = take_names(words);
  const bool help = std::ranges::find_if(names.rest, [](const std::string& word) {
                      return word == "--help" || word == "-h";
                    }) != names.rest.end();
  Invocation result;
  result.command = command_named(names.found, help);
  if (!names.found.empty()) result.object = names.found[0];
  if (help) {
    result.action = Action::kHelp;
    return result;
  }

  CLI::App app;
  app.set_help_flag();
  Words values;
  std::map<std::string, bool> flags;
  for (const Argument& argument : global_options()) {
    declare(app, argument, values["global " + argument.key], flags["global " + argument.key]);
  }
  if (result.command) {
    for (const Argument& argument : result.command->arguments) {
      declare(app, argument, values[argument.key], flags[argument.key]);
    }
  }
  try {
    std::vector<std::string> reversed(names.rest.rbegin(), names.rest.rend());
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    complain(app, error, result.command);
  }

  result.json = flags["global json"];
  if (!values["global socket"].empty()) result.socket = values["global socket"].front();
  if (flags["global version"]) {
    result.action = Action::kVersion;
  } else if (flags["global markdown"]) {
    result.action = Action::kMarkdown;
  } else if (flags["global man"]) {
    result.action = Action::kMan;
  } else if (result.command) {
    result.action = Action::kRun;
    result.params = params_of(*result.command, values, flags);
  }
  return result;
}

std::vector<std::string> split_words(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  bool open = false;  // a word has begun, perhaps an empty quoted one
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '\\' && quote != '\'' && i + 1 < line.size()) {
      word += line[++i];
      open = true;
    } else if (quote) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
      open = true;
    } else if (c == ' ' || c == '\t' || c == '\r') {
      if (open) words.push_back(std::exchange(word, {}));
      open = false;
    } else {
      word += c;
      open = true;
    }
  }
  if (quote) throw UsageError(std::string("a quote ") + quote + " is left open");
  if (open) words.push_back(word);
  return words;
}

}  // namespace sluice::ctl
