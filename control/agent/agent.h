// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The agent as a whole (the DIP controller of A14): takes what the host must have, serves what monitors ask,
// reacts to signals and to changes of the host, and gives everything back. One thread, one event loop.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "control/agent/config.h"
#include "control/agent/drains.h"
#include "control/agent/health.h"
#include "control/agent/holdings.h"
#include "control/agent/hooks.h"
#include "control/agent/kernel_link.h"
#include "control/agent/machine.h"
#include "control/agent/traffic.h"
#include "control/agent/tunnel.h"
#include "control/http/server.h"

namespace sluice::agent {

class Agent {
 public:
  // Takes the place of the only agent in this network namespace, listens and loads, but changes nothing yet.
  // Throws std::runtime_error with one sentence. `reload`: called for SIGHUP; returns only when it must not
  // be.
  Agent(const Config& config, std::function<void()> reload);

  // From `ready` to SIGTERM or SIGINT: SIGUSR1 drains, SIGUSR2 ends draining. With `leave_s`, SIGTERM first
  // waits for connections to end; a second one does not. Whatever happens, the host is given back before it
  // returns or throws.
  void run();

 private:
  // A name in the network namespace that the kernel frees with its owner, however that ends.
  class OnlyOne {
   public:
    OnlyOne();
    ~OnlyOne();
    OnlyOne(const OnlyOne&) = delete;
    OnlyOne& operator=(const OnlyOne&) = delete;

   private:
    int descriptor_;
  };

  void serve_until_told();
  void wait_for_signal();
  void wait_for_news();
  void keep_holding();
  void sample_every_second();
  void every_second();
  void set_draining(bool draining);
  void leave();
  void reload_when_idle();
  http::Response answer(const http::Request& request);
  http::Response order(const http::Request& request);
  http::Response begin_drain(const DrainOrder& order, const IpAddress& mux);
  http::Response healthz() const;
  // The word for this server: the last one of a start that is over is `alive`.
  [[nodiscard]] std::string_view state() const;
  void tell_hook(const DrainKey& key, const char* event, std::chrono::seconds deadline);
  void count_drained();
  const std::string& status();

  const Config& config_;
  std::function<void()> reload_;
  OnlyOne only_one_;
  boost::asio::io_context io_{1};
  http::Server http_;
  KernelLink link_;
  Tunnel tunnel_;
  Holdings holdings_;
  KernelNews news_;
  boost::asio::posix::stream_descriptor news_ready_;
  boost::asio::steady_timer settle_, second_;
  boost::asio::signal_set signals_;
  MachineSampler machine_;
  VipTraffic traffic_;
  Drains drains_;
  Hooks hooks_;
  std::optional<HealthProber> prober_;
  bool draining_ = false, reload_asked_ = false;
  bool restarted_ = false;  // by SIGHUP
  std::optional<std::chrono::steady_clock::time_point> leave_until_;
  std::chrono::steady_clock::time_point sampled_ = std::chrono::steady_clock::now(), drained_until_{};
  std::uint64_t connections_ = 0;  // when last counted
  std::string last_trouble_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now(), status_until_;
  std::string status_;
};

}  // namespace sluice::agent
