// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The machine room of sluiced: EAL, ports, workers and the doors between them and control, put together from
// the configuration. main.cc and machine.cc are the only files that know both sides. Control thread.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/config/model.h"
#include "control/maps/live.h"
#include "control/metrics/totals.h"
#include "control/rpc/appliance.h"
#include "dataplane/door/bell.h"
#include "dataplane/door/exchange.h"
#include "dataplane/door/hand_over.h"
#include "dataplane/door/note_ring.h"
#include "dataplane/door/publish.h"
#include "dataplane/io/kernel_path.h"
#include "dataplane/io/port.h"
#include "dataplane/worker/worker.h"

struct rte_ring;

namespace sluice {

using HashKey = std::array<std::uint8_t, 40>;

class Machine {
 public:
  // Starts EAL and makes the packet buffers, asks for the hash key, then opens the ports and makes the TAPs;
  // no packet flows yet. Throws std::runtime_error with one sentence that names the remedy.
  Machine(const config::Dataplane& dataplane, const std::function<HashKey()>& hash_key);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  [[nodiscard]] std::vector<MacAddress> macs() const;
  // Those that somebody removed are made anew.
  void renew_kernel_interfaces() { kernel_->renew(); }
  // Starts ports, workers and the kernel path on this first snapshot: from here on packets flow.
  void start(std::unique_ptr<const Snapshot> first);
  [[nodiscard]] Publisher& publisher() { return *publisher_; }
  [[nodiscard]] ProbePorts& probe_ports() { return probe_ports_; }
  // Workers finish what has come in, then everything stops. A file that a port reads is read to its end.
  void stop();
  // After stop(): the kernel's interfaces stay for the next process. A sentence when they cannot.
  std::optional<std::string> keep_interfaces() { return kernel_->keep(); }

  void register_writers(metrics::Totals& totals) const;
  [[nodiscard]] std::vector<rpc::PortFacts> port_facts() const;
  [[nodiscard]] std::vector<rpc::WorkerFacts> worker_facts() const;
  [[nodiscard]] std::uint32_t buffers() const { return pool_->buffers(); }
  [[nodiscard]] std::uint32_t free_buffers() const { return pool_->free_buffers(); }
  // Sentences for the log: queues that nobody serves, workers without one.
  [[nodiscard]] const std::vector<std::string>& remarks() const { return remarks_; }

  using Answered = std::function<void(Request&)>;
  // Asks a worker (by index); the answer comes later, on this thread. False: it is busy with earlier
  // questions.
  bool ask(boost::asio::io_context& io, unsigned worker, Request request, Answered done);
  [[nodiscard]] static std::uint64_t tsc_hz();  // cycles of the workers' clock a second
  [[nodiscard]] std::size_t workers() const { return dataplane_.workers.size(); }
  // Who is told of flows that leave a table which this worker owns: its counters of flows by target.
  [[nodiscard]] FlowObserver observer(unsigned worker) const;
  // Before start(): this worker has so many flows more that go to this target.
  void count_flows(unsigned worker, std::uint32_t target, std::uint64_t flows);
  [[nodiscard]] static std::uint32_t flow_clock();  // FlowClock, as the workers read it

 private:
  struct Outbox {
    rte_ring* ring = nullptr;
    unsigned owner = 0;  // the worker that empties it
  };
  struct Question;

  void make_buffers();
  void open_ports(const HashKey& hash_key);
  void make_kernel_path();
  void make_rings();
  void make_workers();
  [[nodiscard]] WorkerSettings settings_of(unsigned index) const;
  [[nodiscard]] std::uint64_t queued(unsigned port) const;
  void poll_answers();

  const config::Dataplane dataplane_;
  struct Eal {
    Eal(const config::Dataplane& dataplane);
    ~Eal();
  } eal_;
  std::unique_ptr<io::PacketPool> pool_;
  std::vector<std::unique_ptr<io::Port>> ports_;
  std::vector<Outbox> outboxes_;
  std::vector<std::unique_ptr<Bell>> bells_;  // by worker
  ProbePorts probe_ports_;
  Outbox probes_;
  std::unique_ptr<io::KernelPath> kernel_;
  std::unique_ptr<Publisher> publisher_;
  std::vector<std::unique_ptr<Exchange>> exchanges_;
  // From worker i to worker j at [i * workers + j]; null where nothing is handed over.
  std::vector<std::unique_ptr<HandOverRing>> handed_;
  std::vector<std::unique_ptr<NoteRing>> notes_;
  std::vector<std::unique_ptr<WorkerCounters>> counters_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::string> remarks_;
  std::vector<std::unique_ptr<Question>> questions_;
  std::unique_ptr<boost::asio::steady_timer> poll_timer_;
  bool running_ = false, polling_ = false;
};

}  // namespace sluice
