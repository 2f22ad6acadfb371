// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What the rules over a whole model say alike: paths of elements, things given twice, too many of them.
// Inside this room only.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "control/config/model.h"
#include "control/config/report.h"

namespace sluice::config {

// The rules about IIPs (validate_addresses.cc).
void judge_addresses(Report& report, const Model& model);

namespace judging {

inline std::string at(const std::string& list, std::size_t index) {
  return list + '[' + std::to_string(index) + ']';
}

// Says that `what` was given before: both lines, when there are lines. `first` and `again` are the paths that
// it is made of; the first of each is where it stands.
inline void twice(Report& report, std::vector<std::string> first, const std::vector<std::string>& again,
                  const std::string& what, const std::string& right) {
  const std::string line = report.line_of(first[0], again[0]);
  first.insert(first.end(), again.begin(), again.end());
  report.broken(again[0], what + " is given already" + (line.empty() ? "" : " at " + line) + "; " + right,
                first);
}

// `value_of(element)` must differ within the list at `list`; elements without a value do not count. It is
// made of `keys` of the element and reported at the first of them; without keys it is the whole element.
template <class T, class ValueOf>
void all_differ(Report& report, const std::string& list, const std::vector<T>& elements,
                const std::vector<std::string>& keys, ValueOf value_of, const std::string& right) {
  std::unordered_map<std::string, std::size_t> first;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const std::string value = value_of(elements[i]);
    if (value.empty()) continue;
    const auto [earlier, is_new] = first.try_emplace(value, i);
    if (is_new) continue;
    std::vector<std::string> before{at(list, earlier->second)}, now{at(list, i)};
    for (const std::string& key : keys) {
      before.push_back(before[0] + '.' + key);
      now.push_back(now[0] + '.' + key);
    }
    if (!keys.empty()) {
      before.erase(before.begin());
      now.erase(now.begin());
    }
    twice(report, before, now, value, right);
  }
}

// What the dataplane has room for.
inline void judge_count(Report& report, const std::string& path, const std::string& what, std::size_t count,
                        std::size_t most) {
  if (count > most)
    report.broken(
        path,
        std::to_string(count) + ' ' + what + " are too many; at most " + std::to_string(most) + " have room",
        {});
}

}  // namespace judging
}  // namespace sluice::config
