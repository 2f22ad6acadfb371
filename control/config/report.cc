// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/report.h"

#include <algorithm>

namespace sluice::config {
namespace {

// The path of what holds the value at `path`; "" for a section of the file.
std::string parent(const std::string& path) {
  const auto cut = path.find_last_of(".[");
  return cut == std::string::npos ? std::string() : path.substr(0, cut);
}

}  // namespace

Report::Scope Report::key(std::string_view name) {
  const std::size_t length = path_.size();
  if (!path_.empty()) path_ += '.';
  path_ += name;
  return {*this, length};
}

Report::Scope Report::element(std::size_t index) {
  const std::size_t length = path_.size();
  path_ += '[' + std::to_string(index) + ']';
  return {*this, length};
}

Report::Scope Report::instead(std::string_view other) {
  const std::size_t length = parent(path_).size();
  std::string cut = path_.substr(length);
  path_.resize(length);
  if (!path_.empty()) path_ += '.';
  path_ += other;
  return {*this, length, std::move(cut)};
}

void Report::add_at(std::string path, std::string what) {
  for (std::string up = path; !up.empty() && holds_unread_.insert(up).second;) up = parent(up);
  unread_.insert(path);
  findings_.push_back({std::move(path), std::move(what)});
}

void Report::broken(const std::string& path, std::string what, const std::vector<std::string>& judged) {
  if (!std::all_of(judged.begin(), judged.end(), [this](const std::string& value) { return trusted(value); }))
    return;
  findings_.push_back({path, std::move(what)});
}

bool Report::trusted(std::string path) const {
  if (holds_unread_.contains(path)) return false;
  for (; !path.empty(); path = parent(path))
    if (unread_.contains(path)) return false;
  return true;
}

unsigned Report::row_of(std::string path) const {
  for (; !path.empty(); path = parent(path))
    if (const auto found = rows_.find(path); found != rows_.end()) return found->second;
  return source_ == nullptr ? 0 : 1;
}

std::string Report::line_of(const std::string& path, const std::string& here) const {
  if (source_ == nullptr) return {};
  const Origin there = source_->origin(row_of(path));
  const std::string line = "line " + std::to_string(there.line);
  return there.file == source_->origin(row_of(here)).file ? line : line + " of " + source_->files[there.file];
}

std::vector<Problem> Report::problems() const {
  std::vector<std::pair<unsigned, const Finding*>> ordered;
  ordered.reserve(findings_.size());
  for (const Finding& finding : findings_) ordered.emplace_back(row_of(finding.path), &finding);
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Problem> problems;
  problems.reserve(ordered.size());
  for (const auto& [row, finding] : ordered)
    problems.push_back(source_ == nullptr ? Problem{"", 0, finding->what}
                                          : source_->problem(row, finding->what));
  return problems;
}

}  // namespace sluice::config
