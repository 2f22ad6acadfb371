// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/report.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

namespace sluice::health {
namespace {

using nlohmann::json;

constexpr int kDeepest = 16;  // nested arrays and objects of a status

struct LifeWord {
  Life life;
  std::string_view word;
};
constexpr std::array<LifeWord, 5> kLives = {{{Life::kAlive, "alive"},
                                             {Life::kDraining, "draining"},
                                             {Life::kLeaving, "leaving"},
                                             {Life::kJoining, "joining"},
                                             {Life::kRestarting, "restarting"}}};

// The value at a path of keys, or null.
const json* at(const json& root, std::initializer_list<const char*> path) {
  const json* here = &root;
  for (const char* key : path) {
    if (!here->is_object()) return nullptr;
    const auto found = here->find(key);
    if (found == here->end()) return nullptr;
    here = &*found;
  }
  return here;
}

std::optional<double> figure(const json& root, std::initializer_list<const char*> path, double low,
                             double high) {
  const json* value = at(root, path);
  if (value == nullptr || !value->is_number()) return {};
  const double number = value->get<double>();
  if (!std::isfinite(number) || number < low || number > high) return {};
  return number;
}

template <class Integer>
std::optional<Integer> whole(const json& root, std::initializer_list<const char*> path, double low,
                             double high) {
  const auto number = figure(root, path, low, high);
  return number ? std::optional(static_cast<Integer>(*number)) : std::nullopt;
}

std::optional<double> memory_used(const json& status) {
  const auto total = figure(status, {"memory", "total_bytes"}, 1, 1e18);
  const auto available = figure(status, {"memory", "available_bytes"}, 0, 1e18);
  if (!total || !available || *available > *total) return {};
  return 100.0 * (1.0 - *available / *total);
}

std::vector<Report::Vip> vips_of(const json& status) {
  std::vector<Report::Vip> vips;
  const json* list = at(status, {"vips"});
  if (list == nullptr || !list->is_array()) return vips;
  for (const json& entry : *list) {
    if (vips.size() == kMostVips) break;
    const json* address = at(entry, {"address"});
    if (address == nullptr || !address->is_string()) continue;
    const auto prefix = parse_prefix(address->get_ref<const std::string&>());
    if (!prefix) continue;
    vips.push_back(
        {*prefix, whole<std::uint64_t>(entry, {"connections"}, 0, 1e9), figure(entry, {"rx_pps"}, 0, 1e10)});
  }
  // Who is named twice is believed once.
  std::ranges::stable_sort(vips, {}, &Report::Vip::address);
  const auto same = [](const Report::Vip& a, const Report::Vip& b) { return a.address == b.address; };
  vips.erase(std::unique(vips.begin(), vips.end(), same), vips.end());
  return vips;
}

Report figures_of(const json& status) {
  Report report;
  report.connections = whole<std::uint64_t>(status, {"connections"}, 0, 1e9);
  report.load_1min = figure(status, {"load", "average_1min"}, 0, 1e5);
  report.cpus = whole<unsigned>(status, {"cpu", "count"}, 1, 65536);
  report.cpu_busy_percent = figure(status, {"cpu", "busy_percent"}, 0, 100);
  report.cpu_busy_10s_percent = figure(status, {"cpu", "busy_10s_percent"}, 0, 100);
  report.memory_used_percent = memory_used(status);
  report.temperature_c = figure(status, {"temperature_c"}, -50, 200);
  report.vips = vips_of(status);
  return report;
}

std::string text_at(const json& status, const char* key) {
  const json* value = at(status, {key});
  return value != nullptr && value->is_string() ? one_line(value->get_ref<const std::string&>())
                                                : std::string();
}

// What the words of an agent-check line came to so far.
struct CheckLine {
  Answer answer{.judgement = Judgement::kGood, .text = "agent-check", .report = Report{}};

  // The whole text of a known word; false for others, which mean nothing.
  bool take(std::string_view word, std::string_view reason) {
    static constexpr std::array kGood = {std::string_view("up"), std::string_view("ready")};
    static constexpr std::array kBad = {std::string_view("down"), std::string_view("stopped"),
                                        std::string_view("failed"), std::string_view("fail"),
                                        std::string_view("maint")};
    if (std::ranges::find(kBad, word) != kBad.end()) {
      answer.judgement = Judgement::kBad;
      answer.text = "agent-check says " + std::string(word) +
                    (reason.empty() ? std::string() : ": " + one_line(reason));
      return true;
    }
    if (word == "drain") {
      answer.report->life = Life::kDraining;
      return true;
    }
    return std::ranges::find(kGood, word) != kGood.end() || take_weight(word);
  }

  bool take_weight(std::string_view word) {
    if (!word.ends_with('%')) return false;
    unsigned percent = 0;
    const char* const end = word.data() + word.size() - 1;
    const auto [stop, error] = std::from_chars(word.data(), end, percent);
    if (error != std::errc() || stop != end || percent > 256) return false;
    answer.report->weight_percent = percent;
    return true;
  }
};

}  // namespace

std::string_view to_word(Life life) {
  return std::ranges::find(kLives, life, &LifeWord::life)->word;
}

std::string one_line(std::string_view text, std::size_t longest) {
  std::string out(text.substr(0, longest));
  std::ranges::replace_if(
      out,
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f; },
      '?');
  if (text.size() > longest) out += "...";
  return out;
}

Answer read_status(std::string_view body) {
  const auto shallow = [](int depth, json::parse_event_t, json&) { return depth <= kDeepest; };
  const json status = json::parse(body, shallow, false);
  if (!status.is_object()) return {Judgement::kBad, "the status is no JSON object"};
  const std::string word = text_at(status, "state");
  const auto life = std::ranges::find(kLives, word, &LifeWord::word);
  if (life == kLives.end())
    return {Judgement::kBad, "the status has no state that is known: \"" + word + '"'};
  Report report = figures_of(status);
  report.life = life->life;
  if (report.life == Life::kRestarting) return {Judgement::kBad, "the server is restarting", report};
  const json* healthy = at(status, {"healthy"});
  if (healthy != nullptr && healthy->is_boolean() && !healthy->get<bool>())
    return {Judgement::kBad, "the agent finds its server ill: " + text_at(status, "health"), report};
  return {Judgement::kGood, "state " + word, report};
}

Answer read_agent_check(std::string_view line) {
  line = line.substr(0, line.find_first_of("\r\n"));
  CheckLine check;
  bool known = false;
  while (!line.empty()) {
    const std::size_t begin = line.find_first_not_of(" \t,");
    if (begin == std::string_view::npos) break;
    line.remove_prefix(begin);
    const std::size_t end = std::min(line.find_first_of(" \t,#"), line.size());
    const std::string_view word = line.substr(0, end);
    // A reason is the rest of the line.
    const std::size_t hash = line.find('#');
    const std::string_view reason =
        hash == std::string_view::npos ? std::string_view() : line.substr(hash + 1);
    if (word.empty()) break;
    known |= check.take(word, reason);
    line.remove_prefix(end);
    if (line.starts_with('#')) break;
  }
  if (!known) return {Judgement::kBad, "no agent-check word in the answer"};
  return std::move(check.answer);
}

}  // namespace sluice::health
