// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Whose data path is dead although its adverts come (A9, A10): judged by rounds. In each round every member
// is asked several things of a client's kind; a round is missed when nothing at all comes back before the
// next one begins. So many missed in a row and the path is dead; two answered ones and it is alive again.
//
// A fault may as well be on this side. So a verdict needs proof that our own path works: in the last rounds
// the gateway, or another member, has answered. Pure; one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/pool/election.h"

namespace sluice::pool {

class PathWatch {
 public:
  explicit PathWatch(unsigned failures) : failures_(failures) {}

  // The round that ran is judged, and one begins in which these are asked. A member that is not asked is not
  // judged any more. `held_up`: we could not listen all the time, so what did not come says nothing.
  void begin(const std::vector<std::string>& asked, bool held_up, TimePoint now);
  void answered(const std::string& member);
  // The gateway answered.
  void own_path_works() { proven_ = round_; }
  // Somebody missed the last round: the gateway is worth a question.
  [[nodiscard]] bool in_doubt() const;

  enum class Path : std::uint8_t { kUnknown, kAlive, kDead };
  [[nodiscard]] Path of(const std::string& member) const;
  // Since when.
  [[nodiscard]] std::map<std::string, TimePoint> dead() const;
  [[nodiscard]] std::uint64_t missed() const { return missed_; }

 private:
  static constexpr unsigned kGoodAgain = 2;
  struct Member {
    bool answered = false, judged = false;
    unsigned missed = 0, good = 0;
    std::optional<TimePoint> dead = {};
  };
  void judge(Member& member, TimePoint now);
  [[nodiscard]] bool proven() const { return proven_ != 0 && round_ - proven_ < failures_; }

  const unsigned failures_;
  std::map<std::string, Member> members_;
  std::uint64_t round_ = 0, proven_ = 0, missed_ = 0;
};

}  // namespace sluice::pool
