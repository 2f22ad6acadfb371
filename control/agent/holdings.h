// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Everything the agent has made on this host: VIPs on loopback, kernel settings, programs and their qdisc.
// One function brings the host to what the configuration wants, from any state: a fresh host, the remains of
// a killed agent, or after somebody else changed something. One function takes it all back. What was there
// before the agent came (an address that the operator set, a clsact qdisc) is used and left in place. A4,
// A14.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/agent/config.h"
#include "control/agent/kernel_link.h"
#include "control/agent/ledger.h"
#include "control/agent/tunnel.h"

namespace sluice::agent {

class Holdings {
 public:
  // Reads the ledger of the agent before us. Changes nothing.
  Holdings(const Config& config, KernelLink& link);

  // Makes the host as configured and records every change. Cheap when nothing is to be done. Throws
  // std::runtime_error with one sentence; what was done until then is recorded. `starting`: an interface that
  // is missing is an error; later it is waited for.
  void hold(Tunnel& tunnel, bool starting);

  // Takes back all that the ledger names, as far as it goes; what fails is logged.
  void release() noexcept;

  // By name; an interface that is not there is missing.
  [[nodiscard]] const std::map<std::string, InterfaceInfo>& interfaces() const { return attached_; }

 private:
  void hold_vip(const Prefix& vip, const KernelLink::Addresses& there);
  void hold_interface(const std::string& name, Tunnel& tunnel, bool starting);
  void attach(const std::string& name, const InterfaceInfo& info, Tunnel& tunnel);
  void hold_sysctls(const std::string& interface);
  void tell_own_addresses(Tunnel& tunnel, const KernelLink::Addresses& there) const;
  void release_unwanted();
  void release_interface(const std::string& name);
  void release_sysctl(const Ledger::Sysctl& sysctl);
  void record() { file_.store(ledger_); }

  const Config& config_;
  KernelLink& link_;
  LedgerFile file_;
  Ledger ledger_;
  std::map<std::string, InterfaceInfo> attached_;
};

// The largest inner packet that clients should send through an interface of that MTU. Pure.
std::uint32_t inner_mtu(const Config& config, unsigned interface_mtu_bytes);

}  // namespace sluice::agent
