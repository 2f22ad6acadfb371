// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/agent.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <stdexcept>

#include "control/agent/confinement.h"
#include "control/agent/link_peers.h"
#include "control/agent/status.h"
#include "control/agent/sysctl.h"
#include "control/config/words.h"

namespace sluice::agent {
namespace {

using boost::system::error_code;
using std::chrono::steady_clock;

// Word of one change of the host often comes with word of others: wait for them before looking.
constexpr std::chrono::milliseconds kSettle{100};

// /status costs the kernel a walk over its sockets: whoever asks often gets the same answer again, so that it
// takes a tenth of the agent's time and no more.
constexpr int kStatusShare = 10;

// What a fresh agent finds that takes over from one that was told SIGHUP.
constexpr const char* kRestarted = "SLUICE_AGENT_RESTARTED";

http::Response sentence(unsigned status, const std::string& text) {
  return {status, "text/plain", text + "\n"};
}

}  // namespace

Agent::OnlyOne::OnlyOne() : descriptor_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  constexpr std::string_view kName = "sluice-agent";
  std::memcpy(name.sun_path + 1, kName.data(), kName.size());  // a leading zero: abstract, no file
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + kName.size());
  if (descriptor_ < 0 || bind(descriptor_, reinterpret_cast<const sockaddr*>(&name), length) != 0) {
    const int error = errno;
    if (descriptor_ >= 0) close(descriptor_);
    throw std::runtime_error(error == EADDRINUSE
                                 ? "another sluice-agent runs in this network namespace, stop it first"
                                 : std::string("cannot open a socket: ") + std::strerror(error));
  }
}

Agent::OnlyOne::~OnlyOne() {
  close(descriptor_);
}

Agent::Agent(const Config& config, std::function<void()> reload)
    : config_(config),
      reload_(std::move(reload)),
      http_(
          io_, config.listen, [this](const http::Request& request) { return answer(request); },
          http::Limits(), "give `listen` an address of this host and a free port"),
      tunnel_(config),
      holdings_(config, link_),
      news_ready_(io_, dup(news_.descriptor())),
      settle_(io_),
      second_(io_),
      signals_(io_, SIGTERM, SIGINT, SIGHUP),
      hooks_(io_, config.drain_hook, std::chrono::seconds(config.drain_hook_timeout_s)),
      restarted_(std::getenv(kRestarted) != nullptr) {
  signals_.add(SIGUSR1);
  signals_.add(SIGUSR2);
  hooks_.when_idle([this] { reload_when_idle(); });
}

void Agent::run() {
  try {
    serve_until_told();
  } catch (...) {
    holdings_.release();
    throw;
  }
  sd_notify(0, "STOPPING=1");
  http_.close();
  holdings_.release();
  spdlog::info("gave everything back, ends");
}

void Agent::serve_until_told() {
  holdings_.hold(tunnel_, true);
  if (config_.health) prober_.emplace(io_, *config_.health);
  wait_for_signal();
  wait_for_news();
  sample_every_second();
  confine::Confinement confinement(plan_for(config_, restarted_));
  confine::confine(confinement);
  spdlog::info("ready");
  sd_notify(0, "READY=1\nSTATUS=decapsulating");
  io_.run();
}

void Agent::wait_for_signal() {
  signals_.async_wait([this](error_code error, int signal) {
    if (error) return;
    if (signal == SIGTERM || signal == SIGINT) leave();
    if (signal == SIGHUP) {
      reload_asked_ = true;
      reload_when_idle();
    }
    if (signal == SIGUSR1) set_draining(true);
    if (signal == SIGUSR2) set_draining(false);
    wait_for_signal();
  });
}

void Agent::wait_for_news() {
  news_ready_.async_wait(news_ready_.wait_read, [this](error_code error) {
    if (error) return;
    settle_.expires_after(kSettle);
    settle_.async_wait([this](error_code e) {
      if (e) return;
      news_.drain();
      keep_holding();
      wait_for_news();
    });
  });
}

// The host changed: an address, an MTU, an interface that came back, a VIP that somebody took away.
void Agent::keep_holding() {
  try {
    holdings_.hold(tunnel_, false);
    last_trouble_.clear();
  } catch (const std::exception& e) {
    if (last_trouble_ != e.what()) spdlog::error("{}", e.what());
    last_trouble_ = e.what();
  }
}

void Agent::sample_every_second() {
  second_.expires_after(std::chrono::seconds(1));
  second_.async_wait([this](error_code error) {
    if (error) return;
    every_second();
    sd_notify(0, "WATCHDOG=1");  // where nobody listens, it goes nowhere
    sample_every_second();
  });
}

void Agent::every_second() {
  const auto now = steady_clock::now();
  machine_.sample();
  traffic_.sample(tunnel_.read_counters(), std::chrono::duration<double>(now - sampled_).count());
  sampled_ = now;
  for (const DrainKey& key : drains_.expire(now)) {
    spdlog::info("the drain of {} is over: its deadline is past", describe(key));
    status_until_ = {};
    tell_hook(key, "alive", std::chrono::seconds(0));
  }
  try {
    if (!drains_.all().empty() || leave_until_) static_cast<void>(status());
  } catch (const std::exception& e) {
    spdlog::error("{}", e.what());
  }
  if (leave_until_ && (connections_ == 0 || now >= *leave_until_)) {
    spdlog::info("leaves with {} connections", connections_);
    io_.stop();
  }
}

void Agent::set_draining(bool draining) {
  if (draining == draining_) return;
  draining_ = draining;
  status_until_ = {};
  const char* word = draining ? "draining" : "alive";
  spdlog::info("{}", word);
  sd_notifyf(0, "STATUS=%s", word);
  hooks_.run(word);
}

// From now on monitors see `leaving`; what is here may end.
void Agent::leave() {
  if (config_.leave_s == 0 || leave_until_) return io_.stop();
  leave_until_ = steady_clock::now() + std::chrono::seconds(config_.leave_s);
  status_until_ = {};
  spdlog::info("leaving: waits for connections to end, for {} s at most", config_.leave_s);
  sd_notify(0, "STOPPING=1\nSTATUS=leaving");
  hooks_.run("draining");
}

// A hook that runs is our child, and the fresh agent would not know it.
void Agent::reload_when_idle() {
  if (!reload_asked_ || hooks_.busy()) return;
  reload_asked_ = false;
  setenv(kRestarted, "1", 1);
  reload_();
  unsetenv(kRestarted);
}

std::string_view Agent::state() const {
  if (leave_until_) return "leaving";
  if (draining_) return "draining";
  if (prober_ && !prober_->state().asked()) return restarted_ ? "restarting" : "joining";
  return "alive";
}

http::Response Agent::answer(const http::Request& request) {
  if (request.path == "/drain" || request.path == "/undrain") return order(request);
  if (request.post) return sentence(405, "Orders go to /drain and /undrain.");
  if (request.path == "/healthz") return healthz();
  if (request.path != "/status") return sentence(404, "There are /healthz and /status.");
  try {
    return {200, "application/json", status()};
  } catch (const std::exception& e) {
    spdlog::error("{}", e.what());
    return sentence(500, e.what());
  }
}

// From a MUX: a service of this server begins to drain there, or is wanted again.
http::Response Agent::order(const http::Request& request) {
  if (!request.post) return sentence(405, "Orders are sent by POST.");
  const auto known = [&](const Prefix& muxes) { return muxes.contains(request.peer); };
  const bool near = config_.muxes_on_link && on_link(config_.interfaces, request.peer);
  if (!near && std::ranges::none_of(config_.muxes, known)) {
    Config better = config_;
    better.muxes.push_back(Prefix::host(request.peer));
    return sentence(403, to_string(request.peer) +
                             " is no MUX of this server; if it is, write into the agent's file: muxes = " +
                             print_muxes(better) + ";");
  }
  std::string error;
  const auto order = read_drain(request.body, config_, error);
  if (!order) return sentence(400, error);
  if (request.path == "/drain") return begin_drain(*order, request.peer);
  if (drains_.end(order->key, request.peer)) {
    spdlog::info("{} says: {} is wanted again", to_string(request.peer), describe(order->key));
    status_until_ = {};
    tell_hook(order->key, "alive", std::chrono::seconds(0));
  }
  return {200, "application/json", "{\"state\": \"alive\"}\n"};
}

http::Response Agent::begin_drain(const DrainOrder& order, const IpAddress& mux) {
  const auto begins = drains_.begin(order, mux, steady_clock::now());
  if (!begins) return sentence(429, "too many MUXes drain " + describe(order.key) + " already");
  if (*begins) {
    spdlog::info("{} drains {}, for {} s at most", to_string(mux), describe(order.key),
                 order.deadline.count());
    status_until_ = drained_until_ = {};
    tell_hook(order.key, "draining", order.deadline);
  }
  try {
    count_drained();
  } catch (const std::exception& e) {
    spdlog::error("{}", e.what());
    return sentence(500, e.what());
  }
  auto body = make_drain(order.key, drains_.all().at(order.key), steady_clock::now());
  body["state"] = "draining";
  body["drain_hook"] = hooks_.last();
  return {200, "application/json", body.dump() + "\n"};
}

void Agent::tell_hook(const DrainKey& key, const char* event, std::chrono::seconds deadline) {
  hooks_.run(event, {"SLUICE_VIP=" + to_string(key.vip),
                     "SLUICE_PROTOCOL=" + std::string(config::to_word(key.protocol)),
                     "SLUICE_PORT=" + std::to_string(key.port),
                     "SLUICE_DIP_PORT=" + std::to_string(key.dip_port != 0 ? key.dip_port : key.port),
                     "SLUICE_DEADLINE_S=" + std::to_string(deadline.count())});
}

// As status(): it costs the kernel a walk over its sockets.
void Agent::count_drained() {
  const auto begin = steady_clock::now();
  if (begin < drained_until_ || drains_.all().empty()) return;
  const std::vector<Vip> vips = drains_.as_vips();
  const std::vector<VipConnections> counts = count_connections(vips);
  for (std::size_t v = 0; v < vips.size(); ++v) {
    for (std::size_t s = 0; s < vips[v].services.size(); ++s) {
      const Service& service = vips[v].services[s];
      const DrainKey key{vips[v].prefix, service.protocol, service.port, service.dip_port};
      if (drains_.count(key, counts[v].by_service[s], begin))
        spdlog::info("the last connection of {} is gone", describe(key));
    }
  }
  const auto end = steady_clock::now();
  drained_until_ = end + kStatusShare * (end - begin);
}

// The magic word stands in the good answer only, so that a monitor that looks for the word needs no status
// code.
http::Response Agent::healthz() const {
  if (draining_ || leave_until_) return {503, "text/plain", draining_ ? "draining\n" : "leaving\n"};
  if (prober_ && !prober_->state().healthy()) return {503, "text/plain", "ill\n"};
  return {200, "text/plain", config_.magic};
}

const std::string& Agent::status() {
  const auto begin = steady_clock::now();
  if (begin < status_until_) return status_;
  count_drained();
  StatusFacts facts;
  facts.state = state();
  facts.healthy = !prober_ || prober_->state().healthy();
  facts.health_text = prober_ ? prober_->state().text() : "no check configured";
  facts.uptime_s = std::chrono::duration<double>(begin - started_).count();
  facts.machine = machine_.last();
  for (const auto& [name, info] : holdings_.interfaces())
    facts.interfaces.push_back({name, info.mtu_bytes,
                                config_.clamp_mss ? inner_mtu(config_, info.mtu_bytes) : 0,
                                effective_rp_filter(name, read_sysctl)});
  const KernelLink::Addresses there = link_.addresses();
  for (const Vip& vip : config_.vips)
    facts.held.push_back(std::ranges::any_of(
        there.loopback, [&](const Prefix& p) { return p.address == vip.prefix.address; }));
  facts.connections = count_connections(config_.vips);
  connections_ =
      std::accumulate(facts.connections.begin(), facts.connections.end(), std::uint64_t{0},
                      [](std::uint64_t sum, const VipConnections& vip) { return sum + vip.total; });
  facts.counters = tunnel_.read_counters();
  facts.rx_pps = traffic_.rx_pps();
  facts.drains = &drains_;
  facts.hook = hooks_.last();
  facts.now = begin;
  status_ = make_status(config_, facts).dump(2) + "\n";
  const auto end = steady_clock::now();
  status_until_ = end + kStatusShare * (end - begin);
  return status_;
}

}  // namespace sluice::agent
