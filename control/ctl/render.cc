// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/ctl/render.h"

#include <algorithm>

namespace sluice::ctl {
namespace {

using nlohmann::json;

bool is_table(const json& value) {
  return value.is_array() && !value.empty() &&
         std::ranges::all_of(value, [](const json& row) { return row.is_object(); });
}

// Several sentences, as a reload answers; words and numbers fit into one line.
bool is_text_list(const json& value) {
  return value.is_array() && value.size() > 1 && std::ranges::any_of(value, [](const json& one) {
           return one.is_string() && one.get_ref<const std::string&>().find(' ') != std::string::npos;
         });
}

// A nested value that deserves lines of its own.
bool is_block(const json& value) {
  return is_table(value) || is_text_list(value) || (value.is_object() && !value.empty());
}

// A table some cells of which are tables themselves.
bool is_nested_table(const json& value) {
  return is_table(value) && std::ranges::any_of(value, [](const json& row) {
           return std::ranges::any_of(row, [](const json& cell) { return is_block(cell); });
         });
}

std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::string blanks(width - std::min(width, width_of(text)), ' ');
  return right ? blanks + text : text + blanks;
}

std::string trimmed(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string indented(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1);
    if (end > at) out += "  ";
    out += text.substr(at, end + 1 - at);
    at = end + 1;
  }
  return out;
}

// The keys of all rows, in the order in which they first come.
std::vector<std::string> keys_of(const json& rows) {
  std::vector<std::string> keys;
  for (const json& row : rows) {
    for (const auto& [key, value] : row.items()) {
      if (std::ranges::find(keys, key) == keys.end()) keys.push_back(key);
    }
  }
  return keys;
}

// `first` in its order as far as the object has them, then the object's others.
std::vector<std::string> ordered_keys(const std::vector<std::string>& first, const json& object) {
  std::vector<std::string> keys;
  for (const std::string& key : first) {
    if (object.contains(key)) keys.push_back(key);
  }
  for (const auto& [key, value] : object.items()) {
    if (std::ranges::find(first, key) == first.end()) keys.push_back(key);
  }
  return keys;
}

std::string render_record(const std::vector<std::string>& first, const json& object) {
  const std::vector<std::string> keys = ordered_keys(first, object);
  std::size_t width = 0;
  for (const std::string& key : keys) {
    if (!is_block(object[key])) width = std::max(width, width_of(title_of(key)));
  }
  std::string out;
  // One-line fields first: a block between them would tear the alignment apart.
  for (const std::string& key : keys) {
    if (is_block(object[key])) continue;
    out += trimmed(padded(title_of(key), width, false) + "  " + format_value(key, object[key]));
  }
  for (const std::string& key : keys) {
    if (is_block(object[key])) out += title_of(key) + "\n" + indented(render_any(object[key]));
  }
  return out;
}

std::string text_of(const json& result) {
  const json& text = result.is_object() && result.contains("text") ? result["text"] : result;
  if (!text.is_string()) return render_any(result);
  std::string out = harmless(text.get<std::string>(), true);
  if (!out.ends_with('\n')) out += '\n';
  return out;
}

json counted_rows(const std::string& counter, const json& rows) {
  if (counter.empty()) return rows;
  json kept = json::array();
  for (const json& row : rows) {
    if (row.value(counter, json()) != 0) kept.push_back(row);
  }
  return kept;
}

// Changes answer null, true or an empty object when there is nothing to tell.
std::string done(const json& result) {
  const bool silent = result.is_null() || (result.is_boolean() && result.get<bool>()) ||
                      (result.is_structured() && result.empty());
  if (silent) return "done\n";
  const json list = result.is_object() ? result.value("done", json()) : json();
  if (!list.is_array()) return render_any(result);
  return list.empty() ? "nothing to change\n" : render_any(list);
}

}  // namespace

std::string render_table(const std::vector<std::string>& keys, const json& rows) {
  struct Column {
    std::vector<std::string> cells;
    std::size_t width = 0;
    bool right = true;  // all its values are numbers
  };
  std::vector<Column> columns;
  for (const std::string& key : keys) {
    Column column;
    column.cells.push_back(title_of(key));
    for (const json& row : rows) {
      const json value = row.is_object() ? row.value(key, json()) : json();
      if (!value.is_number() && !value.is_null()) column.right = false;
      column.cells.push_back(format_value(key, value));
    }
    for (const std::string& cell : column.cells) column.width = std::max(column.width, width_of(cell));
    columns.push_back(std::move(column));
  }
  std::string out;
  for (std::size_t row = 0; row <= rows.size(); ++row) {
    std::string line;
    for (const Column& column : columns) {
      line += (line.empty() ? "" : "  ") + padded(column.cells[row], column.width, column.right);
    }
    out += trimmed(line);
  }
  return out;
}

std::string render_any(const json& value) {
  if (is_nested_table(value)) {
    std::string out;
    for (const json& row : value) out += (out.empty() ? "" : "\n") + render_record({"name"}, row);
    return out;
  }
  if (is_table(value)) return render_table(keys_of(value), value);
  if (value.is_object() && !value.empty()) return render_record({}, value);
  if (value.is_array() && !value.empty()) {
    std::string out;
    for (const json& one : value) out += trimmed(format_value("", one));
    return out;
  }
  return format_value("", value) + "\n";
}

std::string render(const View& view, const json& result) {
  switch (view.form) {
    case Form::kTable: {
      if (!result.is_array() || (!result.empty() && !is_table(result))) return render_any(result);
      const json rows = counted_rows(view.counted, result);
      return rows.empty() ? view.empty + "\n" : render_table(view.keys, rows);
    }
    case Form::kRecord:
      return result.is_object() && !result.empty() ? render_record(view.keys, result) : render_any(result);
    case Form::kText:
      return text_of(result);
    case Form::kDone:
      return done(result);
    case Form::kTop:
      break;
  }
  return render_any(result);
}

}  // namespace sluice::ctl
