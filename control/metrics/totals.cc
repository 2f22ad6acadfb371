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

void Totals::add_broken(std::uint32_t id, std::uint64_t flows, bool deadline) {
  (deadline ? lost_[id].broken_deadline : lost_[id].broken_dip_down) += flows;
}

Traffic Totals::probes() const {
  Traffic t;
  for (const WorkerCounters* writer : writers_) {
    t.packets += writer->probes.packets.get();
    t.bytes += writer->probes.bytes.get();
  }
  return t;
}

FlowEventTotals Totals::raw_events(std::uint32_t id) const {
  const auto lost = lost_.find(id);
  FlowEventTotals t = lost == lost_.end() ? FlowEventTotals{} : lost->second;
  for (const WorkerCounters* writer : writers_) {
    const FlowEvents& e = writer->events[id];
    t.untracked += e.untracked.get();
    t.broken_dip_down += e.broken_dip_down.get();
    t.broken_deadline += e.broken_deadline.get();
    t.reset += e.reset.get();
    t.unknown += e.unknown.get();
  }
  return t;
}

FlowEventTotals Totals::events(std::uint32_t id) const {
  FlowEventTotals t = raw_events(id);
  if (const auto at = event_base_.find(id); at != event_base_.end()) {
    t.untracked -= at->second.untracked;
    t.broken_dip_down -= at->second.broken_dip_down;
    t.broken_deadline -= at->second.broken_deadline;
    t.reset -= at->second.reset;
    t.unknown -= at->second.unknown;
  }
  return t;
}

std::uint64_t Totals::flows_of_target(std::uint32_t id) const {
  // Opened by one worker, ended with another: only the sum means something, modulo 2^64.
  std::uint64_t flows = 0;
  for (const WorkerCounters* writer : writers_) flows += writer->target_flows[id].get();
  return flows;
}

void Totals::forget_services(const std::set<std::uint32_t>& ids) {
  for (const std::uint32_t id : ids) {
    service_base_[id] = sum(&WorkerCounters::service, id);
    event_base_[id] = raw_events(id);
  }
}
void Totals::forget_targets(const std::set<std::uint32_t>& ids) {
  for (const std::uint32_t id : ids) target_base_[id] = sum(&WorkerCounters::target, id);
}

}  // namespace sluice::metrics
