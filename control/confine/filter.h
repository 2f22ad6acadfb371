// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The lists of system calls that a thread may make once the process has started (seccomp(2)), made into a
// program for the kernel by libseccomp. Two lists: threads that carry packets need few calls; the others do
// files, sockets and programs (fence_command, a hook), which inherit the list and must get along with it.
//
// What is not on a list is refused: the thread gets SIGSYS, whose handler says on stderr which call it was,
// and the process dies of it (kKill); or the kernel's audit log tells, and the call goes on (kLog).
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "control/config/model.h"

namespace sluice::confine {

enum class Calls : std::uint8_t {
  kPackets,  // poll, read, write, send, clock, memory: a worker, and the thread of the exception path
  kControl,  // all but what changes the machine or other processes: no mount, ptrace, module, bpf, reboot ...
};

// Beside the list, as far as the configuration needs it.
struct Extras {
  bool bpf = false;  // bpf(2): the agent, and an AF_XDP port when it lets go of its program
  bool xdp = false;  // sockets of AF_XDP
};

class Filter {
 public:
  // Throws std::runtime_error when libseccomp refuses. kOff makes a filter that install() does not use.
  Filter(Calls calls, const Extras& extras, config::Seccomp what_follows);

  // On the calling thread, for ever. 0 or an errno. Needs no_new_privs. Only system calls: for a handler.
  [[nodiscard]] int install() const noexcept;
  [[nodiscard]] bool empty() const { return program_.empty(); }

 private:
  std::vector<sock_filter> program_;
};

// The handler of SIGSYS, for kKill. Names of calls are looked up here, once.
void name_refused_calls();

}  // namespace sluice::confine
