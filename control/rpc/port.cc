// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/rpc/appliance.h"

namespace sluice::rpc {

using nlohmann::json;

namespace {

// The NIC truth test in a word: does the port's hash agree with ours?
const char* rss_word(const PortFacts& port, const metrics::PortTotals& t) {
  if (!port.offers_rss) return "software";
  if (t.rss_wrong > 0) return "wrong, ignored";
  return t.rss_checked > 0 ? "checked" : "unchecked";
}

}  // namespace

void add_port(Router& router, Appliance& appliance) {
  router.add({.name = "port.list",
              .help = "Ports with their counters.",
              .handler = [&appliance](const json&) -> json {
                json rows = json::array();
                for (unsigned i = 0; i < appliance.ports.size(); ++i) {
                  const PortFacts& port = appliance.ports[i];
                  const metrics::PortTotals t = appliance.totals.port(i);
                  rows.push_back({{"name", port.name},
                                  {"link", port.link_up() ? "up" : "down"},
                                  {"rx_packets", t.rx_packets},
                                  {"rx_bytes", t.rx_bytes},
                                  {"created_packets", t.created_packets},
                                  {"tx_packets", t.tx_packets},
                                  {"tx_bytes", t.tx_bytes},
                                  {"punted_packets", t.punted_packets},
                                  {"dropped_packets", t.dropped_packets},
                                  {"held_packets", t.held_packets},
                                  {"wire_tx_packets", t.wire_tx_packets},
                                  {"wire_tx_bytes", t.wire_tx_bytes},
                                  {"missed_packets", port.missed_packets()},
                                  {"tx_errors", port.tx_errors()},
                                  {"rss", rss_word(port, t)},
                                  {"mac", to_string(port.mac)},
                                  {"mtu_bytes", port.mtu},
                                  {"vlan", port.vlan},
                                  {"rx_queues", port.rx_queues},
                                  {"tx_queues", port.tx_queues},
                                  {"kernel_interface", port.kernel_interface}});
                }
                return rows;
              }});
}

}  // namespace sluice::rpc
