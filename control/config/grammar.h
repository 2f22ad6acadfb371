// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// libconfig's grammar as a machine that takes one token after the other and answers the first that does not
// fit with a sentence. libconfig itself says "syntax error", often lines below the slip, names one line of a
// key given twice, searches groups of keys from end to end, and leaks what it was reading: text that passes
// here gives it no occasion.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::config {

struct Origin {
  std::uint32_t file = 0;  // index into the files of a source
  std::uint32_t line = 0;  // from 1
};

enum class Token : std::uint8_t {
  kName,
  kText,
  kNumber,
  kFraction,
  kBoolean,
  kAssign,
  kEnd,
  kComma,
  kOpen,
  kClose
};

inline constexpr std::size_t kMaxNesting = 32;
inline constexpr std::size_t kMaxKeys = 1000;  // in one group; no section has as many

class Grammar {
 public:
  // `files` outlives the grammar and names the files of origins.
  explicit Grammar(const std::vector<std::string>& files) : files_(files) { open_.push_back({'{', {}}); }

  // The next token; `text` as it stands in the file. A sentence when it does not fit.
  std::optional<std::string> take(Token token, std::string_view text, Origin at);

  // Brackets that are open now, and the innermost of them.
  [[nodiscard]] std::size_t depth() const { return open_.size() - 1; }
  [[nodiscard]] char innermost() const { return open_.back().bracket; }
  [[nodiscard]] Origin innermost_origin() const { return open_.back().at; }
  // A setting is begun and not complete: "name", or "name =".
  [[nodiscard]] bool in_setting() const {
    return open_.back().state != State::kFirst && open_.back().state != State::kAfterValue;
  }
  [[nodiscard]] std::string what_is_missing() const;

 private:
  enum class State : std::uint8_t { kFirst, kAfterName, kBeforeValue, kAfterValue };
  struct Bracket {
    char bracket;  // { ( [, or { for the whole text
    Origin at;
    State state = State::kFirst;              // of a list: kBeforeValue follows a comma
    Token last = Token::kOpen;                // the last token directly inside
    Token values = Token::kOpen;              // what a [ ] holds; kOpen = nothing yet
    std::string key = {};                     // of the setting under way
    std::map<std::string, Origin> keys = {};  // of a group
  };

  std::optional<std::string> in_group(Token token, std::string_view text, Origin at);
  std::optional<std::string> in_list(Token token, std::string_view text);
  std::optional<std::string> name(std::string_view text, Origin at);
  std::optional<std::string> value(Token token, std::string_view text);
  std::optional<std::string> open(std::string_view text, Origin at);
  std::optional<std::string> close(std::string_view text, Origin at);
  std::string line_of(Origin there, Origin here) const;

  const std::vector<std::string>& files_;
  std::vector<Bracket> open_;
};

}  // namespace sluice::config
