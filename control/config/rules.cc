// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/rules.h"

#include <algorithm>

#include "control/config/address_port.h"
#include "control/config/capabilities.h"
#include "control/config/key.h"
#include "control/config/model.h"

namespace sluice::config::rules {
namespace {

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

bool is_prime(std::uint32_t n) {
  if (n < 2) return false;
  for (std::uint32_t d = 2; d * d <= n; ++d)
    if (n % d == 0) return false;
  return true;
}

// The smaller one of two that are equally near.
std::uint32_t nearest_prime(std::uint32_t n) {
  for (std::uint32_t away = 0;; ++away) {
    if (n >= kMinSlots + away && is_prime(n - away)) return n - away;
    if (n + away <= kMaxSlots && is_prime(n + away)) return n + away;
  }
}

std::string equals(std::string_view key, const std::string& value) {
  return std::string(key) + " = " + quote(value);
}

}  // namespace

std::string name(std::string_view key, const std::string& value) {
  const bool fits =
      !value.empty() && value.size() <= 63 && std::all_of(value.begin(), value.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == '-';
      });
  if (fits && value.front() != '-') return {};
  return equals(key, value) +
         " is no name; write 1 to 63 letters, digits, '.', '_' or '-', and not '-' first";
}

std::string plain(std::string_view key, const std::string& value, bool may_be_empty) {
  if (value.empty() && !may_be_empty)
    return std::string(key) + " is empty; write something between the quotes";
  if (std::none_of(value.begin(), value.end(), is_control)) return {};
  return equals(key, value) + " holds a control character; remove it";
}

std::string one_word(std::string_view key, const std::string& value) {
  if (value.find(' ') != std::string::npos) return equals(key, value) + " holds a blank; remove it";
  return plain(key, value, true);
}

std::string socket_path(std::string_view key, const std::string& value) {
  if (!value.starts_with('/') || value.ends_with('/'))
    return equals(key, value) +
           " is not the path of a socket; write one that begins with / and ends with a name";
  if (value.size() > 107)
    return std::string(key) + " is " + std::to_string(value.size()) +
           " bytes long; write a path of at most 107";
  return plain(key, value, false);
}

std::string state_file(std::string_view key, const std::string& value) {
  if (value.empty() || value == kBesideTheSocket) return {};
  if (!value.starts_with('/') || value.ends_with('/'))
    return equals(key, value) +
           " is not the path of a file; write one that begins with / and ends with a name, \"auto\", or \"\"";
  return plain(key, value, false);
}

std::string endpoint(std::string_view key, const std::string& value) {
  const auto parsed = parse_address_port(value);
  if (value.empty() || (parsed && parsed->port != 0)) return {};
  return equals(key, value) + " is not ADDRESS:PORT; write one as in \"127.0.0.1:9107\" or \"[::1]:9107\"";
}

std::string interface_name(std::string_view key, const std::string& value) {
  if (value.size() > 15)
    return equals(key, value) + " has " + std::to_string(value.size()) +
           " characters; the kernel takes at most 15";
  const bool odd = value == "." || value == ".." || std::any_of(value.begin(), value.end(), [](char c) {
                     return is_control(c) || c == ' ' || c == '/' || c == ':' || c == '%';
                   });
  return odd ? equals(key, value) + " is no name for an interface; write letters and digits" : std::string();
}

std::string command(std::string_view key, const std::vector<std::string>& words) {
  constexpr std::size_t kMostWords = 64, kMostBytes = 1024;
  if (words.empty()) return {};
  if (!words[0].starts_with('/'))
    return std::string(key) + " begins with " + quote(words[0]) +
           "; write the whole path of a program, as in \"/usr/local/sbin/fence\"";
  if (words.size() > kMostWords)
    return std::string(key) + " has " + std::to_string(words.size()) + " words; write at most " +
           std::to_string(kMostWords);
  for (const std::string& word : words) {
    if (word.size() > kMostBytes)
      return std::string(key) + " has a word of " + std::to_string(word.size()) + " bytes; write at most " +
             std::to_string(kMostBytes);
    if (auto what = plain("a word of " + std::string(key), word, true); !what.empty()) return what;
  }
  return {};
}

std::string capabilities(std::string_view key, const std::string& value) {
  for (const std::string& word : capability_words(value)) {
    if (word != kAutomatically && !capability_named(word))
      return equals(key, value) + ": there is no capability " + quote(word) +
             R"(; write names as in capabilities(7), as in "auto net_bind_service")";
  }
  return {};
}

std::string host_address(const std::string& what, const IpAddress& address) {
  const bool broadcast = address.is_v4() && address.v4() == Big32(0xffffffff);
  const char* kind = address.is_unspecified() ? "the unspecified address"
                     : address.is_loopback()  ? "a loopback address"
                     : address.is_multicast() ? "a multicast address"
                     : broadcast              ? "the broadcast address"
                                              : nullptr;
  return kind == nullptr ? std::string() : what + " is " + kind + "; write an address that one host has";
}

std::string slots(std::uint32_t value) {
  if (value < kMinSlots || value > kMaxSlots || is_prime(value)) return {};  // the range has its own sentence
  return "slots = " + std::to_string(value) + " is not a prime; the nearest one is " +
         std::to_string(nearest_prime(value));
}

std::string flow_entries(std::uint32_t value) {
  if (value == 0 || value >= kMinFlows) return {};
  return "flows = " + std::to_string(value) + " is too few for a table; write " + std::to_string(kMinFlows) +
         " or more, or 0 for a share of dataplane.flows";
}

std::string route_table(std::uint32_t value) {
  constexpr std::uint32_t kLocal = 255;  // RT_TABLE_LOCAL
  return value == kLocal ? "route_table = 255 is the kernel's own table of local addresses; write another, "
                           "as in 202"
                         : std::string();
}

std::string route_protocol(std::uint8_t value) {
  const bool is_daemon = value == 12 || value == 42 || (value >= 186 && value <= 198);
  if (!is_daemon && value != 201) return {};
  return "route_protocol = " + std::to_string(value) + " is that of " +
         (is_daemon ? "a routing daemon" : "Sluice's own default routes") + "; write another, as in 202";
}

}  // namespace sluice::config::rules
