// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/metrics/totals.h"

namespace sluice::metrics {
namespace {

Traffic since(Traffic now, const std::map<std::uint32_t, Traffic>& base, std::uint32_t id) {
  if (const auto at = base.find(id); at != base.end()) {
    now.packets -= at->second.packets;
    now.bytes -= at->second.bytes;
  }
  return now;
}

}  // namespace

PortTotals Totals::port(unsigned index) const {
  PortTotals t;
  for (const WorkerCounters* writer : writers_) {
    const PortCounters& c = writer->port[index];
    t.rx_packets += c.rx_packets.get();
    t.rx_bytes += c.rx_bytes.get();
    t.created_packets += c.created_packets.get();
    t.tx_packets += c.tx_packets.get();
    t.tx_bytes += c.tx_bytes.get();
    t.punted_packets += c.punted_packets.get();
    t.held_packets += c.held_packets.get();
    t.wire_tx_packets += c.wire_tx_packets.get();
    t.wire_tx_bytes += c.wire_tx_bytes.get();
    t.rss_checked += c.rss_checked.get();
    t.rss_wrong += c.rss_wrong.get();
    for (unsigned r = 0; r < kDropReasons; ++r) t.dropped[r] += c.dropped[r].get();
  }
  for (const std::uint64_t packets : t.dropped) t.dropped_packets += packets;
  if (queued_) t.held_packets += queued_(index);
  return t;
}

std::uint64_t Totals::dropped(DropReason reason, unsigned ports) const {
  std::uint64_t packets = 0;
  for (const WorkerCounters* writer : writers_) {
    for (unsigned p = 0; p < ports; ++p) {
      packets += writer->port[p].dropped[static_cast<unsigned>(reason)].get();
    }
  }
  return packets;
}

Traffic Totals::sum(Array array, std::uint32_t id) const {
  Traffic t;
  for (const WorkerCounters* writer : writers_) {
    t.packets += (writer->*array)[id].packets.get();
    t.bytes += (writer->*array)[id].bytes.get();
  }
  return t;
}

Traffic Totals::service(std::uint32_t id) const {
  return since(sum(&WorkerCounters::service, id), service_base_, id);
}
Traffic Totals::target(std::uint32_t id) const {
  return since(sum(&WorkerCounters::target, id), target_base_, id);
}

void Totals::forget_services(const std::set<std::uint32_t>& ids) {
  for (const std::uint32_t id : ids) service_base_[id] = sum(&WorkerCounters::service, id);
}
void Totals::forget_targets(const std::set<std::uint32_t>& ids) {
  for (const std::uint32_t id : ids) target_base_[id] = sum(&WorkerCounters::target, id);
}

}  // namespace sluice::metrics
