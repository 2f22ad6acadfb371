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
#include "control/agent/health.h"
#include "control/agent/holdings.h"
#include "control/agent/http_server.h"
#include "control/agent/kernel_link.h"
#include "control/agent/machine.h"
#include "control/agent/tunnel.h"

namespace sluice::agent {

class Agent {
 public:
  // Takes the place of the only agent in this network namespace, listens and loads, but changes nothing yet.
  // Throws std::runtime_error with one sentence. `reload`: called for SIGHUP; returns only when it must not
  // be.
  Agent(const Config& config, std::function<void()> reload);

  // From `ready` to SIGTERM or SIGINT: SIGUSR1 drains, SIGUSR2 ends draining. Whatever happens, the host is
  // given back before it returns or throws.
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
  void set_draining(bool draining);
  HttpResponse answer(std::string_view path);
  HttpResponse healthz() const;
  const std::string& status();

  const Config& config_;
  std::function<void()> reload_;
  OnlyOne only_one_;
  boost::asio::io_context io_{1};
  HttpServer http_;
  KernelLink link_;
  Tunnel tunnel_;
  Holdings holdings_;
  KernelNews news_;
  boost::asio::posix::stream_descriptor news_ready_;
  boost::asio::steady_timer settle_, second_;
  boost::asio::signal_set signals_;
  MachineSampler machine_;
  std::optional<HealthProber> prober_;
  bool draining_ = false;
  std::string last_trouble_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now(), status_until_;
  std::string status_;
};

}  // namespace sluice::agent
