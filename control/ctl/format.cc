// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// One value and its unit; render.cc puts them into lines.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>

#include "control/ctl/render.h"

namespace sluice::ctl {
namespace {

using nlohmann::json;

// "1.25", "12.5", "125": three digits, none of them for nothing.
std::string short_number(double value) {
  char buffer[32];
  const double size = std::fabs(value);
  std::snprintf(buffer, sizeof buffer, "%.*f", size < 9.995 ? 2 : size < 99.95 ? 1 : 0, value);
  std::string text = buffer;
  if (text.find('.') == std::string::npos) return text;
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

template <std::size_t N>
std::string scaled(double value, double step, const std::array<const char*, N>& units) {
  std::size_t unit = 0;
  while (unit + 1 < N && std::fabs(value) >= step * 0.9995) {
    value /= step;
    ++unit;
  }
  return short_number(value) + (units[unit][0] ? " " : "") + units[unit];
}

std::string bytes(double value) {
  static constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  return scaled(value, 1024, kUnits);
}

std::string rate(double value, const char* unit) {
  static constexpr std::array kUnits = {"", "k", "M", "G", "T", "P"};
  std::string text = scaled(value, 1000, kUnits);
  if (text.find(' ') == std::string::npos) text += ' ';
  return text + unit;
}

std::string duration(double seconds) {
  if (seconds < 0) return "-" + duration(-seconds);
  if (seconds < 60) return short_number(seconds) + " s";
  // Beyond int64 there is no calendar either.
  const auto whole = static_cast<std::uint64_t>(std::min(seconds, 9e18));
  struct Unit {
    std::uint64_t length;
    const char* name;
  };
  static constexpr std::array<Unit, 4> kUnits = {{{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}}};
  // The largest unit that fits and the one below it.
  std::size_t i = 0;
  while (whole < kUnits[i].length) ++i;
  std::string text = std::to_string(whole / kUnits[i].length) + " " + kUnits[i].name;
  const std::uint64_t rest = i + 1 < kUnits.size() ? whole % kUnits[i].length / kUnits[i + 1].length : 0;
  if (rest > 0) text += " " + std::to_string(rest) + " " + kUnits[i + 1].name;
  return text;
}

std::string grouped(const std::string& digits) {
  const std::size_t sign = digits.starts_with("-") ? 1 : 0;
  std::string out = digits;
  for (std::size_t at = digits.size(); at > sign + 3;) {
    at -= 3;
    out.insert(at, ",");
  }
  return out;
}

// Numbers that name something; separators would make them unreadable.
bool names_something(const std::string& key) {
  static constexpr std::array kNames = {"port", "slot", "lcore", "vlan", "id", "pid", "index", "hash"};
  return std::ranges::find(kNames, key) != kNames.end() || key.ends_with("_port") || key.ends_with("_slot") ||
         key.ends_with("_id");
}

bool is_bytes(const std::string& key) {
  return key == "bytes" || key.ends_with("_bytes");
}

std::string plain_number(const std::string& key, const json& value) {
  if (value.is_number_float()) {
    const double number = value.get<double>();
    return std::isfinite(number) ? short_number(number) : "-";
  }
  return names_something(key) ? value.dump() : grouped(value.dump());
}

std::string format_number(const std::string& key, const json& value) {
  const double number = value.get<double>();
  if (key == "mtu_bytes") return value.dump() + " B";  // nobody calls it 1.46 KiB
  if (is_bytes(key)) return bytes(number);
  if (key.ends_with("bytes_per_s")) return bytes(number) + "/s";
  if (key.ends_with("_ms")) return plain_number(key, value) + " ms";
  if (key.ends_with("_pps")) return rate(number, "pps");
  if (key.ends_with("_bps")) return rate(number, "bit/s");
  if (key.ends_with("_per_s")) return rate(number, "/s");
  if (key.ends_with("_percent")) return short_number(number) + " %";
  if (key.ends_with("_s")) return duration(number);
  return plain_number(key, value);
}

}  // namespace

std::string harmless(const std::string& text, bool keep_lines) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool line = keep_lines && (byte == '\n' || byte == '\t');
    // U+0080 to U+009F are control characters too, written as C2 80 to C2 9F.
    const bool high = byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (high) ++i;
    out += high || (!line && (byte < 0x20 || byte == 0x7f)) ? '?' : text[i];
  }
  return out;
}

std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string title_of(const std::string& key) {
  std::string title = key;
  const auto drop = [&title](const std::string& unit) {
    const bool has = title.size() > unit.size() && title.ends_with(unit);
    if (has) title.erase(title.size() - unit.size());
    return has;
  };
  if (drop("_pps") || drop("_bps") || drop("_per_s")) {
    if (!title.ends_with("rate")) title += "_rate";
  } else if (!drop("_percent") && !drop("_ms")) {
    drop("_s");
  }
  std::ranges::replace(title, '_', ' ');
  return harmless(title);
}

std::string format_value(const std::string& key, const json& value) {
  switch (value.type()) {
    case json::value_t::null:
    case json::value_t::discarded:
      return "-";
    case json::value_t::boolean:
      return value.get<bool>() ? "yes" : "no";
    case json::value_t::string: {
      const std::string text = harmless(value.get<std::string>());
      return text.empty() ? "-" : text;
    }
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
    case json::value_t::number_float:
      return format_number(key, value);
    case json::value_t::array: {
      std::string text;
      for (const json& one : value) text += (text.empty() ? "" : ", ") + format_value(key, one);
      return text.empty() ? "-" : text;
    }
    case json::value_t::object: {
      std::string text;
      for (const auto& [name, one] : value.items()) {
        text += (text.empty() ? "" : " ") + title_of(name) + " " + format_value(name, one);
      }
      return text.empty() ? "-" : text;
    }
    case json::value_t::binary:
      return "(bytes)";
  }
  return "-";
}

}  // namespace sluice::ctl
