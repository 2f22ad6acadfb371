// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/agent.h"

#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>

#include "control/agent/status.h"

extern char** environ;

namespace sluice::agent {
namespace {

using boost::system::error_code;
using std::chrono::steady_clock;

// Word of one change of the host often comes with word of others: wait for them before looking.
constexpr std::chrono::milliseconds kSettle{100};

// /status costs the kernel a walk over its sockets: whoever asks often gets the same answer again, so that it
// takes a tenth of the agent's time and no more.
constexpr int kStatusShare = 10;

// Runs the operator's program with one argument, without a shell, our descriptors or our signal settings.
void run_hook(const std::string& program, const char* argument) {
  std::string path = program, word = argument;
  char* arguments[] = {path.data(), word.data(), nullptr};
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addclosefrom_np(&files, 3);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGCHLD);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t child = 0;
  if (const int error = posix_spawn(&child, path.c_str(), &files, &attributes, arguments, environ);
      error != 0)
    spdlog::error("cannot run drain_hook {}: {}", program, std::strerror(error));
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
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
      http_(io_, config.listen, [this](std::string_view path) { return answer(path); }),
      tunnel_(config),
      holdings_(config, link_),
      news_ready_(io_, dup(news_.descriptor())),
      settle_(io_),
      second_(io_),
      signals_(io_, SIGTERM, SIGINT, SIGHUP) {
  signals_.add(SIGUSR1);
  signals_.add(SIGUSR2);
  std::signal(SIGCHLD, SIG_IGN);  // hooks are not waited for
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
  spdlog::info("ready");
  sd_notify(0, "READY=1\nSTATUS=decapsulating");
  io_.run();
}

void Agent::wait_for_signal() {
  signals_.async_wait([this](error_code error, int signal) {
    if (error) return;
    if (signal == SIGTERM || signal == SIGINT) return io_.stop();
    if (signal == SIGHUP) reload_();
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
    machine_.sample();
    sd_notify(0, "WATCHDOG=1");  // where nobody listens, it goes nowhere
    sample_every_second();
  });
}

void Agent::set_draining(bool draining) {
  if (draining == draining_) return;
  draining_ = draining;
  status_until_ = {};
  const char* state = draining ? "draining" : "alive";
  spdlog::info("{}", state);
  sd_notifyf(0, "STATUS=%s", state);
  if (!config_.drain_hook.empty()) run_hook(config_.drain_hook, state);
}

HttpResponse Agent::answer(std::string_view path) {
  if (path == "/healthz") return healthz();
  if (path != "/status") return {404, "text/plain", "There are /healthz and /status.\n"};
  try {
    return {200, "application/json", status()};
  } catch (const std::exception& e) {
    spdlog::error("{}", e.what());
    return {500, "text/plain", std::string(e.what()) + "\n"};
  }
}

// The magic word stands in the good answer only, so that a monitor that looks for the word needs no status
// code.
HttpResponse Agent::healthz() const {
  if (draining_) return {503, "text/plain", "draining\n"};
  if (prober_ && !prober_->state().healthy()) return {503, "text/plain", "ill\n"};
  return {200, "text/plain", config_.magic};
}

const std::string& Agent::status() {
  const auto begin = steady_clock::now();
  if (begin < status_until_) return status_;
  StatusFacts facts;
  facts.draining = draining_;
  facts.healthy = !prober_ || prober_->state().healthy();
  facts.health_text = prober_ ? prober_->state().text() : "no check configured";
  facts.uptime_s = std::chrono::duration<double>(begin - started_).count();
  facts.machine = machine_.last();
  for (const auto& [name, info] : holdings_.interfaces())
    facts.interfaces.push_back(
        {name, info.mtu_bytes, config_.clamp_mss ? inner_mtu(config_, info.mtu_bytes) : 0});
  facts.connections = count_connections(config_.vips);
  facts.counters = tunnel_.read_counters();
  status_ = make_status(config_, facts).dump(2) + "\n";
  const auto end = steady_clock::now();
  status_until_ = end + kStatusShare * (end - begin);
  return status_;
}

}  // namespace sluice::agent
