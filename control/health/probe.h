// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// One question asked at its pace: starts at its phase of every interval (schedule.h), waits its turn at the
// gate, ends with an answer or at the timeout. Belongs to the io_context's thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "control/health/prober.h"
#include "control/health/schedule.h"

namespace sluice::health {

class Probe;

// Bounds how many probes are under way, and with them the sockets. First come, first served.
class Gate {
 public:
  explicit Gate(std::size_t most) : most_(most) {}
  void enter(const std::shared_ptr<Probe>& probe);  // begins it now, or when others have left
  void leave();
  [[nodiscard]] std::size_t inside() const { return inside_; }
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

 private:
  std::size_t most_, inside_ = 0;
  std::deque<std::weak_ptr<Probe>> waiting_;
};

class Probe : public std::enable_shared_from_this<Probe> {
 public:
  // Gets each result. Returns how many failures in a row make the DIP dead when this one was a failure on the
  // way there, else nothing. May stop() the probe.
  using Observe = std::function<std::optional<unsigned>(const Answer&, const Result&)>;

  // The loop that fires a timeout so much too late was held up, and cannot tell who did not answer.
  static constexpr std::chrono::milliseconds kHeldUp{250};

  Probe(Surroundings& around, Gate& gate, const Spec& spec, Clock::duration phase, Observe observe);
  ~Probe() { stop(); }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  void start_at(TimePoint at);  // the first time, or sooner than planned
  void start_in_phase();
  void stop();  // for good

 private:
  friend class Gate;
  void begin();
  void time_is_over(TimePoint now);
  void finish(const Answer& answer, TimePoint now);

  Gate& gate_;
  const Spec spec_;
  const Clock::duration phase_;
  Observe observe_;
  std::unique_ptr<Prober> prober_;
  boost::asio::steady_timer timer_, deadline_;
  TimePoint started_{};
  std::uint64_t turn_ = 0;  // tells a timer's handler whether it is still meant
  bool queued_ = false, asking_ = false, stopped_ = false;
  bool excused_ = false;  // the last result was not counted because we were held up
};

}  // namespace sluice::health
