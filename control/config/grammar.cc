// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/grammar.h"

#include "control/config/key.h"

namespace sluice::config {
namespace {

bool is_value(Token token) {
  return token <= Token::kBoolean && token != Token::kName;
}

std::string string_of(std::string_view text) {
  return std::string(text);
}

}  // namespace

std::optional<std::string> Grammar::take(Token token, std::string_view text, Origin at) {
  auto problem = innermost() == '{' ? in_group(token, text, at) : in_list(token, text);
  if (problem) return problem;
  if (token == Token::kOpen) return open(text, at);
  if (token == Token::kClose) return close(text, at);
  open_.back().last = token;
  return std::nullopt;
}

std::optional<std::string> Grammar::in_group(Token token, std::string_view text, Origin at) {
  Bracket& group = open_.back();
  switch (group.state) {
    case State::kAfterName:
      if (token != Token::kAssign) return what_is_missing();
      group.state = State::kBeforeValue;
      return std::nullopt;
    case State::kBeforeValue:
      return value(token, text);
    case State::kAfterValue:
      if (token == Token::kText && group.last == Token::kText) return std::nullopt;  // texts in a row are one
      if (token == Token::kEnd || token == Token::kComma) {
        group.state = State::kFirst;
        return std::nullopt;
      }
      if (token != Token::kName && token != Token::kClose)
        return string_of(text) + " stands behind the value of " + group.key + "; end a setting with ;";
      [[fallthrough]];
    case State::kFirst:
      break;
  }
  if (token == Token::kName) return name(text, at);
  if (token == Token::kClose) return std::nullopt;
  return string_of(text) + " is not the name of a key; a setting is NAME = VALUE;";
}

std::optional<std::string> Grammar::in_list(Token token, std::string_view text) {
  Bracket& list = open_.back();
  if (list.state == State::kAfterValue) {
    if (token == Token::kText && list.last == Token::kText) return std::nullopt;
    if (token == Token::kComma) {
      list.state = State::kBeforeValue;
      return std::nullopt;
    }
    if (token == Token::kClose) return std::nullopt;
    return "a comma is missing before " + string_of(text) +
           "; the elements of a list are separated by commas";
  }
  if (token == Token::kClose)
    return list.state == State::kFirst
               ? std::nullopt
               : std::optional("a comma stands before " + string_of(text) + "; remove it");
  if (list.bracket == '[' && token == Token::kOpen)
    return string_of(text) +
           " stands inside [ ], which holds plain values; write ( ) around a list of groups";
  if (auto problem = value(token, text)) return problem;
  if (list.bracket == '[' && list.values != Token::kOpen && list.values != token)
    return string_of(text) +
           " is of another type than the values before it in [ ]; make them all texts or all numbers";
  list.values = token;
  return std::nullopt;
}

std::optional<std::string> Grammar::name(std::string_view text, Origin at) {
  Bracket& group = open_.back();
  const auto [first, is_new] = group.keys.try_emplace(string_of(text), at);
  if (!is_new)
    return string_of(text) + " is given already at " + line_of(first->second, at) + "; keep one of the two";
  if (group.keys.size() > kMaxKeys)
    return "a group has more than " + std::to_string(kMaxKeys) + " keys; no section has as many";
  group.key = text;
  group.state = State::kAfterName;
  return std::nullopt;
}

std::optional<std::string> Grammar::value(Token token, std::string_view text) {
  if (token == Token::kName)
    return string_of(text) + " is a word without quotes; write " + quote(text) + ", or true or false";
  if (!is_value(token) && token != Token::kOpen)
    return open_.back().key.empty()
               ? "a value is missing before " + string_of(text) + "; write one or remove the comma"
               : what_is_missing();
  open_.back().state = State::kAfterValue;
  return std::nullopt;
}

std::optional<std::string> Grammar::open(std::string_view text, Origin at) {
  if (depth() >= kMaxNesting)
    return "brackets are nested deeper than " + std::to_string(kMaxNesting) + "; no key needs that";
  open_.back().last = Token::kOpen;
  open_.push_back({text[0], at});
  return std::nullopt;
}

std::optional<std::string> Grammar::close(std::string_view text, Origin at) {
  if (depth() == 0) return "this " + string_of(text) + " closes nothing; remove it or open it before";
  const char right = innermost() == '{' ? '}' : innermost() == '(' ? ')' : ']';
  if (text[0] != right)
    return "this " + string_of(text) + " cannot close the " + innermost() + " of " +
           line_of(innermost_origin(), at) + "; write " + right;
  open_.pop_back();
  return std::nullopt;
}

std::string Grammar::what_is_missing() const {
  const std::string& key = open_.back().key;
  if (open_.back().state == State::kAfterName)
    return "= is missing after " + key + "; a setting is NAME = VALUE;";
  return "a value is missing after " + key + " =; a setting is NAME = VALUE;";
}

std::string Grammar::line_of(Origin there, Origin here) const {
  return "line " + std::to_string(there.line) + (there.file == here.file ? "" : " of " + files_[there.file]);
}

}  // namespace sluice::config
