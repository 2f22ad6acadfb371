// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/ctl/console.h"

#include <algorithm>
#include <utility>

#include "control/ctl/arguments.h"

namespace sluice::ctl {
namespace {

// The finished words of a line and the one under way ("" after a blank).
struct Typed {
  std::vector<std::string> words;
  std::string begun;
};

Typed typed(const std::string& line) {
  Typed result;
  try {
    result.words = split_words(line);
  } catch (const UsageError&) {
    return result;  // inside a quote nothing can be proposed
  }
  const bool open = !line.empty() && line.back() != ' ' && line.back() != '\t';
  if (open && !result.words.empty()) {
    result.begun = result.words.back();
    result.words.pop_back();
  }
  return result;
}

// Which arguments the words after object and verb have filled.
struct Progress {
  std::vector<const Argument*> open_options;
  const Argument* value_of = nullptr;  // an option that waits for its value
  const Argument* next = nullptr;      // the positional argument whose turn it is
  std::string service;                 // named so far
};

Progress progress(const Command& command, const std::vector<std::string>& words, std::size_t from) {
  Progress state;
  std::vector<const Argument*> positional;
  for (const Argument& argument : command.arguments) {
    (argument.option.empty() ? positional : state.open_options).push_back(&argument);
  }
  std::size_t filled = 0;
  for (std::size_t i = from; i < words.size(); ++i) {
    const std::string& word = words[i];
    const auto option = std::ranges::find_if(
        state.open_options, [&](const Argument* argument) { return argument->option == word; });
    if (option != state.open_options.end()) {
      const Argument* found = *option;
      if (found->kind != Kind::kDip) state.open_options.erase(option);
      if (found->kind == Kind::kFlag) continue;
      if (i + 1 == words.size()) state.value_of = found;
      ++i;
    } else if (filled < positional.size()) {
      if (positional[filled]->live == Live::kService) state.service = word;
      ++filled;
    }
  }
  if (filled < positional.size()) state.next = positional[filled];
  return state;
}

void propose_value(std::vector<Proposal>& list, const Argument& argument, const Progress& state,
                   const LiveNames& live) {
  const std::string help = argument.shown + ": " + argument.help;
  std::vector<std::string> words = argument.choices;
  if (argument.live != Live::kNone && live) words = live(argument.live, state.service);
  for (const std::string& word : words) list.push_back({word, help});
  if (words.empty()) list.push_back({"", help});
}

std::vector<Proposal> after_command(const Command& command, const Typed& line, std::size_t from,
                                    const LiveNames& live) {
  const Progress state = progress(command, line.words, from);
  std::vector<Proposal> list;
  if (state.value_of) {
    propose_value(list, *state.value_of, state, live);
    return list;
  }
  if (state.next) propose_value(list, *state.next, state, live);
  const bool ready = !state.next || !state.next->required || line.begun.starts_with("-");
  if (!ready) return list;
  for (const Argument* option : state.open_options) {
    list.push_back({option->option, (option->shown.empty() ? "" : option->shown + ": ") + option->help});
  }
  return list;
}

std::vector<Proposal> all_proposals(const Typed& line, const LiveNames& live) {
  std::vector<Proposal> list;
  if (line.words.empty()) {
    for (const std::string& object : objects()) {
      const Command* alone = find_command(object, "");
      std::string help = alone ? alone->help : "";
      for (const std::string& verb : verbs_of(object)) help += (help.empty() ? "" : ", ") + verb;
      list.push_back({object, help});
    }
    list.push_back({"help", "all commands"});
    list.push_back({"exit", "leave"});
    return list;
  }
  const std::string& object = line.words[0];
  if (const Command* alone = find_command(object, "")) return after_command(*alone, line, 1, live);
  if (line.words.size() == 1) {
    for (const std::string& verb : verbs_of(object)) list.push_back({verb, find_command(object, verb)->help});
    return list;
  }
  const Command* command = find_command(object, line.words[1]);
  return command ? after_command(*command, line, 2, live) : list;
}

}  // namespace

std::vector<Proposal> proposals(const std::string& line, const LiveNames& live) {
  Typed words = typed(line);
  words.words = expanded(std::move(words.words));
  std::vector<Proposal> list = all_proposals(words, live);
  std::erase_if(list, [&](const Proposal& proposal) {
    return !proposal.word.empty() && !proposal.word.starts_with(words.begun);
  });
  return list;
}

std::string completion(const std::string& line, const std::vector<Proposal>& list) {
  const std::string begun = typed(line).begun;
  std::string shared;
  std::size_t found = 0;
  for (const Proposal& proposal : list) {
    if (proposal.word.empty()) continue;
    if (found++ == 0) {
      shared = proposal.word;
      continue;
    }
    const auto end = std::ranges::mismatch(shared, proposal.word).in1;
    shared.erase(end, shared.end());
  }
  if (shared.size() < begun.size()) return {};
  return shared.substr(begun.size()) + (found == 1 ? " " : "");
}

std::string explanation(const std::vector<Proposal>& list) {
  if (list.empty()) return "  nothing more\n";
  std::size_t width = 0;
  for (const Proposal& proposal : list) width = std::max(width, proposal.word.size());
  std::string out;
  for (const Proposal& proposal : list) {
    const std::string word = proposal.word + std::string(width - proposal.word.size(), ' ');
    out += "  " + word + (width ? "  " : "") + proposal.help + "\n";
  }
  return out;
}

std::vector<std::string> expanded(std::vector<std::string> words) {
  const auto expand = [](std::string& word, const std::vector<std::string>& known) {
    if (std::ranges::find(known, word) != known.end()) return;
    const std::string* only = nullptr;
    for (const std::string& candidate : known) {
      if (!candidate.starts_with(word)) continue;
      if (only) return;
      only = &candidate;
    }
    if (only) word = *only;
  };
  if (!words.empty() && !words[0].empty() && !words[0].starts_with("-")) expand(words[0], objects());
  if (words.size() > 1 && !words[1].empty() && !words[1].starts_with("-"))
    expand(words[1], verbs_of(words[0]));
  return words;
}

}  // namespace sluice::ctl
