// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Two workers on two ports of rings, turned one after the other by the fuzz target at a time of its own: rx,
// all stages of both tiers, the rings between the workers, the outbox, the rings to and from the kernel. What
// leaves is looked at; after each step the balance of packets must hold, and at the end of an input every
// buffer must be back.
//
// A frame lies in memory of exactly its size (with headroom in front), so that the address sanitizer sees a
// read of one byte too much. Rings, ports and counters live as long as the process; workers, fragments and
// flows begin anew with each input.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/worker/worker.h"
#include "tests/fuzz/frames/control.h"

namespace sluice::fuzz {

struct Arrival {  // how a frame comes in
  unsigned port = 0;
  bool repair_checksum = true;  // of an IPv4 header: random ones would seldom get further
  bool nic_says_checksum_good = false, nic_hashes = false, nic_lies = false;
  bool in_two_segments = false, without_headroom = false;
};

class Rig {
 public:
  static constexpr std::size_t kMostFrameBytes = 2048;

  Rig();
  ~Rig();
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  Control control;

  void receive(std::span<const std::uint8_t> frame, const Arrival& how);
  // A frame that the kernel sends through the interface of port 0, from a port of the reserved range.
  void kernel_sends(std::span<const std::uint8_t> frame);
  // Brings the state of control into force.
  void publish();
  // Turns the workers until nothing moves.
  void turn();
  void pass_ms(unsigned ms);
  // One question of control, `what` of them, and the answer.
  void ask(std::uint8_t what, std::span<const std::uint8_t> about);
  void set_probe_port(std::uint16_t port, std::uint32_t target) { probe_ports_.set(port, target); }
  // Until the next turn is over: no more than these many packets leave by a port, are taken by the kernel, or
  // find a buffer.
  void let_ports_fill_up(unsigned room);
  void let_kernel_fill_up(unsigned room);
  void let_buffers_run_out(unsigned left);

 private:
  WorkerSettings settings(unsigned worker);
  unsigned turn_once();
  void drain();
  void look_at(const rte_mbuf& sent) const;
  void check_balance();
  void end_trouble();

  std::uint64_t now_tsc_;
  std::unique_ptr<Publisher> publisher_;
  ProbePorts probe_ports_;
  std::array<std::unique_ptr<Exchange>, kWorkers> exchange_;
  std::array<std::unique_ptr<Worker>, kWorkers> worker_;
  std::vector<rte_mbuf*> hidden_;
  unsigned waiting_ = 0, waiting_probes_ = 0;  // frames in the rings in front of the workers
  bool is_full_ = false;                       // nobody takes what leaves
};

}  // namespace sluice::fuzz
