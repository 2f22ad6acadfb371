// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/metrics/text.h"

#include <charconv>
#include <cmath>
#include <stdexcept>

namespace sluice::metrics {
namespace {

bool is_name(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  for (const char c : text) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!fine) return false;
  }
  return true;
}

// In HELP a backslash and a newline are escaped, in label values a quote as well.
void escape(std::string& out, std::string_view text, bool quote) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quote) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, result.ptr};
}

}  // namespace

void Text::counter(std::string_view name, std::string_view help) {
  if (!name.ends_with("_total"))
    throw std::logic_error("counter " + std::string(name) + " must end in _total");
  family(name, help, "counter");
}

void Text::gauge(std::string_view name, std::string_view help) {
  if (name.ends_with("_total"))
    throw std::logic_error("gauge " + std::string(name) + " must not end in _total");
  family(name, help, "gauge");
}

void Text::family(std::string_view name, std::string_view help, std::string_view type) {
  if (!is_name(name)) throw std::logic_error("\"" + std::string(name) + "\" is no metric name");
  if (!used_.emplace(name).second) throw std::logic_error("metric " + std::string(name) + " is begun twice");
  name_ = name;
  out_.append("# HELP ").append(name).append(" ");
  escape(out_, help, false);
  out_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void Text::sample(const Labels& labels, double value) {
  line(labels, number(value));
}

void Text::line(const Labels& labels, const std::string& value) {
  if (name_.empty()) throw std::logic_error("a sample before its family");
  out_ += name_;
  char before = '{';
  for (const auto& [label, text] : labels) {
    if (!is_name(label)) throw std::logic_error("\"" + std::string(label) + "\" is no label name");
    out_ += std::exchange(before, ',');
    out_.append(label).append("=\"");
    escape(out_, text, true);
    out_ += '"';
  }
  if (!labels.empty()) out_ += '}';
  out_.append(" ").append(value).append("\n");
}

std::string Text::take() {
  name_.clear();
  used_.clear();
  return std::exchange(out_, {});
}

}  // namespace sluice::metrics
