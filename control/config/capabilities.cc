// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/capabilities.h"

#include <sys/capability.h>

#include <sstream>

namespace sluice::config {
namespace {

constexpr std::string_view kPrefix = "cap_";

}  // namespace

std::optional<unsigned> capability_named(std::string_view name) {
  std::string whole(name.starts_with(kPrefix) ? "" : kPrefix);
  whole += name;
  cap_value_t value = 0;
  if (cap_from_name(whole.c_str(), &value) != 0) return std::nullopt;
  return static_cast<unsigned>(value);
}

std::string names_of(CapabilitySet set) {
  std::string names;
  for (unsigned i = 0; i < 64; ++i) {
    if (!(set >> i & 1)) continue;
    char* name = cap_to_name(static_cast<cap_value_t>(i));
    if (!names.empty()) names += ' ';
    names += name ? std::string_view(name).substr(kPrefix.size()) : std::to_string(i);
    cap_free(name);
  }
  return names.empty() ? "none" : names;
}

std::vector<std::string> capability_words(std::string_view value) {
  std::istringstream in{std::string(value)};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

CapabilitySet capabilities_of(std::string_view value, CapabilitySet automatic) {
  CapabilitySet set = 0;
  for (const std::string& word : capability_words(value)) {
    if (word == kAutomatically)
      set |= automatic;
    else if (const auto number = capability_named(word))
      set |= CapabilitySet{1} << *number;
  }
  return set;
}

}  // namespace sluice::config
