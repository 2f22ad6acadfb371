// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Collects what is wrong while someone walks over a tree or a model. Every value has a path
// ("services[3].groups[0].dips[2].weight"); the reader says which row each path was written at, so that rules
// which know nothing of files can still name lines.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "control/config/source.h"

namespace sluice::config {

class Report {
 public:
  // Lengthens the path for as long as it lives.
  class Scope {
   public:
    ~Scope() {
      report_.path_.resize(length_);
      report_.path_ += cut_;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    friend class Report;
    Scope(Report& report, std::size_t length, std::string cut = {})
        : report_(report), length_(length), cut_(std::move(cut)) {}
    Report& report_;
    std::size_t length_;
    std::string cut_;  // what stood behind the first `length_` characters
  };

  // `source` may be null: then no path has a line.
  explicit Report(const Source* source = nullptr) : source_(source) {}

  [[nodiscard]] Scope key(std::string_view name);
  [[nodiscard]] Scope element(std::size_t index);
  // `other` in place of the last key: for a key that is another way to write that one.
  [[nodiscard]] Scope instead(std::string_view other);

  // The value at the current path was written at `row`.
  void place(unsigned row) { rows_[path_] = row; }

  // Something is wrong at the current path; the second form names a path below it. The value there keeps its
  // default, so rules about it are not to be trusted.
  void add(std::string what) { add_at(path_, std::move(what)); }
  void add_below(std::string_view key, std::string what) {
    add_at(path_ + '.' + std::string(key), std::move(what));
  }

  // A rule is broken at `path`. Says nothing when one of the values it judged could not be read.
  void broken(const std::string& path, std::string what, const std::vector<std::string>& judged);
  void broken(std::string what) { broken(path_, std::move(what), {path_}); }

  // "line 12", "line 12 of other.conf" (when `here` lies in another file), or "" when it has no line.
  [[nodiscard]] std::string line_of(const std::string& path, const std::string& here) const;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool empty() const { return findings_.empty(); }
  // All problems, in the order of the rows.
  [[nodiscard]] std::vector<Problem> problems() const;

 private:
  struct Finding {
    std::string path, what;
  };
  void add_at(std::string path, std::string what);
  [[nodiscard]] bool trusted(std::string path) const;     // read in whole, or never given
  [[nodiscard]] unsigned row_of(std::string path) const;  // its own or that of the value that holds it

  const Source* source_;
  std::string path_;
  std::unordered_map<std::string, unsigned> rows_;
  std::unordered_set<std::string> unread_;        // paths of values that could not be read
  std::unordered_set<std::string> holds_unread_;  // the same, and the paths of all that holds them
  std::vector<Finding> findings_;
};

}  // namespace sluice::config
