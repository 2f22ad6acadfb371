// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/ctl/top.h"

#include <algorithm>
#include <chrono>
#include <ostream>
#include <utility>
#include <vector>

#include "control/ctl/render.h"
#include "control/ctl/screen.h"
#include "control/rpc/names.h"

namespace sluice::ctl {
namespace {

using nlohmann::json;
using Keys = std::vector<std::string>;

struct Section {
  const char* title;
  const char* name;                                        // in the sample
  const char* method;                                      // that fills it
  Keys identity;                                           // which keys tell one row from another
  std::vector<std::pair<std::string, std::string>> rates;  // counter -> the rate's key
  Keys shown;
};

const std::vector<Section>& sections() {
  static const std::vector<Section> list = {
      {"SERVICES",
       "services",
       "service.list",
       {"name"},
       {{"rx_packets", "rx_pps"}, {"rx_bytes", "rx_bps"}},
       {"name", "vip", "protocol", "port", "state", "dips", "flows", "rx_pps", "rx_bps", "flows_broken"}},
      {"SERVERS",
       "dips",
       "dip.list",
       {"service", "group", "address"},
       {{"packets", "rate_pps"}, {"bytes", "rate_bps"}},
       {"service", "address", "state", "weight", "slots", "flows", "rate_pps", "rate_bps"}},
      {"WORKERS",
       "workers",
       "worker.list",
       {"lcore"},
       {{"packets", "rate_pps"}},
       {"lcore", "rate_pps", "cycles_per_packet", "busy_percent", "flows", "flow_bytes"}},
      {"DROPS",
       "drops",
       "drop.list",
       {"reason"},
       {{"packets", "rate_pps"}},
       {"reason", "packets", "rate_pps", "text"}}};
  return list;
}

const json* same_row(const json& rows, const json& row, const Keys& identity) {
  if (!rows.is_array()) return nullptr;
  for (const json& candidate : rows) {
    const bool same = candidate.is_object() && std::ranges::all_of(identity, [&](const std::string& key) {
                        return candidate.value(key, json()) == row.value(key, json());
                      });
    if (same) return &candidate;
  }
  return nullptr;
}

// The rows of a section with their rates.
json with_rates(const Section& section, const json& before, const json& now, double seconds) {
  json rows = json::array();
  for (const json& source : now) {
    if (!source.is_object()) continue;
    json row = source;
    const json* old = same_row(before, row, section.identity);
    for (const auto& [counter, rate] : section.rates) {
      const json value = row.value(counter, json()), past = old ? old->value(counter, json()) : json();
      const bool known = value.is_number() && past.is_number() && seconds > 0;
      const double grown = known ? value.get<double>() - past.get<double>() : -1;
      // A rate of bytes is told in bits, as links are.
      const double unit = rate.ends_with("_bps") ? 8 : 1;
      row[rate] = grown < 0 ? json() : json(grown * unit / seconds);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

double number_in(const json& row, const char* key) {
  const json value = row.value(key, json());
  return value.is_number() ? value.get<double>() : 0;
}

// Drops: what happens now first, then what happened most; nothing that never happened.
json worst_first(const json& rows) {
  std::vector<json> list;
  for (const json& row : rows) {
    if (number_in(row, "packets") > 0) list.push_back(row);
  }
  std::ranges::stable_sort(list, std::ranges::greater{}, [](const json& row) {
    return std::pair(number_in(row, "rate_pps"), number_in(row, "packets"));
  });
  return list;
}

std::string cut(const std::string& line, std::size_t columns) {
  if (width_of(line) <= columns) return line;
  std::string out;
  for (const char c : line) {
    const bool starts = (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    if (starts && width_of(out) == columns) break;
    out += c;
  }
  return out;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

// A section as text: its table's header and rows, and how many of these the screen has room for.
struct Block {
  std::string title;
  std::vector<std::string> lines;
  std::size_t room = 0;
};

// Shares the screen: each block gets what it needs, or a like part of what the smaller ones leave over. A
// blank line and the title come on top of each.
void share_out(std::vector<Block>& blocks, std::size_t rows) {
  std::vector<Block*> by_size;
  by_size.reserve(blocks.size());
  for (Block& block : blocks) by_size.push_back(&block);
  std::ranges::stable_sort(by_size, {}, [](const Block* block) { return block->lines.size(); });
  std::size_t left = rows - std::min(rows, 2 * blocks.size());
  for (std::size_t i = 0; i < by_size.size(); ++i) {
    by_size[i]->room = std::min(by_size[i]->lines.size(), left / (by_size.size() - i));
    left -= by_size[i]->room;
  }
}

std::string headline(const json& status) {
  std::string text = "sluice";
  if (!status.is_object()) return text;
  if (status.contains("version")) text += " " + format_value("version", status["version"]);
  if (status.contains("ready")) text += status["ready"] == true ? "  ready" : "  not ready";
  if (status.contains("uptime_s")) text += "  up " + format_value("uptime_s", status["uptime_s"]);
  return text;
}

}  // namespace

json take_sample(Client& client) {
  json sample = json::object();
  const auto ask = [&](const char* name, const char* method) {
    try {
      sample[name] = client.call(method);
    } catch (const CallError&) {
      // An older server; that part of the screen stays away.
    }
  };
  ask("status", "status");
  for (const Section& section : sections()) ask(section.name, section.method);
  return sample;
}

std::string top_frame(const json& before, const json& now, double seconds, std::size_t rows,
                      std::size_t columns) {
  std::vector<Block> blocks;
  for (const Section& section : sections()) {
    const json current = now.value(section.name, json());
    if (!current.is_array()) continue;
    const json past = before.is_object() ? before.value(section.name, json()) : json();
    json list = with_rates(section, past, current, seconds);
    if (std::string(section.name) == "drops") list = worst_first(list);
    Block block{section.title, {}, 0};
    if (list.empty()) {
      block.title += "  none";
    } else {
      block.lines = lines_of(render_table(section.shown, list));
    }
    blocks.push_back(std::move(block));
  }
  share_out(blocks, rows > 0 ? rows - 1 : 0);

  std::vector<std::string> lines = {headline(now.value("status", json())) + "    q quits"};
  for (Block& block : blocks) {
    lines.emplace_back();
    lines.push_back(block.title);
    const std::size_t hidden = block.lines.size() - block.room;
    if (hidden > 0 && block.room > 0) {
      block.lines.resize(block.room - 1);
      block.lines.push_back("... " + std::to_string(hidden + 1) + " more");
    }
    block.lines.resize(block.room);
    lines.insert(lines.end(), block.lines.begin(), block.lines.end());
  }
  if (lines.size() > rows) lines.resize(rows);
  std::string out;
  for (const std::string& line : lines) out += cut(line, columns) + "\n";
  return out;
}

int top(Client& client, bool as_json, std::ostream& out) {
  json sample = take_sample(client);
  if (as_json || !Screen::available()) {
    out << (as_json ? sample.dump(2, ' ', false, json::error_handler_t::replace) + "\n"
                    : top_frame({}, sample, 0, 10'000, 10'000));
    out.flush();
    return 0;
  }
  Screen screen;
  json before;
  auto taken = std::chrono::steady_clock::now();
  double seconds = 0;
  for (std::string trouble;;) {
    const auto [rows, columns] = screen.size();
    std::string frame = top_frame(before, sample, seconds, rows - 1, columns);
    if (!trouble.empty()) frame = cut(harmless(trouble), columns) + "\n" + frame;
    screen.show(frame);
    if (!screen.wait(taken + std::chrono::seconds(1))) return 0;
    try {
      json next = take_sample(client);
      const auto now = std::chrono::steady_clock::now();
      seconds = std::chrono::duration<double>(now - taken).count();
      taken = now;
      before = std::exchange(sample, std::move(next));
      trouble.clear();
    } catch (const ConnectError& error) {
      // It may come back: keep the last picture and say what is wrong.
      taken = std::chrono::steady_clock::now();
      trouble = error.what();
    }
  }
}

}  // namespace sluice::ctl
