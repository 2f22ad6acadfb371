// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// Writes the Prometheus text format (version 0.0.4): families with HELP and TYPE, samples with labels.
//
// Why not prometheus-cpp: it owns its counters, as atomics behind a registry, and renders those. Ours live in
// the dataplane, one writer each, and are summed when somebody asks; feeding a second set of counters from
// the first would cost a copy of every value, a rule for what vanishes with a removed service, and a web
// server of its own. What remains of the job is this file.
//
//   metrics::Text text;
//   text.counter("sluice_port_rx_packets_total", "Packets that a port received.");
//   for (const Port& port : ports) text.sample({{"port", port.name}}, port.rx_packets);
//   return text.take();
#pragma once

#include <concepts>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::metrics {

using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

class Text {
 public:
  // Begin a family; the samples that follow belong to it. A name is letters, digits and underscores, begins
  // with "sluice_" by habit, carries its unit, and ends in `_total` exactly when it counts. Anything else,
  // and a name used twice, throws std::logic_error: a bug that the first test sees.
  void counter(std::string_view name, std::string_view help);
  void gauge(std::string_view name, std::string_view help);

  // One line. Label values may hold any bytes; they are escaped. Integers are written exactly, other numbers
  // so that they read back to the same double. Throws std::logic_error without a family or for a bad label
  // name.
  void sample(const Labels& labels, double value);
  template <std::integral T>
  void sample(const Labels& labels, T value) {
    line(labels, std::to_string(value));
  }

  std::string take();

 private:
  void family(std::string_view name, std::string_view help, std::string_view type);
  void line(const Labels& labels, const std::string& value);

  std::string out_;
  std::string name_;
  std::set<std::string, std::less<>> used_;
};

}  // namespace sluice::metrics
