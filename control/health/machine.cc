// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/machine.h"

#include <algorithm>
#include <utility>

namespace sluice::health {
namespace {

std::string times(unsigned count, const char* what) {
  return std::to_string(count) + ' ' + what + (count == 1 ? "" : "s in a row");
}

std::string seconds(Clock::duration time) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(time).count();
  return ms < 1000 ? std::to_string(ms) + " ms" : std::to_string((ms + 999) / 1000) + " s";
}

}  // namespace

std::string_view to_word(State state) {
  switch (state) {
    case State::kUp:
      return "up";
    case State::kDown:
      return "down";
    case State::kJoining:
      return "joining";
  }
  return "?";
}

Clock::duration hold_of(unsigned flaps, Clock::duration interval) {
  if (flaps <= kFreeFlaps) return Clock::duration::zero();
  Clock::duration hold = interval * kFirstHoldIntervals;
  for (unsigned i = kFreeFlaps + 1; i < flaps && hold < kLongestHold; ++i) hold *= 2;
  return std::min<Clock::duration>(hold, kLongestHold);
}

Machine::Machine(const Policy& policy, State initial, TimePoint now)
    : policy_(policy),
      state_(initial),
      since_(now),
      why_(initial == State::kUp     ? "not probed yet, counts as up until it fails"
           : initial == State::kDown ? "down since before the restart"
                                     : "not probed yet, gets nothing before it answers"),
      was_up_(initial == State::kUp) {}

std::string Machine::why() const {
  if (!suspect()) return why_;
  return why_ + "; now failed " + std::to_string(bad_) + " of " + std::to_string(policy_.failures) + ": " +
         doubt_;
}

void Machine::set_policy(const Policy& policy) {
  if (policy == policy_) return;
  policy_ = policy;
  good_ = bad_ = 0;
}

void Machine::enter(State state, std::string why, TimePoint now) {
  state_ = state;
  if (state == State::kUp) {
    was_up_ = true;
    gate_ = false;
  }
  since_ = now;
  why_ = std::move(why);
}

void Machine::count_flap(TimePoint now) {
  const auto calm = policy_.interval * kCalmIntervals;
  const auto quiet_spans = (now - since_) / calm;
  flaps_ = quiet_spans >= flaps_ ? 0 : flaps_ - static_cast<unsigned>(quiet_spans);
  ++flaps_;
}

bool Machine::good(const std::string& text, TimePoint now) {
  bad_ = 0;
  good_ = std::min(good_ + 1, policy_.successes);
  switch (state_) {
    case State::kUp:
      if (!std::exchange(answered_, true)) why_ = "its first answer: " + text;
      return false;
    case State::kJoining:
      return joins(text, now);
    case State::kDown:
      break;
  }
  if (good_ < policy_.successes) return false;
  const auto until = since_ + hold_of(flaps_, policy_.interval);
  if (now < until) {
    why_ = "answers again, but went down " + std::to_string(flaps_) +
           " times in a short while: held down for " + seconds(until - now) + " more";
    return false;
  }
  if (gate_) {
    enter(State::kJoining, "", now);
    return joins(text, now);
  }
  enter(State::kUp, times(good_, "good answer") + ": " + text, now);
  return true;
}

// Its last result was good.
bool Machine::joins(const std::string& text, TimePoint now) {
  answered_ = true;
  answer_ = text;
  if (gate_) {
    why_ = "answers: " + text + "; the doctor has yet to walk its way";
    return false;
  }
  enter(State::kUp, "its first answer: " + text, now);
  return true;
}

void Machine::admit(const std::string& remark, TimePoint now) {
  enter(State::kUp, "its first answer: " + answer_ + "; " + remark, now);
}

bool Machine::bad(const std::string& text, TimePoint now) {
  good_ = 0;
  bad_ = std::min(bad_ + 1, policy_.failures);
  if (state_ == State::kJoining)
    why_ = (answered_ ? "does not answer any more: " : "has not answered yet: ") + text;
  if (state_ == State::kDown) why_ = "down, the last probe: " + text;
  doubt_ = text;
  if (state_ != State::kUp || bad_ < policy_.failures) return false;
  count_flap(now);
  enter(State::kDown, times(bad_, "failure") + ": " + text, now);
  return true;
}

bool Machine::observe(Result result, TimePoint now) {
  bool changed = false;
  if (result.judgement == Judgement::kGood) changed = good(result.text, now);
  if (result.judgement == Judgement::kBad) changed = bad(result.text, now);
  last_.push_back(std::move(result));
  if (last_.size() > kRemembered) last_.pop_front();
  return changed;
}

}  // namespace sluice::health
