// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/rpc/parameters.h"

#include <algorithm>

namespace sluice::rpc {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const Method& method, const std::string& what) {
  throw Error(kInvalidParams, method.name + ": " + what);
}

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

std::vector<std::string> names_of(const Method& method) {
  std::vector<std::string> names;
  for (const Parameter& parameter : method.parameters) names.push_back(parameter.name);
  return names;
}

bool has_type(const json& value, Type type) {
  switch (type) {
    case Type::kString:
      return value.is_string();
    case Type::kInteger:
      return value.is_number_integer();
    case Type::kNumber:
      return value.is_number();
    case Type::kBoolean:
      return value.is_boolean();
    case Type::kArray:
      return value.is_array();
    case Type::kObject:
      return value.is_object();
    case Type::kAny:
      return true;
  }
  return false;
}

void check_range(const Method& method, const Parameter& parameter, const json& value) {
  // An integer above int64 reads as unsigned; it is above every maximum, and too much for any handler.
  const bool huge =
      value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
  const std::int64_t low = parameter.minimum.value_or(INT64_MIN);
  const std::int64_t high = parameter.maximum.value_or(INT64_MAX);
  if (!huge && value.get<std::int64_t>() >= low && value.get<std::int64_t>() <= high) return;
  std::string range = "at most " + std::to_string(high);
  if (parameter.minimum && parameter.maximum) {
    range = std::to_string(low) + " to " + std::to_string(high);
  } else if (parameter.minimum && !huge) {
    range = "at least " + std::to_string(low);
  }
  refuse(method, "parameter \"" + parameter.name + "\" is " + value.dump() + ", it must be " + range);
}

void check_value(const Method& method, const Parameter& parameter, const json& value) {
  if (!has_type(value, parameter.type)) {
    refuse(method, "parameter \"" + parameter.name + "\" must be of type " + type_word(parameter.type) +
                       ", not " + value.type_name());
  }
  if (parameter.type == Type::kInteger) check_range(method, parameter, value);
  if (parameter.type != Type::kString || parameter.choices.empty()) return;
  const std::string& word = value.get_ref<const std::string&>();
  if (std::ranges::find(parameter.choices, word) == parameter.choices.end()) {
    refuse(method, "parameter \"" + parameter.name + "\" is " + shown(word) + ", it must be one of " +
                       join(parameter.choices) + did_you_mean(word, parameter.choices));
  }
}

}  // namespace

const char* type_word(Type type) {
  switch (type) {
    case Type::kString:
      return "string";
    case Type::kInteger:
      return "integer";
    case Type::kNumber:
      return "number";
    case Type::kBoolean:
      return "boolean";
    case Type::kArray:
      return "array";
    case Type::kObject:
      return "object";
    case Type::kAny:
      return "any";
  }
  return "any";
}

json checked_parameters(const Method& method, const json& params) {
  if (!params.is_object() && !params.is_null()) {
    refuse(method, std::string("parameters go by name, in an object, not in ") + params.type_name());
  }
  json checked = json::object();
  for (const auto& [name, value] : params.items()) {
    const auto found = std::ranges::find(method.parameters, name, &Parameter::name);
    if (found == method.parameters.end()) {
      const std::string known =
          method.parameters.empty() ? "it takes none" : "it takes " + join(names_of(method));
      refuse(method,
             "unknown parameter " + shown(name) + "; " + known + did_you_mean(name, names_of(method)));
    }
    if (value.is_null()) continue;
    check_value(method, *found, value);
    checked[name] = value;
  }
  for (const Parameter& parameter : method.parameters) {
    if (parameter.required && !checked.contains(parameter.name)) {
      refuse(method, "parameter \"" + parameter.name + "\" (" + type_word(parameter.type) + ") is missing" +
                         (parameter.help.empty() ? "" : ": " + parameter.help));
    }
  }
  return checked;
}

}  // namespace sluice::rpc
