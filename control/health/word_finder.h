// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Looks for a word in a stream of pieces and remembers no more of it than the word is long. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace sluice::health {

class WordFinder {
 public:
  explicit WordFinder(std::string word) : word_(std::move(word)), found_(word_.empty()) {}

  // The next piece; found() from then on when the word ends in it.
  void feed(std::string_view piece) {
    if (found_) return;
    tail_ += piece;
    found_ = tail_.find(word_) != std::string::npos;
    if (tail_.size() >= word_.size()) tail_.erase(0, tail_.size() - (word_.size() - 1));
  }
  [[nodiscard]] bool found() const { return found_; }

 private:
  std::string word_, tail_;
  bool found_;
};

}  // namespace sluice::health
