// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/ctl/values.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "control/ctl/arguments.h"
#include "control/rpc/names.h"

namespace sluice::ctl {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& label, const std::string& word, const std::string& right) {
  throw UsageError(label + " " + rpc::shown(word) + " is not right: " + right);
}

template <typename T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

bool is_address(int family, std::string_view text) {
  in6_addr bytes{};
  return ::inet_pton(family, std::string(text).c_str(), &bytes) == 1;
}

bool is_bare_address(std::string_view text) {
  return is_address(AF_INET, text) || is_address(AF_INET6, text);
}

// "a.b.c.d:p" or "[v6]:p".
bool is_endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || !number<std::uint16_t>(text.substr(colon + 1))) return false;
  const std::string_view host = text.substr(0, colon);
  if (host.starts_with('['))
    return host.ends_with(']') && is_address(AF_INET6, host.substr(1, host.size() - 2));
  return is_address(AF_INET, host);
}

bool is_prefix(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return is_bare_address(text);
  const auto bits = number<unsigned>(text.substr(slash + 1));
  const std::string_view address = text.substr(0, slash);
  return bits &&
         ((is_address(AF_INET, address) && *bits <= 32) || (is_address(AF_INET6, address) && *bits <= 128));
}

const char* const kAddressForm =
    "write an address as 10.1.0.11, 10.1.0.11:8080, 2001:db8::1 or [2001:db8::1]:8080";

json weighted_dip(const std::string& label, const std::string& word) {
  const auto star = word.rfind('*');
  std::string address = word.substr(0, star);
  json dip = json::object();
  if (is_endpoint(address)) {
    const auto colon = address.rfind(':');
    dip["port"] = *number<std::uint16_t>(std::string_view(address).substr(colon + 1));
    address.erase(colon);
    if (address.starts_with('[')) address = address.substr(1, address.size() - 2);
  } else if (!is_bare_address(address)) {
    refuse(label, word, "write an address, and perhaps a port and a weight, as 10.1.0.11:8080*2");
  }
  dip["address"] = address;
  if (star != std::string::npos) {
    const auto weight = number<std::uint32_t>(std::string_view(word).substr(star + 1));
    if (!weight) refuse(label, word, "the weight after the * is a whole number, as in 10.1.0.11*2");
    dip["weight"] = *weight;
  }
  return dip;
}

}  // namespace

json value_of(Kind kind, const std::string& label, const std::string& word) {
  if (word.empty()) throw UsageError(label + " is empty");
  switch (kind) {
    case Kind::kInteger: {
      const auto value = number<std::int64_t>(word);
      if (!value) refuse(label, word, "it is a whole number");
      return *value;
    }
    case Kind::kFile:
      return std::filesystem::absolute(word).lexically_normal().string();
    case Kind::kAddress:
      if (!is_bare_address(word) && !is_endpoint(word)) refuse(label, word, kAddressForm);
      return word;
    case Kind::kPrefix:
      if (!is_prefix(word)) refuse(label, word, "write an address, or a prefix as 203.0.113.0/24");
      return word;
    case Kind::kEndpoint:
      if (!is_endpoint(word)) {
        refuse(label, word, "write address and port as 192.0.2.1:40000 or [2001:db8::1]:40000");
      }
      return word;
    case Kind::kDip:
      return weighted_dip(label, word);
    case Kind::kText:
    case Kind::kFlag:
      break;
  }
  return word;
}

}  // namespace sluice::ctl
