// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// One IIP's life on the wire (A6, RFC 5227; the same by neighbour discovery, RFC 4862 and RFC 4861): it is
// asked for, taken when nobody defends it, announced three times and then at a slow rate for ever, so that
// after any confusion the tables of routers come back to us; and defended. Pure: time comes in as an
// argument, what is to be done comes out. One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "control/announce/frames.h"

namespace sluice::announce {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

enum class IipState : std::uint8_t {
  kProbing,    // asked for; not ours yet
  kRefused,    // somebody has it, or wants it at the same time: not taken
  kHeld,       // ours
  kContested,  // ours, and somebody else says so too, again and again: an operator must look
};
std::string_view to_word(IipState state);

struct IipTiming {
  std::chrono::milliseconds probe{200};       // between questions, and after the last one
  std::chrono::seconds announce{60};          // between announcements, after the first three
  std::optional<std::chrono::seconds> retry;  // a refused one is asked for again after so long; none: never
};

// RFC 5227 section 1.1 (PROBE_NUM, DEFEND_INTERVAL); A6 asks for three announcements, and RFC 4861
// section 10 (MAX_NEIGHBOR_ADVERTISEMENT, RETRANS_TIMER) for so many, so far apart.
inline constexpr unsigned kProbes = 3, kAnnouncements = 3;
inline constexpr std::chrono::seconds kAnnouncePause{1}, kDefendInterval{10};
// A contested address is held again in peace after so long without a conflict.
inline constexpr std::chrono::seconds kPeace{3 * kDefendInterval};

// What is to be done now, in this order.
struct Todo {
  bool probe = false;      // send a probe
  bool take = false;       // the address is ours: answer for it from now on
  bool announce = false;   // send an announcement
  bool refused = false;    // defender() has it: tell the operator
  bool contested = false;  // defender() disputes it: tell the operator
  bool peace = false;      // the dispute is over
  friend bool operator==(const Todo&, const Todo&) = default;
};

class IipMachine {
 public:
  // `own`: the MAC that we answer with; frames from it are our own.
  IipMachine(const IipTiming& timing, const MacAddress& own, TimePoint now)
      : timing_(timing), own_(own), since_(now), due_(now) {}

  // Does what is due. Call it at due(); earlier calls do nothing.
  Todo tick(TimePoint now);
  // A frame was heard, about whatever address the caller has seen to be this one.
  Todo heard(const Heard& heard, TimePoint now);
  // Ours without a question: whoever had it gave it to us.
  Todo take(TimePoint now);
  // Three announcements from now on; nothing when it is not ours.
  Todo announce(TimePoint now);
  // It could not be had, for a reason of our own; asked for again as one that was refused.
  void fail(TimePoint now);
  // A refused address is asked for again now.
  void retry(TimePoint now);
  void set_timing(const IipTiming& timing, TimePoint now);

  [[nodiscard]] TimePoint due() const;
  [[nodiscard]] IipState state() const { return state_; }
  [[nodiscard]] bool ours() const { return state_ == IipState::kHeld || state_ == IipState::kContested; }
  [[nodiscard]] TimePoint since() const { return since_; }
  // Who was last heard to have it, or to want it.
  [[nodiscard]] const std::optional<MacAddress>& defender() const { return defender_; }
  [[nodiscard]] std::uint64_t conflicts() const { return conflicts_; }
  [[nodiscard]] std::uint64_t announcements() const { return announcements_; }

 private:
  void enter(IipState state, TimePoint now);
  Todo tick_held(TimePoint now);
  void note_announcement(Todo& todo, TimePoint now);

  IipTiming timing_;
  MacAddress own_;
  IipState state_ = IipState::kProbing;
  TimePoint since_;
  TimePoint due_;      // of the next probe, announcement or retry
  unsigned sent_ = 0;  // probes, or announcements of the first three
  std::optional<MacAddress> defender_;
  std::optional<TimePoint> last_conflict_, last_defence_;
  bool defence_owed_ = false;  // a conflict came too soon after the last defence
  std::uint64_t conflicts_ = 0, announcements_ = 0;
};

}  // namespace sluice::announce
