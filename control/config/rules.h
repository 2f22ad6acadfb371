// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Rules for one value, as table rows use them: "" when it is kept, else a sentence that begins with the key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/wire/address.h"

namespace sluice::config::rules {

// Names of services, groups and ports: they appear in commands, metrics and file names.
std::string name(std::string_view key, const std::string& value);
// Text without control characters; `may_be_empty` as it says.
std::string plain(std::string_view key, const std::string& value, bool may_be_empty);
// Text without control characters and blanks.
std::string one_word(std::string_view key, const std::string& value);
// A path that fits into sockaddr_un (unix(7): 108 bytes with the final zero).
std::string socket_path(std::string_view key, const std::string& value);
// "", "auto", or the absolute path of a file.
std::string state_file(std::string_view key, const std::string& value);
// "" or ADDRESS:PORT.
std::string endpoint(std::string_view key, const std::string& value);
// "" or a name that the kernel takes for an interface (IFNAMSIZ 16, dev_valid_name in net/core/dev.c).
std::string interface_name(std::string_view key, const std::string& value);
// A program by its whole path and its arguments, or nothing; bounded, without control characters.
std::string command(std::string_view key, const std::vector<std::string>& words);
// Names of capabilities, and "auto", with blanks between; or nothing.
std::string capabilities(std::string_view key, const std::string& value);
// An address that one host can have and others can reach: not 0.0.0.0, ::, loopback, multicast, broadcast.
// `what` begins the sentence.
std::string host_address(const std::string& what, const IpAddress& address);
std::string slots(std::uint32_t value);
// 0, which leaves the size to Sluice, or a table that is worth its overhead.
std::string flow_entries(std::uint32_t value);
// A kernel table that the kernel does not keep for itself.
std::string route_table(std::uint32_t value);
// A route protocol that no routing daemon writes: BIRD 12, babeld 42, FRR 186 to 198; 201 marks Sluice's own
// default routes.
std::string route_protocol(std::uint8_t value);

inline constexpr std::uint32_t kMinSlots = 7, kMaxSlots = 4294967;
inline constexpr std::uint32_t kMinFlows = 1024, kMaxFlows = 100'000'000;

}  // namespace sluice::config::rules
