// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// One member of a pool on a made-up clock; what the others say is given in words.
#pragma once

#include <gtest/gtest.h>

#include "control/pool/election.h"

namespace sluice::pool::test {

using namespace std::chrono_literals;
using What = Order::What;

inline const IpAddress kA = *parse_address("10.0.0.100"), kB = *parse_address("10.0.0.101");

// mux1 of a pool.
struct Member {
  explicit Member(std::vector<Rank> members = {{100, "mux1"}, {100, "mux2"}, {100, "mux3"}},
                  std::vector<PoolIip> iips = {{kA, "mux1"}})
      : election("mux1", std::move(members), 100ms, now), all(iips) {
    election.set_iips(iips);
  }
  // Time passes, with adverts of mux2 that say `word` again and again.
  void pass(Clock::duration span) {
    for (const TimePoint end = now + span; now < end; now += 25ms) {
      for (auto& [name, word] : words) add(election.heard(word, now));
      add(election.tick(now));
    }
  }
  void add(const Orders& more) { orders.insert(orders.end(), more.begin(), more.end()); }
  Word& says(const std::string& name) {
    Word& word = words[name];
    if (word.member.empty()) {
      word.member = name;
      word.ready = true;
      for (const PoolIip& iip : all) word.iips.push_back({.address = iip.address});
    }
    return word;
  }
  void until_holding() {
    pass(750ms);
    election.wire_clear(kA);
    pass(400ms);
    ASSERT_TRUE(election.holds(kA));
    orders.clear();
  }

  TimePoint now{1h};
  Election election;
  std::vector<PoolIip> all;
  std::map<std::string, Word> words;
  Orders orders;
};

}  // namespace sluice::pool::test
