// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/ctl/help.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "control/ctl/arguments.h"
#include "control/rpc/names.h"

namespace sluice::ctl {
namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

// Two columns; a left side that is too long pushes its text to the next line.
std::string two_columns(const Lines& lines) {
  constexpr std::size_t kWidest = 40;
  std::size_t width = 0;
  for (const auto& [left, right] : lines) {
    if (left.size() <= kWidest) width = std::max(width, left.size());
  }
  std::string out;
  for (const auto& [left, right] : lines) {
    out += "  " + left;
    out += left.size() > width ? "\n  " + std::string(width, ' ') : std::string(width - left.size(), ' ');
    out += "  " + right + "\n";
  }
  return out;
}

std::string written(const Argument& argument) {
  std::string text = argument.option;
  if (!argument.shown.empty()) text += (text.empty() ? "" : " ") + argument.shown;
  return text;
}

std::string explained(const Argument& argument) {
  std::string text = argument.help;
  for (std::size_t i = 0; i < argument.choices.size(); ++i) text += (i ? ", " : ": ") + argument.choices[i];
  return text;
}

Lines lines_of(const std::vector<Argument>& arguments) {
  Lines lines;
  for (const Argument& argument : arguments) lines.emplace_back(written(argument), explained(argument));
  return lines;
}

const char* const kSynopsis = "sluicectl [--socket PATH] [--json] OBJECT VERB [ARGS]";
const char* const kExit =
    "Exit status: 0 done, 1 the server refused or cannot be reached, 2 wrong usage or configuration.";

std::string overview() {
  Lines lines;
  for (const Command& command : commands()) lines.emplace_back(synopsis(command), command.help);
  return std::string("usage: ") + kSynopsis +
         "\n       without OBJECT it is interactive, or reads commands from standard input\n\nCommands:\n" +
         two_columns(lines) + "\nOptions:\n" + two_columns(lines_of(global_options())) + "\n" + kExit + "\n";
}

// A vertical bar would end the cell of a Markdown table.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

// roff reads a leading dot, backslashes and bare hyphens in its own way.
std::string roff(const std::string& text) {
  std::string out = text.starts_with('.') || text.starts_with('\'') ? "\\&" : "";
  for (const char c : text) {
    if (c == '-') {
      out += "\\-";
    } else if (c == '\\') {
      out += "\\e";
    } else {
      out += c;
    }
  }
  return out;
}

std::string roff_list(const std::vector<Argument>& arguments) {
  std::string out;
  for (const Argument& argument : arguments) {
    out += ".TP\n.B " + roff(written(argument)) + "\n" + roff(explained(argument)) + "\n";
  }
  return out;
}

}  // namespace

std::string help(const std::string& object, const Command* command) {
  if (command) {
    std::string text = "usage: sluicectl " + synopsis(*command) + "\n\n" + command->help + "\n";
    if (!command->arguments.empty()) text += "\n" + two_columns(lines_of(command->arguments));
    return text;
  }
  if (object.empty()) return overview();
  Lines lines;
  for (const Command& one : commands()) {
    if (one.object == object) lines.emplace_back(synopsis(one), one.help);
  }
  return "usage: sluicectl " + object + " VERB [ARGS]\n\n" + two_columns(lines);
}

std::string markdown() {
  std::string out =
      "# Commands of sluicectl\n\n"
      "This page is what `sluicectl --markdown` prints; a test compares the two. To change it, change the "
      "table in\n"
      "`control/ctl/command.cc`, then `build/sluicectl --markdown > docs/commands.md`.\n\n"
      "`" +
      std::string(kSynopsis) +
      "`\n\nWithout OBJECT it is interactive (Tab completes words and live names, `?` explains, `exit` "
      "leaves), or\n"
      "reads commands line by line when standard input is no terminal. JSON-RPC methods take their "
      "parameters by\n"
      "name.\n\n" +
      kExit +
      " Errors are one line on standard error.\n\n"
      "| command | what it does | method: parameters |\n|---|---|---|\n";
  for (const Command& command : commands()) {
    std::string method = command.method.empty() ? "" : "`" + command.method + "`";
    std::string separator = ": ";
    for (const Argument& argument : command.arguments) {
      method += std::exchange(separator, ", ") + argument.key;
    }
    out += "| `" + cell(synopsis(command)) + "` | " + cell(command.help) + " | " + cell(method) + " |\n";
  }
  out += "\n## Arguments\n\n";
  for (const Command& command : commands()) {
    if (command.arguments.empty()) continue;
    out += "`" + name_of(command) + "`\n\n";
    for (const Argument& argument : command.arguments) {
      out += "- `" + written(argument) + "`: " + explained(argument) + "\n";
    }
    out += "\n";
  }
  out += "## Options of the program\n\n";
  for (const Argument& option : global_options())
    out += "- `" + written(option) + "`: " + explained(option) + "\n";
  return out;
}

std::string man_page() {
  std::string out =
      ".\\\" What sluicectl --man prints; a test compares the two. Change control/ctl/command.cc instead.\n"
      ".TH SLUICECTL 8 \"\" Sluice \"Sluice manual\"\n"
      ".SH NAME\nsluicectl \\- operate a running sluiced\n"
      ".SH SYNOPSIS\n.B sluicectl\n[\\-\\-socket PATH] [\\-\\-json] OBJECT VERB [ARGS]\n"
      ".SH DESCRIPTION\n"
      "Asks and changes the load balancer through its control socket. Without OBJECT it is interactive: Tab\n"
      "completes words and live names, ? explains, exit leaves. When standard input is no terminal it reads\n"
      "commands line by line; lines that begin with # are comments.\n"
      ".SH COMMANDS\n";
  for (const Command& command : commands()) {
    out += ".SS " + roff(synopsis(command)) + "\n" + roff(command.help) + "\n" + roff_list(command.arguments);
  }
  out += ".SH OPTIONS\n" + roff_list(global_options());
  out +=
      ".SH EXIT STATUS\n0 done, 1 the server refused or cannot be reached, 2 wrong usage or configuration.\n"
      ".SH ENVIRONMENT\n.TP\n.B SLUICE_SOCKET\nThe server's socket when \\-\\-socket is not given.\n"
      ".SH FILES\n.TP\n.I " +
      std::string(rpc::kDefaultSocket) +
      "\nThe server's socket by default.\n.TP\n.I ~/.sluicectl_history\n"
      "The last 1000 commands of the interactive mode.\n";
  return out;
}

}  // namespace sluice::ctl
