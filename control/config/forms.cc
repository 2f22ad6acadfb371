// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/forms.h"

#include <charconv>

namespace sluice::config::form {
namespace {

constexpr std::size_t kHashKeyBytes =
    40;  // RSS key of all NICs that matter; Toeplitz of two IPv6 tuples needs it

template <bool four>
std::optional<IpAddress> parse_of_family(std::string_view text) {
  const auto address = parse_address(text);
  return address && address->is_v4() == four ? address : std::nullopt;
}

template <bool four>
std::optional<Prefix> parse_prefix_of_family(std::string_view text) {
  const auto prefix = parse_prefix(text);
  return prefix && prefix->address.is_v4() == four ? prefix : std::nullopt;
}

std::optional<InterfaceAddress> parse_interface_address(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = parse_address(text.substr(0, slash));
  const std::string_view digits = text.substr(slash + 1);
  unsigned length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (!address || error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  if (length == 0 || length > (address->is_v4() ? 32u : 128u)) return std::nullopt;
  return InterfaceAddress{*address, static_cast<std::uint8_t>(length)};
}

std::string print_interface_address(const InterfaceAddress& value) {
  return to_string(value.address) + '/' + std::to_string(value.prefix_length);
}

std::optional<InterfaceAddress> parse_iip(std::string_view text) {
  if (const auto address = parse_address(text)) return InterfaceAddress{*address, 0};
  return parse_interface_address(text);
}

std::string print_iip(const InterfaceAddress& value) {
  return value.prefix_length == 0 ? to_string(value.address) : print_interface_address(value);
}

std::optional<std::vector<std::uint8_t>> parse_hash_key(std::string_view text) {
  std::vector<std::uint8_t> key(text.size() / 2);
  if (!text.empty() && text.size() != 2 * kHashKeyBytes) return std::nullopt;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const char* at = text.data() + 2 * i;
    const auto [end, error] = std::from_chars(at, at + 2, key[i], 16);
    if (error != std::errc{} || end != at + 2) return std::nullopt;
  }
  return key;
}

std::string print_hash_key(const std::vector<std::uint8_t>& key) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : key) (text += kDigits[byte >> 4]) += kDigits[byte & 15];
  return text;
}

std::optional<unsigned> parse_mode(std::string_view text) {
  unsigned mode = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (error != std::errc{} || end != text.data() + text.size() || text.size() < 3 || mode > 0777)
    return std::nullopt;
  return mode;
}

std::string print_mode(const unsigned& mode) {
  std::string digits;
  for (unsigned shift : {9u, 6u, 3u, 0u}) digits += static_cast<char>('0' + (mode >> shift & 7));
  return digits;
}

std::string print_address(const IpAddress& value) {
  return to_string(value);
}
std::string print_mac(const MacAddress& value) {
  return to_string(value);
}
std::string print_prefix(const Prefix& value) {
  return to_string(value);
}

}  // namespace

const kind::Form<IpAddress> kIpv4{"an IPv4 address", "10.0.0.1", parse_of_family<true>, print_address};
const kind::Form<IpAddress> kIpv6{"an IPv6 address", "2001:db8::1", parse_of_family<false>, print_address};
const kind::Form<IpAddress> kAddress{"an address", "10.0.0.11", parse_address, print_address};
const kind::Form<MacAddress> kMac{"a MAC address", "02:00:00:00:00:01", parse_mac, print_mac};
const kind::Form<InterfaceAddress> kInterfaceAddress{"an address with the length of its subnet",
                                                     "10.0.0.10/24", parse_interface_address,
                                                     print_interface_address};
const kind::Form<InterfaceAddress> kIip{"an address, alone or with the length of its subnet", "10.0.0.100/24",
                                        parse_iip, print_iip};
const kind::Form<Prefix> kVip{"an address or a prefix without host bits", "203.0.113.10", parse_prefix,
                              print_prefix};
const kind::Form<Prefix> kPrefix4{"an IPv4 prefix without host bits", "10.255.0.0/16",
                                  parse_prefix_of_family<true>, print_prefix};
const kind::Form<Prefix> kPrefix6{"an IPv6 prefix without host bits", "2001:db8:ff::/64",
                                  parse_prefix_of_family<false>, print_prefix};
const kind::Form<std::vector<std::uint8_t>> kHashKey{
    "40 bytes in hex (80 digits) or empty",
    "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa", parse_hash_key,
    print_hash_key};
const kind::Form<unsigned> kMode{"an octal mode from 000 to 777", "0660", parse_mode, print_mode};
const kind::Form<std::string> kText{"an argument for EAL", "--in-memory",
                                    [](std::string_view text) { return std::optional<std::string>(text); },
                                    [](const std::string& text) { return text; }};

const kind::Form<std::string> kWord{"a word of a command", "/usr/local/sbin/fence", kText.parse, kText.print};

}  // namespace sluice::config::form
