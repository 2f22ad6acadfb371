// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The exception path: ARP, ND and everything for the MUX's own addresses goes to the kernel through a TAP and
// comes back, so that the kernel keeps its say on the same port (F3). System calls are made here, by a thread
// of its own, never by a worker; queues are bounded both ways, and what does not fit is a counted drop.
//
// Frames that may be health probes on their way through the data path (door/probe_ports.h) do not go to their
// port's outbox but to a worker, which sends them as it sends clients' packets.
//
// A TAP that somebody removes is made anew by the control thread, which has the rights to; packets for the
// kernel are counted as refused meanwhile. Its addresses and routes are control's business too
// (control/neighbor/kernel.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/door/bell.h"
#include "dataplane/door/counters.h"
#include "dataplane/door/probe_ports.h"

struct rte_mempool;
struct rte_ring;

namespace sluice::io {

class KernelPath {
 public:
  static constexpr unsigned kQueuePackets = 1024;

  struct Link {
    unsigned port = 0;       // index of the port it belongs to
    std::string interface;   // name of the TAP, made here and gone with us, unless keep() is called
    std::uint16_t vlan = 0;  // the kernel sees untagged frames; the port's tag goes on and off here
    std::uint16_t mtu = 1500;
    rte_ring* outbox = nullptr;  // of the port; frames from the kernel go there
    Bell* owner = nullptr;       // of the worker that empties it
  };

  struct Probes {
    const ProbePorts* ports = nullptr;
    rte_ring* ring = nullptr;  // to the worker that sends them
    Bell* owner = nullptr;     // that worker's; null: it never sleeps
  };

  // Makes the TAPs. Throws std::runtime_error with one sentence.
  KernelPath(std::vector<Link> links, rte_mempool* pool, const Probes& probes);
  ~KernelPath();
  KernelPath(const KernelPath&) = delete;
  KernelPath& operator=(const KernelPath&) = delete;

  // Where workers punt packets of this port; null when the port has no TAP.
  [[nodiscard]] rte_ring* to_kernel(unsigned port) const;
  // Workers call when packets wait for the kernel.
  [[nodiscard]] Bell& bell() { return bell_; }
  void start();
  void stop();
  // Control thread, now and then: makes TAPs that were removed anew.
  void renew();
  // After stop(): the TAPs stay when we go, with all that the kernel has for them, until the next process
  // opens them. Without a carrier meanwhile. A sentence when the kernel refuses.
  std::optional<std::string> keep();
  // This thread is a writer of its own.
  [[nodiscard]] const WorkerCounters& counters() const { return counters_; }
  // Packets of a port that wait for the kernel.
  [[nodiscard]] unsigned held(unsigned port) const;

 private:
  struct Tap {
    Link link;
    int fd = -1;  // the path's thread; none while it is gone
    rte_ring* to_kernel = nullptr;
  };
  void run();
  unsigned to_kernel(Tap& tap);
  unsigned from_kernel(Tap& tap);

  // A removed TAP, between the two threads.
  struct Renewal {
    std::atomic<bool> due{false};  // the path's thread sets, control clears
    std::atomic<int> fd{-1};       // control sets, the path's thread takes
  };

  std::vector<Tap> taps_;
  std::unique_ptr<Renewal[]> renewals_;  // by TAP
  rte_mempool* pool_;
  const Probes probes_;
  WorkerCounters counters_;
  Bell bell_;
  std::atomic<bool> stopping_{false};  // control writes, the thread reads
  std::thread thread_;
};

}  // namespace sluice::io
