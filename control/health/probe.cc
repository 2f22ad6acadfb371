// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/probe.h"

#include <utility>

namespace sluice::health {

void Gate::enter(const std::shared_ptr<Probe>& probe) {
  if (inside_ < most_) {
    ++inside_;
    probe->begin();
  } else {
    waiting_.push_back(probe);
  }
}

void Gate::leave() {
  --inside_;
  while (!waiting_.empty()) {
    const auto next = waiting_.front().lock();
    waiting_.pop_front();
    if (!next || next->stopped_) continue;
    ++inside_;
    return next->begin();
  }
}

Probe::Probe(Surroundings& around, Gate& gate, const Spec& spec, Clock::duration phase, Observe observe)
    : gate_(gate),
      spec_(spec),
      phase_(phase),
      observe_(std::move(observe)),
      prober_(make_prober(around, spec)),
      timer_(around.io),
      deadline_(around.io) {}

void Probe::stop() {
  if (std::exchange(stopped_, true)) return;
  prober_->stop();
  boost::system::error_code ignored;
  timer_.cancel(ignored);
  deadline_.cancel(ignored);
  if (std::exchange(asking_, false)) gate_.leave();
}

void Probe::start_in_phase() {
  start_at(at_phase(Clock::now(), phase_, spec_.interval));
}

void Probe::start_at(TimePoint at) {
  if (asking_ || queued_ || stopped_) return;
  timer_.expires_at(at);
  timer_.async_wait([weak = weak_from_this(), turn = ++turn_](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || !self || self->stopped_ || turn != self->turn_) return;
    self->queued_ = true;
    self->gate_.enter(self);
  });
}

void Probe::begin() {
  queued_ = false;
  asking_ = true;
  started_ = Clock::now();
  boost::system::error_code ignored;  // a timer of the clock cannot fail, and a destructor comes by here
  deadline_.expires_at(started_ + spec_.timeout, ignored);
  deadline_.async_wait([weak = weak_from_this(), turn = turn_](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || !self || !self->asking_ || turn != self->turn_) return;
    self->time_is_over(Clock::now());
  });
  prober_->ask([this](const Answer& answer) {
    const auto self = shared_from_this();
    self->excused_ = false;
    self->finish(answer, Clock::now());
  });
}

void Probe::time_is_over(TimePoint now) {
  const std::string waited_for(prober_->waits_for());
  prober_->stop();
  const auto late = now - started_ - spec_.timeout;
  if (late > kHeldUp && !std::exchange(excused_, true)) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(late).count();
    return finish(
        {Judgement::kNone, "not counted: the monitor was held up for " + std::to_string(ms) + " ms"}, now);
  }
  excused_ = false;
  finish({Judgement::kBad, "waited " + std::to_string(spec_.timeout.count()) + " ms for " + waited_for}, now);
}

void Probe::finish(const Answer& answer, TimePoint now) {
  asking_ = false;
  deadline_.cancel();
  gate_.leave();
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(now - started_);
  const std::optional<unsigned> failures = observe_(answer, {answer.judgement, answer.text, took});
  if (stopped_) return;
  start_at(failures ? next_start_of_suspect(started_, now, *failures, spec_.interval)
                    : next_start(started_, now, phase_, spec_.interval));
}

}  // namespace sluice::health
