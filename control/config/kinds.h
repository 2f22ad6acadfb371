// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The kinds of keys that tables are made of: text, numbers, choices, parsed values, lists, and sections
// within sections. Each makes a Key for one member of a struct.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "control/config/key.h"

namespace sluice::config::kind {

template <class T, class V>
Key<T> base(std::string name, V T::*member, std::string kind, std::string sentence) {
  Key<T> key;
  key.name = std::move(name);
  key.kind = std::move(kind);
  key.sentence = std::move(sentence);
  key.copy = [member](const T& from, T& to) { to.*member = from.*member; };
  return key;
}

template <class T>
Key<T> needed(Key<T> key, std::string example) {
  key.example = std::move(example);
  return key;
}

template <class T, class Rule>
Key<T> with_rule(Key<T> key, Rule rule) {
  key.rule = std::move(rule);
  return key;
}

// `right` says what the text should be: "an absolute path".
template <class T>
Key<T> text(std::string name, std::string T::*member, std::string right, std::string sentence) {
  Key<T> key = base(name, member, "text", std::move(sentence));
  key.read = [name, member, right](Report& report, const Node& node, T& out) {
    if (node.kind == Node::Kind::kText)
      out.*member = node.text;
    else
      report.add(wrong_type(name, node, right + " in quotes"));
  };
  key.print = [member](const T& value, unsigned) { return quote(value.*member); };
  return key;
}

template <class T, class N>
Key<T> number(std::string name, N T::*member, std::int64_t low, std::int64_t high, std::string sentence) {
  const std::string range = std::to_string(low) + " to " + std::to_string(high);
  const auto out_of_range = [name, range](std::int64_t value) {
    return name + " = " + std::to_string(value) + " is out of range; write " + range;
  };
  Key<T> key = base(name, member, "number, " + range, std::move(sentence));
  key.read = [=](Report& report, const Node& node, T& out) {
    if (node.kind != Node::Kind::kNumber)
      report.add(wrong_type(name, node, "a number from " + range));
    else if (node.number < low || node.number > high)
      report.add(out_of_range(node.number));
    else
      out.*member = static_cast<N>(node.number);
  };
  key.print = [member](const T& value, unsigned) {
    // Beyond 31 bits libconfig wants to be told.
    return std::to_string(value.*member) + (static_cast<std::int64_t>(value.*member) > 0x7fffffff ? "L" : "");
  };
  key.judge = [=](Report& report, const T& value) {
    const auto given = static_cast<std::int64_t>(value.*member);
    if (given < low || given > high) report.broken(out_of_range(given));
  };
  return key;
}

// A number that may be left out.
template <class T, class N>
Key<T> optional_number(std::string name, std::optional<N> T::*member, std::int64_t low, std::int64_t high,
                       std::string sentence) {
  struct Plain {
    N value = 0;
  };
  const Key<Plain> plain = number(name, &Plain::value, low, high, "");
  Key<T> key = base(name, member, plain.kind, std::move(sentence));
  key.read = [member, plain](Report& report, const Node& node, T& out) {
    Plain value;
    plain.read(report, node, value);
    out.*member = value.value;
  };
  key.print = [member, plain](const T& value, unsigned indent) {
    return value.*member ? plain.print(Plain{*(value.*member)}, indent) : std::string();
  };
  key.judge = [member, plain](Report& report, const T& value) {
    if (value.*member) plain.judge(report, Plain{*(value.*member)});
  };
  return key;
}

template <class T>
Key<T> flag(std::string name, bool T::*member, std::string sentence) {
  Key<T> key = base(name, member, "true or false", std::move(sentence));
  key.read = [name, member](Report& report, const Node& node, T& out) {
    if (node.kind == Node::Kind::kBoolean)
      out.*member = node.number != 0;
    else
      report.add(wrong_type(name, node, "true or false, without quotes"));
  };
  key.print = [member](const T& value, unsigned) { return value.*member ? "true" : "false"; };
  return key;
}

template <class T, class E>
Key<T> word(std::string name, E T::*member, std::string sentence) {
  Key<T> key = base(name, member, "one of " + list_words<E>(), std::move(sentence));
  key.read = [name, member](Report& report, const Node& node, T& out) {
    if (node.kind != Node::Kind::kText) {
      report.add(wrong_type(name, node, "one of these in quotes: " + list_words<E>()));
    } else if (const auto value = from_word<E>(node.text)) {
      out.*member = *value;
    } else {
      report.add(name + " = " + quote(node.text) + " is unknown; write one of: " + list_words<E>());
    }
  };
  key.print = [member](const T& value, unsigned) { return quote(to_word(value.*member)); };
  return key;
}

// How a value that is written as text is read and printed. `noun` with an article: "an IPv4 address".
template <class V>
struct Form {
  std::string noun, example;
  std::optional<V> (*parse)(std::string_view);
  std::string (*print)(const V&);

  std::optional<V> read(Report& report, std::string_view name, const Node& node) const {
    if (node.kind != Node::Kind::kText) {
      report.add(wrong_type(name, node, noun + " in quotes, as in " + quote(example)));
      return std::nullopt;
    }
    auto value = parse(node.text);
    if (!value)
      report.add(std::string(name) + " = " + quote(node.text) + " is not " + noun + "; write one as in " +
                 quote(example));
    return value;
  }
};

// A member of type V or std::optional<V>.
template <class T, class M, class V>
Key<T> parsed(std::string name, M T::*member, Form<V> form, std::string sentence) {
  Key<T> key = base(name, member, form.noun, std::move(sentence));
  key.read = [name, member, form](Report& report, const Node& node, T& out) {
    if (auto value = form.read(report, name, node)) out.*member = *std::move(value);
  };
  key.print = [member, form](const T& value, unsigned) {
    if constexpr (std::is_same_v<M, std::optional<V>>)
      return value.*member ? quote(form.print(*(value.*member))) : std::string();
    else
      return quote(form.print(value.*member));
  };
  return key;
}

template <class T, class V>
Key<T> parsed_list(std::string name, std::vector<V> T::*member, Form<V> form, std::string sentence) {
  Key<T> key = base(name, member, "list of texts, each " + form.noun, std::move(sentence));
  key.read = [name, member, form](Report& report, const Node& node, T& out) {
    if (node.kind != Node::Kind::kList) {
      report.add(wrong_type(name, node, "a list, as in [ " + quote(form.example) + " ]"));
      return;
    }
    for (std::size_t i = 0; i < node.children.size(); ++i) {
      const auto scope = report.element(i);
      report.place(node.children[i].row);
      // A value that cannot be read still counts, so that the paths of the others stay theirs.
      (out.*member).push_back(form.read(report, name, node.children[i]).value_or(V{}));
    }
  };
  key.print = [member, form](const T& value, unsigned) {
    std::string list;
    for (const V& v : value.*member) list += (list.empty() ? " " : ", ") + quote(form.print(v));
    return '[' + list + (list.empty() ? "]" : " ]");
  };
  return key;
}

template <class T, class V>
Key<T> section(std::string name, V T::*member, const Section<V>& (*table)(), std::string sentence) {
  Key<T> key = base(name, member, "group", std::move(sentence));
  key.read = [name, member, table](Report& report, const Node& node, T& out) {
    if (node.kind == Node::Kind::kGroup)
      read_section(report, node, table(), out.*member);
    else
      report.add(wrong_type(name, node, "a group, as in { … }"));
  };
  key.print = [member, table](const T& value, unsigned indent) {
    return print_group(value.*member, table(), indent, false);
  };
  key.judge = [member, table](Report& report, const T& value) {
    judge_section(report, value.*member, table());
  };
  return key;
}

// The groups of a list; also for keys that are not simply a member.
template <class V>
void read_list(Report& report, std::string_view name, const Node& node, const Section<V>& table,
               std::vector<V>& out) {
  if (node.kind != Node::Kind::kList) {
    report.add(wrong_type(name, node, "a list of groups, as in ( { … } )"));
    return;
  }
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    const auto scope = report.element(i);
    const Node& child = node.children[i];
    report.place(child.row);
    V value;
    if (child.kind == Node::Kind::kGroup)
      read_section(report, child, table, value);
    else
      report.add("an element of " + std::string(name) + " is " + std::string(to_word(child.kind)) +
                 "; write a group, as in { … }");
    out.push_back(std::move(value));
  }
}

template <class V>
void judge_list(Report& report, const std::vector<V>& values, const Section<V>& table) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto scope = report.element(i);
    judge_section(report, values[i], table);
  }
}

template <class V>
std::string print_list(const std::vector<V>& values, const Section<V>& table, unsigned indent, bool in_line) {
  std::string text;
  for (const V& value : values)
    text += (text.empty() ? "\n" : ",\n") + std::string(indent + 2, ' ') +
            print_group(value, table, indent + 2, in_line);
  return text.empty() ? "()" : '(' + text + '\n' + std::string(indent, ' ') + ')';
}

template <class T, class V>
Key<T> sections(std::string name, std::vector<V> T::*member, const Section<V>& (*table)(), bool in_line,
                std::string sentence) {
  Key<T> key = base(name, member, "list of groups", std::move(sentence));
  key.read = [=](Report& report, const Node& node, T& out) {
    read_list(report, name, node, table(), out.*member);
  };
  key.print = [=](const T& value, unsigned indent) {
    return print_list(value.*member, table(), indent, in_line);
  };
  key.judge = [=](Report& report, const T& value) { judge_list(report, value.*member, table()); };
  return key;
}

}  // namespace sluice::config::kind
