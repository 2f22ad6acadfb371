// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/confinement.h"

#include <linux/capability.h>

namespace sluice::agent {
namespace {

constexpr std::uint16_t kFirstFreePort = 1024;

// A fresh agent after SIGHUP loads and attaches everything again with what this one kept: tc programs
// (NET_ADMIN, BPF, and PERFMON for pointers into packets), addresses and sysctls of the network (NET_ADMIN).
// SYS_ADMIN: the kernel asks for it when a program that is attached is looked up by its number.
confine::CapabilitySet needed_by(const Config& config) {
  confine::CapabilitySet needed = 0;
  for (const unsigned one : {CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN})
    needed |= confine::CapabilitySet{1} << one;
  if (config.listen.port < kFirstFreePort) needed |= confine::CapabilitySet{1} << CAP_NET_BIND_SERVICE;
  return needed;
}

}  // namespace

confine::Plan plan_for(const Config& config, bool again) {
  confine::Plan plan;
  plan.keep = config::capabilities_of(config.capabilities, needed_by(config));
  plan.seccomp = config.seccomp;
  plan.filtered_before = again && config.seccomp != config::Seccomp::kOff;
  plan.extras.bpf = true;
  plan.programs_keep = true;
  return plan;
}

}  // namespace sluice::agent
