// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The test rig: a real Worker on ports made of rings, driven turn by turn at a time that the test makes.
// Frames go in, and what came of them comes out. After every step the balance of packets is held against the
// worker's counters, and at the end all buffers must be back.
//
// A frame lies in memory of exactly its size (with headroom in front), so that the address sanitizer sees a
// read of one byte too much.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "dataplane/worker/worker.h"
#include "tests/packet/bytes.h"
#include "tests/packet/world.h"

namespace sluice::test {

inline constexpr unsigned kRigPorts = 2;

struct Sent {
  unsigned port = 0;
  Bytes frame;
};

struct Outcome {  // of one step
  std::vector<Sent> sent, punted;
  std::map<DropReason, std::uint64_t> dropped;
  std::uint64_t rx = 0, created = 0, tx = 0;
  std::uint64_t held = 0;                     // now
  std::map<unsigned, std::uint64_t> service;  // packets by counter id, where any
  std::map<unsigned, std::uint64_t> target;

  [[nodiscard]] std::uint64_t drops(DropReason reason) const {
    const auto found = dropped.find(reason);
    return found == dropped.end() ? 0 : found->second;
  }
};

struct Arrival {  // how a frame comes in
  unsigned port = 0;
  unsigned headroom = RTE_PKTMBUF_HEADROOM;
  std::optional<std::uint32_t> nic_hash{};
  bool nic_says_checksum_good = false;
  bool in_two_segments = false;
};

struct RigOptions {
  unsigned ports = 1;
  bool kernel = true;  // an exception path
  unsigned kernel_queue = 256;
  std::uint64_t kernel_rate_pps = 1'000'000, kernel_burst = 100'000;
  bool nic_hashes = false;
  std::uint32_t fragment_sets = 16, held_packets = 1024, held_per_datagram = 64;
  unsigned fragment_life_ms = 2'000, fragment_hold_ms = 100;
};

class Sluice {
 public:
  explicit Sluice(const World& world, const RigOptions& options = {});
  ~Sluice();
  Sluice(const Sluice&) = delete;
  Sluice& operator=(const Sluice&) = delete;

  void receive(const Bytes& frame, const Arrival& how = {});
  void receive(const std::vector<Bytes>& frames);
  // A frame that the kernel sends through the interface of port 0, from a port of the reserved range.
  void kernel_sends(const Bytes& frame);
  // Whom such a source port stands for.
  [[nodiscard]] ProbePorts& probe_ports() { return probe_ports_; }
  // Turns the worker until nothing moves any more.
  Outcome turn();
  void pass_ms(unsigned ms);
  void publish(const World& world);
  Explanation explain(const FlowKey& key, bool opens_flow = false);

  // From now on the port takes only this many frames more.
  void let_port_fill_up(unsigned port, unsigned room);
  // From now on only this many packet buffers are free, until the step is over.
  void let_buffers_run_out(unsigned left);

  [[nodiscard]] const Snapshot& snapshot() const { return publisher_->current(); }
  [[nodiscard]] const WorkerCounters& counters() const { return worker_->counters(); }

 private:
  WorkerSettings settings(const RigOptions& options);
  void drain();
  void check_balance() const;
  [[nodiscard]] Outcome totals() const;

  std::uint64_t now_tsc_;
  unsigned sweep_turns_;
  std::unique_ptr<Publisher> publisher_;
  Exchange exchange_;
  std::array<rte_ring*, kRigPorts> to_kernel_{};
  std::unique_ptr<Worker> worker_;
  std::set<rte_mbuf*> fillers_;
  std::vector<rte_mbuf*> hidden_;
  Outcome fresh_;  // sent and punted since the last step
  Outcome seen_;   // totals at the last step
  std::array<std::uint64_t, kRigPorts> punted_{};
  ProbePorts probe_ports_;
  rte_ring* probes_ = nullptr;
  std::uint64_t from_kernel_ = 0;
  std::uint64_t generation_ = 1;
  unsigned buffers_before_;
};

// Every reason for which a packet of this program was dropped so far, and the way to add one that was seen
// without a rig.
const std::set<DropReason>& seen_reasons();
void saw(DropReason reason);
// Adds their words to the file that SLUICE_TEST_REASONS names, if it names one, for who runs several
// programs.
void write_seen_reasons();

// Starts EAL and the rig's ports: called by the main() of every test program that links the rig.
void start_rig(const char* program);
rte_mempool* rig_pool();

}  // namespace sluice::test
