// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Something done once by every thread of this process: capabilities and system call filters belong to a
// thread in Linux, and the threads that DPDK made are not ours to ask otherwise. Each is sent a signal and
// does the work in its handler, as the C library itself does for setuid(). No thread is left out that was
// there when the call began, nor one that another made meanwhile; those that a thread makes afterwards
// inherit.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace sluice::confine {

struct Thread {
  int id = 0;        // gettid()
  std::string name;  // "rte-worker-1"
};

// `work` is called in a signal handler: system calls and plain memory only. It answers 0 or an errno.
// `argument_for` says what it gets, and runs on the caller. Returns whoever did not do it, with the reason: a
// thread that blocks all signals (sanitizers have one), one whose work failed, one that does not answer.
// One call at a time; the calling thread does its work too, as the last.
using Work = int (*)(void* argument);
struct Failure {
  Thread thread;
  std::string why;
};
std::vector<Failure> on_every_thread(Work work, const std::function<void*(const Thread&)>& argument_for);

}  // namespace sluice::confine
