// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/machine.h"

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "dataplane/io/eal.h"

namespace sluice {
namespace {

constexpr unsigned kOutboxPackets = 4096;
constexpr std::uint64_t kKernelPacketsPerS = 20'000,
                        kKernelPacketsAtOnce = 1'000;  // a port's punts by one worker, of the known
constexpr std::uint64_t kIdleHousekeepingPerS = 2'000;
constexpr unsigned kFragmentLifeMs = 1'000, kFragmentHoldMs = 200;
constexpr std::chrono::microseconds kAnswerPoll{200};

std::vector<unsigned> worker_lcores(const config::Dataplane& dataplane) {
  std::vector<unsigned> lcores;
  for (const config::Worker& worker : dataplane.workers) lcores.push_back(worker.lcore);
  return lcores;
}

unsigned tier1_workers(const config::Dataplane& dataplane) {
  return static_cast<unsigned>(std::ranges::count_if(dataplane.workers, &config::Worker::tier1));
}

int run_worker(void* worker) {
  static_cast<Worker*>(worker)->run();
  return 0;
}

void free_packets(rte_ring* ring) {
  void* packet = nullptr;
  while (rte_ring_dequeue(ring, &packet) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(packet));
}

}  // namespace

struct Machine::Question {
  unsigned worker;
  Request request;
  Answered done;
};

Machine::Eal::Eal(const config::Dataplane& dataplane) {
  io::start_eal(dataplane.eal, worker_lcores(dataplane));
}
Machine::Eal::~Eal() {
  io::stop_eal();
}

Machine::Machine(const config::Dataplane& dataplane, const std::function<HashKey()>& hash_key)
    : dataplane_(dataplane), eal_(dataplane_) {
  make_buffers();
  open_ports(hash_key());
  for (std::size_t i = 0; i < dataplane_.workers.size(); ++i) bells_.push_back(std::make_unique<Bell>());
  make_kernel_path();
  make_rings();
}

void Machine::make_buffers() {
  const auto workers = static_cast<unsigned>(dataplane_.workers.size());
  std::uint16_t mtu = 0;
  for (const config::Port& port : dataplane_.ports) mtu = std::max(mtu, port.mtu);
  const auto queues = static_cast<unsigned>(dataplane_.ports.size()) * workers;
  pool_ = std::make_unique<io::PacketPool>(
      dataplane_.buffers ? dataplane_.buffers : io::buffers_for(queues, queues, workers), mtu);
}

void Machine::open_ports(const HashKey& hash_key) {
  const auto workers = static_cast<std::uint16_t>(dataplane_.workers.size());
  const auto rx_wanted = static_cast<std::uint16_t>(tier1_workers(dataplane_));
  for (const config::Port& port : dataplane_.ports) {
    const io::PortSettings settings{.name = port.name,
                                    .device = port.device,
                                    .mtu = port.mtu,
                                    .rx_queues = port.queues ? port.queues : rx_wanted,
                                    .tx_queues = port.queues ? port.queues : workers,
                                    .hash_key = hash_key};
    ports_.push_back(std::make_unique<io::Port>(settings, pool_->get()));
    const io::Port& opened = *ports_.back();
    if (opened.rx_queues() < rx_wanted) {
      remarks_.push_back(
          "port " + port.name + " has " + std::to_string(opened.rx_queues()) + " receive queues for " +
          std::to_string(rx_wanted) + " tier-1 workers: workers from lcore " +
          std::to_string(dataplane_.workers[opened.rx_queues()].lcore) + " on receive nothing from it");
    }
    Outbox outbox;
    const std::string name = "sluice-out-" + std::to_string(outboxes_.size());
    outbox.ring = rte_ring_create(name.c_str(), kOutboxPackets, SOCKET_ID_ANY, RING_F_SC_DEQ);
    if (!outbox.ring) throw std::runtime_error("no memory for the outbox of port " + port.name);
    outboxes_.push_back(outbox);
  }
}

void Machine::make_kernel_path() {
  std::vector<io::KernelPath::Link> links;
  for (unsigned i = 0; i < dataplane_.ports.size(); ++i) {
    const config::Port& port = dataplane_.ports[i];
    if (port.kernel_interface.empty()) continue;
    links.push_back(
        {i, port.kernel_interface, port.vlan, port.mtu, outboxes_[i].ring, bells_[outboxes_[i].owner].get()});
  }
  probes_.ring = rte_ring_create("sluice-probes", kOutboxPackets, SOCKET_ID_ANY, RING_F_SC_DEQ);
  if (!probes_.ring) throw std::runtime_error("no memory for the queue of health probes");
  kernel_ = std::make_unique<io::KernelPath>(
      std::move(links), pool_->get(),
      io::KernelPath::Probes{&probe_ports_, probes_.ring, bells_[probes_.owner].get()});
}

WorkerSettings Machine::settings_of(unsigned index) const {
  const config::Worker& worker = dataplane_.workers[index];
  WorkerSettings settings;
  settings.index = index;
  settings.lcore = worker.lcore;
  settings.adaptive_idle = dataplane_.idle == config::Idle::kAdaptive;
  settings.pool = pool_->get();
  settings.tier1 = worker.tier1;
  settings.tier2 = worker.tier2;
  settings.counters = counters_[index].get();
  const std::size_t n = dataplane_.workers.size();
  for (std::size_t other = 0; other < n; ++other) {
    settings.hand_to.push_back(handed_[index * n + other].get());
    settings.hand_from.push_back(handed_[other * n + index].get());
    settings.notes_to.push_back(notes_[index * n + other].get());
    settings.notes_from.push_back(notes_[other * n + index].get());
    if (other != index) settings.others.push_back(bells_[other].get());
  }
  settings.bell = bells_[index].get();
  settings.kernel = &kernel_->bell();
  const std::uint64_t hz = rte_get_tsc_hz();
  settings.idle_housekeeping_tsc = hz / kIdleHousekeepingPerS;
  settings.fragments.life_tsc = hz / 1000 * kFragmentLifeMs;
  settings.fragments.hold_tsc = hz / 1000 * kFragmentHoldMs;
  const auto tier1_before =
      static_cast<std::uint16_t>(std::count_if(dataplane_.workers.begin(), dataplane_.workers.begin() + index,
                                               [](const config::Worker& w) { return w.tier1; }));
  for (unsigned p = 0; p < ports_.size(); ++p) {
    const io::Port& port = *ports_[p];
    if (worker.tier1 && tier1_before < port.rx_queues()) {
      settings.receive.push_back({static_cast<std::uint8_t>(p), port.dpdk_port(), tier1_before,
                                  port.reads_file(), port.offers_rss(), port.wake_fd(tier1_before)});
    }
    PortLane lane;
    lane.dpdk_port = port.dpdk_port();
    lane.owns_queue = index < port.tx_queues();
    lane.tx_queue = static_cast<std::uint16_t>(lane.owns_queue ? index : 0);
    lane.outbox = outboxes_[p].ring;
    lane.to_kernel = kernel_->to_kernel(p);
    lane.kernel_rates = KernelRates(kKernelPacketsPerS, kKernelPacketsAtOnce, hz);
    settings.lanes.push_back(lane);
    settings.outboxes.push_back(outboxes_[p].owner == index ? outboxes_[p].ring : nullptr);
  }
  if (probes_.owner == index) {
    settings.probes = probes_.ring;
    settings.probe_ports = &probe_ports_;
  }
  return settings;
}

// Any worker may have packets for any tier-2 worker: from tier 1, or on the way to another group's owner.
void Machine::make_rings() {
  const std::size_t n = dataplane_.workers.size();
  handed_.resize(n * n);
  notes_.resize(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    counters_.push_back(std::make_unique<WorkerCounters>());
    for (std::size_t j = 0; j < n; ++j) {
      if (i == j) continue;
      notes_[i * n + j] = std::make_unique<NoteRing>();
      if (!dataplane_.workers[j].tier2) continue;
      handed_[i * n + j] =
          std::make_unique<HandOverRing>("sluice-hand-" + std::to_string(i) + "-" + std::to_string(j));
    }
  }
}

void Machine::make_workers() {
  for (unsigned i = 0; i < dataplane_.workers.size(); ++i) {
    exchanges_.push_back(std::make_unique<Exchange>("sluice-door-" + std::to_string(i)));
    workers_.push_back(std::make_unique<Worker>(settings_of(i), *publisher_, *exchanges_[i]));
  }
}

void Machine::start(std::unique_ptr<const Snapshot> first) {
  publisher_ =
      std::make_unique<Publisher>(std::move(first), static_cast<unsigned>(dataplane_.workers.size()));
  make_workers();
  for (const auto& port : ports_) port->start();
  kernel_->start();
  for (const auto& worker : workers_) {
    if (const int error = rte_eal_remote_launch(run_worker, worker.get(), worker->lcore())) {
      throw std::runtime_error("worker lcore " + std::to_string(worker->lcore()) +
                               " does not start: " + rte_strerror(-error));
    }
  }
  running_ = true;
}

void Machine::stop() {
  if (!running_) return;
  running_ = false;
  for (const auto& worker : workers_) worker->drain();
  const auto quiet = [this] {
    return std::ranges::all_of(workers_, [](const auto& worker) { return worker->dry(); }) &&
           at_rest(handed_);
  };
  while (!quiet()) std::this_thread::sleep_for(kAnswerPoll);
  for (const auto& worker : workers_) worker->leave();
  for (const auto& worker : workers_) rte_eal_wait_lcore(worker->lcore());
  kernel_->stop();
  for (const auto& port : ports_) port->stop();
}

Machine::~Machine() {
  stop();
  for (const Outbox& outbox : outboxes_) {
    free_packets(outbox.ring);
    rte_ring_free(outbox.ring);
  }
  if (probes_.ring) free_packets(probes_.ring);
  rte_ring_free(probes_.ring);
}

std::vector<MacAddress> Machine::macs() const {
  std::vector<MacAddress> macs;
  for (const auto& port : ports_) macs.push_back(port->mac());
  return macs;
}

std::uint64_t Machine::queued(unsigned port) const {
  std::uint64_t packets = kernel_->held(port) + rte_ring_count(outboxes_[port].ring);
  // Packets between workers do not say their port from here; they are told with the first one.
  for (const auto& ring : handed_) packets += port == 0 && ring ? ring->waiting() : 0;
  if (port == 0) packets += rte_ring_count(probes_.ring);
  return packets;
}

void Machine::register_writers(metrics::Totals& totals) const {
  for (const auto& worker : workers_) totals.add_writer(&worker->counters());
  totals.add_writer(&kernel_->counters());
  totals.set_queued([this](unsigned port) { return queued(port); });
}

std::vector<rpc::PortFacts> Machine::port_facts() const {
  std::vector<rpc::PortFacts> facts;
  for (unsigned i = 0; i < ports_.size(); ++i) {
    const io::Port& port = *ports_[i];
    const config::Port& asked = dataplane_.ports[i];
    facts.push_back({.name = asked.name,
                     .device = asked.device,
                     .driver = port.driver(),
                     .kernel_interface = asked.kernel_interface,
                     .mac = port.mac(),
                     .mtu = asked.mtu,
                     .vlan = asked.vlan,
                     .rx_queues = port.rx_queues(),
                     .tx_queues = port.tx_queues(),
                     .offers_rss = port.offers_rss(),
                     .link_up = [&port] { return port.link_up(); },
                     .missed_packets = [&port] { return port.missed_packets(); },
                     .tx_errors = [&port] { return port.tx_errors(); }});
  }
  return facts;
}

std::vector<rpc::WorkerFacts> Machine::worker_facts() const {
  std::vector<rpc::WorkerFacts> facts;
  for (unsigned i = 0; i < workers_.size(); ++i) {
    const config::Worker& asked = dataplane_.workers[i];
    facts.push_back({asked.lcore, asked.tier1, asked.tier2, &workers_[i]->counters()});
  }
  return facts;
}

bool Machine::ask(boost::asio::io_context& io, unsigned worker, Request request, Answered done) {
  auto question = std::make_unique<Question>(Question{worker, std::move(request), std::move(done)});
  if (!exchanges_[worker]->submit(&question->request)) return false;
  bells_[worker]->wake();
  questions_.push_back(std::move(question));
  if (!poll_timer_) poll_timer_ = std::make_unique<boost::asio::steady_timer>(io);
  if (!polling_) poll_answers();
  return true;
}

void Machine::poll_answers() {
  polling_ = true;
  for (const auto& exchange : exchanges_) {
    while (const Request* answered = exchange->collect()) {
      const auto at =
          std::ranges::find_if(questions_, [&](const auto& q) { return &q->request == answered; });
      const std::unique_ptr<Question> question = std::move(*at);
      questions_.erase(at);
      question->done(question->request);
    }
  }
  polling_ = !questions_.empty();
  if (!polling_) return;
  poll_timer_->expires_after(kAnswerPoll);
  poll_timer_->async_wait([this](const boost::system::error_code& error) {
    if (!error) poll_answers();
  });
}

std::uint64_t Machine::tsc_hz() {
  return rte_get_tsc_hz();
}

FlowObserver Machine::observer(unsigned worker) const {
  return {counters_[worker].get(), [](void* context, const Flow& flow, FlowGone) noexcept {
            static_cast<WorkerCounters*>(context)->target_flows[flow.target].subtract(1);
          }};
}

void Machine::count_flows(unsigned worker, std::uint32_t target, std::uint64_t flows) {
  counters_[worker]->target_flows[target].add(flows);
}

std::uint32_t Machine::flow_clock() {
  return static_cast<std::uint32_t>(rte_rdtsc() / (rte_get_tsc_hz() / FlowClock::kTicksPerSecond));
}

}  // namespace sluice
