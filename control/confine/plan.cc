// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What each part of sluiced needs after the start; docs/security.md has the same as a table.
#include <linux/capability.h>

#include <algorithm>
#include <filesystem>

#include "control/confine/confine.h"

namespace sluice::confine {
namespace {

constexpr unsigned kFirstFreePort = 1024;

constexpr CapabilitySet bit(unsigned capability) {
  return CapabilitySet{1} << capability;
}

bool is_xdp(const config::Port& port) {
  return port.device.starts_with("net_af_xdp");
}

bool is_file(const config::Port& port) {
  return port.device.starts_with("net_pcap") && port.device.find("rx_pcap=") != std::string::npos;
}

// 0000:3b:00.0
bool is_card(const config::Port& port) {
  return !port.device.starts_with("net_") && port.device.find(':') != std::string::npos;
}

}  // namespace

CapabilitySet needed_by(const config::Model& model) {
  CapabilitySet needed = 0;
  for (const config::Port& port : model.dataplane.ports) {
    // Addresses, routes, neighbours and switches of the TAP; packet sockets on it.
    if (!port.kernel_interface.empty()) needed |= bit(CAP_NET_ADMIN);
    // ICMP probes; binding a probe to its interface.
    if (!is_file(port)) needed |= bit(CAP_NET_RAW);
    // At the end libxdp takes its program off the interface.
    if (is_xdp(port)) needed |= bit(CAP_NET_ADMIN) | bit(CAP_BPF);
    // Memory that DPDK adds while it runs is pinned for the card.
    if (is_card(port)) needed |= bit(CAP_IPC_LOCK);
  }
  // Bound anew when its address comes later.
  if (!model.pool.name.empty() && model.pool.port < kFirstFreePort) needed |= bit(CAP_NET_BIND_SERVICE);
  return needed;
}

Plan plan_for(const config::Model& model) {
  const config::Control& control = model.control;
  Plan plan;
  plan.user = control.user;
  plan.keep = config::capabilities_of(control.capabilities, needed_by(model));
  plan.seccomp = control.seccomp;
  plan.extras.xdp = plan.extras.bpf = std::ranges::any_of(model.dataplane.ports, is_xdp);
  plan.may_dump_core = control.on_stall == config::OnStall::kAbort;
  plan.directories = {std::filesystem::path(control.socket).parent_path().string()};
  if (control.state_file.starts_with('/'))
    plan.directories.push_back(std::filesystem::path(control.state_file).parent_path().string());
  return plan;
}

}  // namespace sluice::confine
