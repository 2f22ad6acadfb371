// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// One DIP's life as its probes tell it: so many failures in a row and it is down, so many successes and it is
// up again (A9). A DIP that goes up and down again and again is held down longer each time. Pure: time comes
// in as an argument, nothing happens by itself. One thread at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace sluice::health {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

enum class Judgement : std::uint8_t {
  kGood,
  kBad,
  kNone,  // says nothing about the DIP: the trouble was our own (no socket left, the process was held up)
};

struct Result {
  Judgement judgement = Judgement::kNone;
  std::string text;  // what was seen, one line: "HTTP status 200", "connection refused"
  std::chrono::microseconds took{0};
};

enum class State : std::uint8_t {
  kUp,
  kDown,
  kJoining,  // came while we ran, and gets nothing before it has answered and, behind a gate, was let in
};
std::string_view to_word(State state);

struct Policy {
  unsigned failures = 3, successes = 2;  // in a row; at least 1
  Clock::duration interval = std::chrono::seconds(2);
  friend bool operator==(const Policy&, const Policy&) = default;
};

// Flap damping. A death after less than kCalmIntervals of being up is one flap more; each such span of being
// up takes one off. The first kFreeFlaps cost nothing, so that a restart, or two, is not punished; the next
// one holds the DIP down for kFirstHoldIntervals, and every further one twice as long, up to kLongestHold.
inline constexpr unsigned kFreeFlaps = 2, kCalmIntervals = 30, kFirstHoldIntervals = 5;
inline constexpr std::chrono::seconds kLongestHold{120};

// How long a DIP with so many flaps stays down at least.
Clock::duration hold_of(unsigned flaps, Clock::duration interval);

class Machine {
 public:
  static constexpr std::size_t kRemembered = 10;

  // kUp: not asked yet, and alive until it fails; so a start of the process takes nobody out.
  Machine(const Policy& policy, State initial, TimePoint now);

  // Takes the next result in; true when alive() changed by it. `now` never goes back.
  bool observe(Result result, TimePoint now);
  // Shut: good answers make it joining, and to be up it takes admit(). For a DIP that was up, at first or
  // since, there is no gate: its slots wait for it.
  void set_gate(bool shut) { gate_ = shut && !was_up_; }
  // Answers behind the gate: its last result was good, or says nothing.
  [[nodiscard]] bool at_gate() const { return gate_ && state_ == State::kJoining && good_ > 0; }
  // Lets one in that is at_gate(). `remark` joins its why().
  void admit(const std::string& remark, TimePoint now);
  // Other thresholds from the next result on. What was counted in a row so far is forgotten.
  void set_policy(const Policy& policy);

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] bool alive() const { return state_ == State::kUp; }
  [[nodiscard]] TimePoint since() const { return since_; }
  // A sentence without its period: why it is in this state, and for a suspect what is held against it.
  [[nodiscard]] std::string why() const;
  [[nodiscard]] const std::deque<Result>& last() const { return last_; }  // oldest first
  [[nodiscard]] const Policy& policy() const { return policy_; }
  // Up, and the last result was a failure.
  [[nodiscard]] bool suspect() const { return alive() && bad_ > 0; }
  [[nodiscard]] unsigned flaps() const { return flaps_; }

 private:
  bool good(const std::string& text, TimePoint now);
  bool bad(const std::string& text, TimePoint now);
  bool joins(const std::string& text, TimePoint now);
  void enter(State state, std::string why, TimePoint now);
  void count_flap(TimePoint now);

  Policy policy_;
  State state_;
  TimePoint since_;
  std::string why_;
  unsigned good_ = 0, bad_ = 0;  // in a row
  bool answered_ = false;        // ever
  bool gate_ = false;            // shut
  bool was_up_;                  // ever
  std::string answer_;           // the last good one's text at the gate
  std::string doubt_;            // the last failure's text
  unsigned flaps_ = 0;
  std::deque<Result> last_;
};

}  // namespace sluice::health
