// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/metrics/text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

namespace sluice::metrics {
namespace {

TEST(MetricsText, APageReadsAsPrometheusExpectsIt) {
  Text text;
  text.counter("sluice_port_rx_packets_total", "Packets that a port received.");
  text.sample({{"port", "uplink"}}, std::uint64_t{18446744073709551615U});
  text.sample({{"port", "down"}, {"kind", "veth"}}, 0);
  text.gauge("sluice_uptime_seconds", "Since the start.");
  text.sample({}, 12.5);
  EXPECT_EQ(text.take(),
            "# HELP sluice_port_rx_packets_total Packets that a port received.\n"
            "# TYPE sluice_port_rx_packets_total counter\n"
            "sluice_port_rx_packets_total{port=\"uplink\"} 18446744073709551615\n"
            "sluice_port_rx_packets_total{port=\"down\",kind=\"veth\"} 0\n"
            "# HELP sluice_uptime_seconds Since the start.\n"
            "# TYPE sluice_uptime_seconds gauge\n"
            "sluice_uptime_seconds 12.5\n");
  EXPECT_EQ(text.take(), "") << "the next page starts empty";
}

TEST(MetricsText, LabelsAndHelpAreEscaped) {
  Text text;
  text.gauge("g", "a\\b\n\"c\"");
  text.sample({{"name", "a\\b\n\"c\""}}, 1);
  EXPECT_EQ(text.take(), "# HELP g a\\\\b\\n\"c\"\n# TYPE g gauge\ng{name=\"a\\\\b\\n\\\"c\\\"\"} 1\n");
}

TEST(MetricsText, NumbersReadBackToThemselves) {
  Text text;
  text.gauge("g", "");
  for (const double value : {0.1, 1e300, -0.0, std::nan(""), std::numeric_limits<double>::infinity(),
                             -std::numeric_limits<double>::infinity()}) {
    text.sample({}, value);
  }
  EXPECT_EQ(text.take(), "# HELP g \n# TYPE g gauge\ng 0.1\ng 1e+300\ng -0\ng NaN\ng +Inf\ng -Inf\n");
}

TEST(MetricsText, NamesThatBreakTheRulesAreBugs) {
  Text text;
  EXPECT_THROW(text.counter("sluice_packets", ""), std::logic_error);
  EXPECT_THROW(text.gauge("sluice_flows_total", ""), std::logic_error);
  EXPECT_THROW(text.gauge("1st", ""), std::logic_error);
  EXPECT_THROW(text.gauge("with-dash", ""), std::logic_error);
  EXPECT_THROW(text.gauge("", ""), std::logic_error);
  EXPECT_THROW(text.sample({}, 1), std::logic_error) << "a sample needs a family";
  text.gauge("sluice_flows", "");
  EXPECT_THROW(text.gauge("sluice_flows", ""), std::logic_error);
  EXPECT_THROW(text.sample({{"bad name", "x"}}, 1), std::logic_error);
}

}  // namespace
}  // namespace sluice::metrics
