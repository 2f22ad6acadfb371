// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/address_port.h"
#include "control/metrics/text.h"
#include "control/rpc/appliance.h"

namespace sluice::rpc {
namespace {

struct PortFamily {
  const char* name;
  const char* help;
  std::uint64_t metrics::PortTotals::*value;
};
constexpr PortFamily kPortCounters[] = {
    {"sluice_port_rx_packets_total", "Packets received.", &metrics::PortTotals::rx_packets},
    {"sluice_port_rx_bytes_total", "Bytes received, frames without checksum.",
     &metrics::PortTotals::rx_bytes},
    {"sluice_port_created_packets_total", "Packets that Sluice or the kernel made.",
     &metrics::PortTotals::created_packets},
    {"sluice_port_tx_packets_total", "Packets that came in by this port and were sent.",
     &metrics::PortTotals::tx_packets},
    {"sluice_port_punted_packets_total", "Packets given to the kernel.",
     &metrics::PortTotals::punted_packets},
    {"sluice_port_dropped_packets_total", "Packets dropped.", &metrics::PortTotals::dropped_packets},
    {"sluice_port_wire_tx_packets_total", "Packets that left through this port.",
     &metrics::PortTotals::wire_tx_packets},
    {"sluice_port_wire_tx_bytes_total", "Bytes that left through this port.",
     &metrics::PortTotals::wire_tx_bytes},
};

void write_ports(metrics::Text& text, const Appliance& appliance) {
  std::vector<metrics::PortTotals> totals;
  for (unsigned i = 0; i < appliance.ports.size(); ++i) totals.push_back(appliance.totals.port(i));
  for (const PortFamily& family : kPortCounters) {
    text.counter(family.name, family.help);
    for (unsigned i = 0; i < totals.size(); ++i) {
      text.sample({{"port", appliance.ports[i].name}}, totals[i].*family.value);
    }
  }
  const auto each = [&](auto PortFacts::*value) {
    for (const PortFacts& port : appliance.ports) text.sample({{"port", port.name}}, (port.*value)());
  };
  text.counter("sluice_port_missed_packets_total", "Packets that the device lost before Sluice saw them.");
  each(&PortFacts::missed_packets);
  text.counter("sluice_port_tx_errors_total", "Packets that the device took and could not send.");
  each(&PortFacts::tx_errors);
  text.gauge("sluice_port_held_packets", "Packets that wait: for a first fragment, or for the kernel.");
  for (unsigned i = 0; i < totals.size(); ++i) {
    text.sample({{"port", appliance.ports[i].name}}, totals[i].held_packets);
  }
  text.counter("sluice_drops_total", "Packets dropped, by reason.");
  for (unsigned i = 0; i < totals.size(); ++i) {
    for (unsigned r = 0; r < kDropReasons; ++r) {
      text.sample({{"port", appliance.ports[i].name}, {"reason", kDropReasonTexts[r].word}},
                  totals[i].dropped[r]);
    }
  }
}

void write_services(metrics::Text& text, const Appliance& appliance) {
  const auto each = [&](auto&& write) {
    for (const config::Service& service : appliance.live.model().services) {
      const auto id = appliance.live.service_id(service.name);
      if (id) write(service.name, appliance.totals.service(*id));
    }
  };
  text.counter("sluice_service_rx_packets_total", "Packets that matched the service.");
  each([&](const std::string& name, const metrics::Traffic& t) {
    text.sample({{"service", name}}, t.packets);
  });
  text.counter("sluice_service_rx_bytes_total", "IP bytes that matched the service.");
  each([&](const std::string& name, const metrics::Traffic& t) {
    text.sample({{"service", name}}, t.bytes);
  });
}

void write_flows(metrics::Text& text, const Appliance& appliance) {
  struct Family {
    const char* name;
    const char* help;
    std::uint64_t metrics::FlowEventTotals::*value;
  };
  constexpr Family kFamilies[] = {
      {"sluice_flows_untracked_total", "Flows served by the map, because their table had no room.",
       &metrics::FlowEventTotals::untracked},
      {"sluice_flows_broken_dip_down_total", "Flows that had to leave a DIP that died.",
       &metrics::FlowEventTotals::broken_dip_down},
      {"sluice_flows_broken_deadline_total",
       "Flows that had to leave a DIP at the deadline of its transition.",
       &metrics::FlowEventTotals::broken_deadline},
      {"sluice_flows_reset_total", "Flows whose client was told by a TCP RST.",
       &metrics::FlowEventTotals::reset},
      {"sluice_unknown_flow_packets_total", "Packets of flows that no table knew.",
       &metrics::FlowEventTotals::unknown},
  };
  for (const Family& family : kFamilies) {
    text.counter(family.name, family.help);
    for (const maps::Directory::Service& service : appliance.live.directory().services) {
      text.sample({{"service", service.name}}, appliance.totals.events(service.id).*family.value);
    }
  }
}

void write_dips(metrics::Text& text, const Appliance& appliance) {
  const maps::Directory& directory = appliance.live.directory();
  const auto each = [&](auto&& value_of) {
    for (const maps::Directory::Target& target : directory.targets) {
      if (target.dip.gone) continue;
      text.sample({{"service", directory.services[target.service].name},
                   {"group", directory.groups[target.group].name},
                   {"dip", target.dip.name}},
                  value_of(target));
    }
  };
  using Target = maps::Directory::Target;
  text.counter("sluice_dip_packets_total", "Packets sent to the DIP.");
  each([&](const Target& t) { return appliance.totals.target(t.id).packets; });
  text.counter("sluice_dip_bytes_total", "IP bytes sent to the DIP, without the outer header.");
  each([&](const Target& t) { return appliance.totals.target(t.id).bytes; });
  text.gauge("sluice_dip_flows", "Flows that the tables keep on the DIP.");
  each([&](const Target& t) { return appliance.totals.flows_of_target(t.id); });
  text.gauge("sluice_dip_up", "1 when the DIP gets new flows.");
  each([&](const Target& t) { return t.dip.state() == maps::DipState::kUp ? 1 : 0; });
}

void write_workers(metrics::Text& text, const Appliance& appliance) {
  const auto each = [&](Counter WorkerCounters::*counter) {
    for (const WorkerFacts& worker : appliance.workers) {
      text.sample({{"lcore", std::to_string(worker.lcore)}}, (worker.counters->*counter).get());
    }
  };
  text.counter("sluice_worker_packets_total", "Packets that the worker handled.");
  each(&WorkerCounters::packets);
  text.counter("sluice_worker_busy_cycles_total", "TSC cycles of turns that found packets.");
  each(&WorkerCounters::busy_cycles);
  text.counter("sluice_worker_cycles_total", "TSC cycles since start.");
  each(&WorkerCounters::total_cycles);
}

void write_probes(metrics::Text& text, const Appliance& appliance) {
  const metrics::Traffic probes = appliance.totals.probes();
  text.counter("sluice_health_path_packets_total", "Packets of health probes that took the clients' way.");
  text.sample({}, probes.packets);
  text.counter("sluice_health_path_bytes_total", "IP bytes of health probes that took the clients' way.");
  text.sample({}, probes.bytes);
}

void write_kernel(metrics::Text& text, const KernelFigures& figures) {
  text.counter("sluice_netlink_losses_total",
               "Times that the kernel dropped messages for us; all its tables were read again.");
  text.sample({}, figures.netlink_losses);
  text.counter("sluice_interface_renewals_total",
               "Kernel interfaces that came back and got their addresses and routes again.");
  text.sample({}, figures.interface_renewals);
}

void write_restart(metrics::Text& text, const restart::Outcome& outcome) {
  text.gauge("sluice_restart_refused", "1 when the state that the process before left was refused.");
  text.sample({}, outcome.kind == restart::Outcome::Kind::kRefused ? 1 : 0);
  text.gauge("sluice_restart_tables_refused", "Flow tables of the process before that could not be read.");
  text.sample({}, outcome.tables_refused);
  text.gauge("sluice_restart_flows", "Flows that the process before left, by what became of them.");
  const auto flows = [&](const char* fate, std::uint64_t number) { text.sample({{"fate", fate}}, number); };
  flows("taken", outcome.flows.taken);
  flows("expired", outcome.flows.expired);
  flows("gone", outcome.flows.gone);
  flows("no-room", outcome.flows.no_room);
  flows("wrong", outcome.flows.wrong);
}

}  // namespace

std::string render_metrics(const Appliance& appliance) {
  metrics::Text text;
  text.gauge("sluice_ready", "1 once packets flow.");
  text.sample({}, appliance.ready ? 1 : 0);
  text.gauge("sluice_buffers_free", "Packet buffers that are free.");
  text.sample({}, appliance.free_buffers());
  write_ports(text, appliance);
  write_services(text, appliance);
  write_flows(text, appliance);
  write_dips(text, appliance);
  write_workers(text, appliance);
  write_probes(text, appliance);
  if (appliance.kernel_figures) write_kernel(text, appliance.kernel_figures());
  write_restart(text, appliance.restart);
  return text.take();
}

}  // namespace sluice::rpc
