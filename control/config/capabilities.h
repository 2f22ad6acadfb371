// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Linux capabilities (capabilities(7)) by name, as configurations write them: "net_admin", with or without
// "cap_" in front. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::config {

using CapabilitySet = std::uint64_t;  // bit N: capability number N

inline constexpr char kAutomatically[] = "auto";  // what the rest of the file needs

std::optional<unsigned> capability_named(std::string_view name);
// "net_admin net_raw" in the order of their numbers; "none".
std::string names_of(CapabilitySet set);
// The words of a value: "auto net_raw" -> both.
std::vector<std::string> capability_words(std::string_view value);
// What a value asks for, with `automatic` in place of "auto"; words that are no capability count for nothing
// (rules::capabilities refuses them).
CapabilitySet capabilities_of(std::string_view value, CapabilitySet automatic);

}  // namespace sluice::config
