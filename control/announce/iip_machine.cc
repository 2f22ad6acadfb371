// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/announce/iip_machine.h"

#include <algorithm>

namespace sluice::announce {

std::string_view to_word(IipState state) {
  static constexpr std::string_view kWords[] = {"probing", "refused", "held", "contested"};
  return kWords[static_cast<unsigned>(state)];
}

void IipMachine::enter(IipState state, TimePoint now) {
  state_ = state;
  since_ = now;
}

void IipMachine::note_announcement(Todo& todo, TimePoint now) {
  todo.announce = true;
  ++announcements_;
  ++sent_;
  due_ = now + (sent_ < kAnnouncements ? Clock::duration(kAnnouncePause) : Clock::duration(timing_.announce));
}

TimePoint IipMachine::due() const {
  TimePoint due = due_;
  if (defence_owed_) due = std::min(due, *last_defence_ + kDefendInterval);
  if (state_ == IipState::kContested) due = std::min(due, *last_conflict_ + kPeace);
  return due;
}

Todo IipMachine::tick(TimePoint now) {
  Todo todo;
  if (now < due()) return todo;
  if (ours()) return tick_held(now);
  if (state_ == IipState::kRefused) {
    if (!timing_.retry) {
      due_ = TimePoint::max();
      return todo;
    }
    retry(now);
  }
  if (sent_ == kProbes) return take(now);
  todo.probe = true;
  ++sent_;
  due_ = now + timing_.probe;
  return todo;
}

Todo IipMachine::tick_held(TimePoint now) {
  Todo todo;
  if (defence_owed_ && now >= *last_defence_ + kDefendInterval) {
    defence_owed_ = false;
    last_defence_ = now;
    todo.announce = true;
    ++announcements_;
  }
  if (state_ == IipState::kContested && now >= *last_conflict_ + kPeace) {
    enter(IipState::kHeld, now);
    todo.peace = true;
    sent_ = 0;  // the last word to all routers is ours
    due_ = now;
  }
  if (now >= due_) note_announcement(todo, now);
  return todo;
}

Todo IipMachine::heard(const Heard& heard, TimePoint now) {
  Todo todo;
  if (heard.mac == own_) return todo;
  const bool holder = heard.kind == Heard::Kind::kHolder;
  if (state_ == IipState::kRefused) {
    if (holder) defender_ = heard.mac;
    return todo;
  }
  if (state_ == IipState::kProbing) {
    ++conflicts_;
    defender_ = heard.mac;
    todo.refused = true;
    fail(now);
    return todo;
  }
  if (!holder) return todo;  // the kernel answers a probe for an address that it has
  ++conflicts_;
  defender_ = heard.mac;
  last_conflict_ = now;
  const bool may_defend = !last_defence_ || now >= *last_defence_ + kDefendInterval;
  if (may_defend) {
    last_defence_ = now;
    defence_owed_ = false;
    todo.announce = true;
    ++announcements_;
  } else {
    defence_owed_ = true;
    if (state_ != IipState::kContested) {
      enter(IipState::kContested, now);
      todo.contested = true;
    }
  }
  return todo;
}

Todo IipMachine::take(TimePoint now) {
  Todo todo;
  todo.take = true;
  enter(IipState::kHeld, now);
  defender_.reset();
  last_conflict_.reset();
  last_defence_.reset();
  defence_owed_ = false;
  sent_ = 0;
  note_announcement(todo, now);
  return todo;
}

Todo IipMachine::announce(TimePoint now) {
  Todo todo;
  if (!ours()) return todo;
  sent_ = 0;
  note_announcement(todo, now);
  return todo;
}

void IipMachine::fail(TimePoint now) {
  enter(IipState::kRefused, now);
  due_ = timing_.retry ? now + *timing_.retry : TimePoint::max();
}

void IipMachine::retry(TimePoint now) {
  if (state_ != IipState::kRefused) return;
  enter(IipState::kProbing, now);
  sent_ = 0;
  due_ = now;
}

void IipMachine::set_timing(const IipTiming& timing, TimePoint now) {
  timing_ = timing;
  if (state_ == IipState::kHeld && sent_ >= kAnnouncements) due_ = std::min(due_, now + timing_.announce);
}

}  // namespace sluice::announce
