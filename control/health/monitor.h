// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The health monitor (A9): probes thousands of DIPs from one event loop and says whose state changed.
//
//   configuration ──> probes (equal ones are one) ──> a Machine for each service and DIP ──> verdict
//                                                     └── Panic for each service ──┘
//
// A DIP that was there when the monitor started counts as up until it fails. One that comes later is
// `joining`: its verdict is "not healthy" before it has answered once, and the doctor, where he is asked
// (health.admit), has found nothing wrong on the way to it. So is a DIP whose service is new. A DIP that was
// there and gets its first health section counts as up until it fails.
//
// All of it belongs to the io_context's thread. Nothing blocks; nothing throws but for want of memory.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/config/model.h"
#include "control/health/admission.h"
#include "control/health/data_path.h"
#include "control/health/machine.h"
#include "control/health/report.h"

namespace sluice::health {

struct Options {
  // Probes under way at once; further ones wait their turn, and their time does not run. 0: a quarter of the
  // descriptors that the process may have, 2048 at most.
  std::size_t most_probes = 0;
  // Persistent connections that wait for their next probe. 0: as many as most_probes.
  std::size_t most_kept = 0;
  // The clients' way, for probes that take it; null: no port has a kernel interface.
  std::shared_ptr<DataPath> data_path = nullptr;
  // A sentence for the log: panic begins, panic ends; what keeps a DIP from its first packet.
  std::function<void(const std::string&)> log = {};
  // Walks the way to a DIP that is joining and has answered (health.admit). Empty: its answer is enough.
  Walk walk = {};
  // Was this DIP down when the process before this one stopped? Then it begins so, and not as up; and as it
  // may have been joining, it is walked to like one that comes later.
  std::function<bool(const std::string& service, const std::string& dip)> was_down = {};
  // What an agent said; only for services of type agent and agent-check.
  std::function<void(const std::string& service, const std::string& dip, const Report&)> report = {};
};

// One line of `health list`.
struct Row {
  std::string service, address;  // the DIP as maps::dip_name has it
  std::string state;  // up, down, joining, draining (its agent says so), panic (looks dead, is kept)
  std::string why;
  std::string probe;                   // "http 10.1.0.11:80/healthz"
  std::chrono::milliseconds since{0};  // how long it has been so
  bool healthy = true;                 // the verdict
  bool refused = false;                // it answers, and what the doctor found keeps it out
  std::vector<Result> last;            // oldest first, at most Machine::kRemembered
  std::optional<Report> report;
};

struct Stats {
  std::size_t probes = 0, under_way = 0, waiting = 0, kept_connections = 0;
  std::uint64_t asked = 0, failed = 0, not_counted = 0;
  std::uint64_t walks = 0, refused_walks = 0;  // to DIPs that join; those that found something wrong
};

class Monitor {
 public:
  // Called for each change, from the event loop or from within configure(). It may call configure(), which
  // then takes effect when the verdicts at hand are given.
  using Verdict = std::function<void(const std::string& service, const std::string& dip, bool healthy,
                                     const std::string& why)>;

  Monitor(boost::asio::io_context& io, Verdict verdict, Options options = {});
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  // What is to be watched from now on, after the same model came into force. Probes that stay keep their
  // state and their pace. A DIP that is not watched any more but still there becomes healthy. Calling it
  // again with equal services changes nothing.
  void configure(const std::vector<config::Service>& services);

  [[nodiscard]] std::vector<Row> rows() const;  // in the order of the services' names and the DIPs'
  [[nodiscard]] Stats stats() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::health
