// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The description of one key: how it is read, printed, judged and copied, and the sentence that documents it.
// A section of the file is a table of keys (keys.h). The parser's known keys, the printed configuration, the
// difference of two services and the reference in docs/ all come from these tables.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "control/config/report.h"
#include "control/config/tree.h"
#include "control/config/words.h"

namespace sluice::config {

template <class T>
struct Key {
  std::string name, kind, sentence;
  std::string example;                                          // of a key that must be given; else ""
  std::function<void(Report&, const Node&, T&)> read;           // reports what it cannot read
  std::function<std::string(const T&, unsigned indent)> print;  // a libconfig value; "" = not given
  std::function<void(const T& from, T& to)> copy;
  std::function<void(Report&, const T&)> judge;  // the rules of this value alone; may be empty
  std::function<std::string(const T&)> rule;     // the same as a sentence, "" when kept; may be empty
};

template <class T>
struct Section {
  std::string noun;  // "service", "port": for sentences
  std::vector<Key<T>> keys;
  std::function<void(Report&, const Node&, T&)> after;  // once the keys are read; may be empty
};

// The candidate with the smallest edit distance; "" when there are none.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

// `text` as a libconfig value, in quotes.
std::string quote(std::string_view text);

// "port is text; write a number from 0 to 65535"
std::string wrong_type(std::string_view name, const Node& node, std::string_view right);

template <class T>
void read_section(Report& report, const Node& node, const Section<T>& section, T& out) {
  for (const Node& child : node.children) {
    const auto scope = report.key(child.key);
    report.place(child.row);
    const Key<T>* known = nullptr;
    std::vector<std::string_view> names;
    for (const Key<T>& key : section.keys) {
      if (key.name == child.key) known = &key;
      names.push_back(key.name);
    }
    if (known != nullptr)
      known->read(report, child, out);
    else
      report.add("unknown key " + quote(child.key) + "; the nearest one that " + section.noun + " has is " +
                 quote(nearest(child.key, names)));
  }
  for (const Key<T>& key : section.keys)
    if (!key.example.empty() && node.find(key.name) == nullptr)
      report.add_below(key.name, section.noun + " has no " + key.name + "; add one, as in " + key.name +
                                     " = " + key.example + ';');
  if (section.after) section.after(report, node, out);
}

template <class T>
void judge_section(Report& report, const T& value, const Section<T>& section) {
  for (const Key<T>& key : section.keys) {
    if (!key.judge && !key.rule) continue;
    const auto scope = report.key(key.name);
    if (key.judge) key.judge(report, value);
    if (!key.rule) continue;
    if (std::string what = key.rule(value); !what.empty()) report.broken(std::move(what));
  }
}

// The keys that were given as "name = value;", one a row, or all on one row when `in_line`.
template <class T>
std::string print_keys(const T& value, const Section<T>& section, unsigned indent, bool in_line) {
  std::string text;
  for (const Key<T>& key : section.keys) {
    const std::string printed = key.print(value, indent);
    if (printed.empty()) continue;
    if (!text.empty() && in_line) text += ' ';
    text += (in_line ? std::string() : std::string(indent, ' ')) + key.name + " = " + printed + ';';
    if (!in_line) text += '\n';
  }
  return text;
}

template <class T>
std::string print_group(const T& value, const Section<T>& section, unsigned indent, bool in_line) {
  if (in_line) return "{ " + print_keys(value, section, 0, true) + " }";
  return "{\n" + print_keys(value, section, indent + 2, false) + std::string(indent, ' ') + '}';
}

}  // namespace sluice::config
