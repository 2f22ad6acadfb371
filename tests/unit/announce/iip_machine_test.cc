// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// An IIP's life on a made-up clock.
#include "control/announce/iip_machine.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace sluice::announce::test {
namespace {

using namespace std::chrono_literals;
using Kind = Heard::Kind;

const MacAddress kOwn = *parse_mac("02:00:0a:00:00:0b"), kOther = *parse_mac("02:00:0a:00:00:0c");
const IpAddress kAddress = *parse_address("10.0.0.100");

// A machine and its clock; `said` is what it has done so far, as words with the milliseconds at which.
struct Life {
  explicit Life(IipTiming timing = {200ms, 60s, {}}) : machine(timing, kOwn, now) {}

  void until(Clock::duration later) {
    const TimePoint end = start + later;
    while (machine.due() <= end) {
      now = machine.due();
      note(machine.tick(now));
    }
    now = end;
  }
  void hears(Kind kind, const MacAddress& mac = kOther) { note(machine.heard({kind, kAddress, mac}, now)); }
  void note(const Todo& todo) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - start).count();
    const auto word = [&](bool is, const char* what) {
      if (is) said += (said.empty() ? "" : " ") + std::string(what) + '@' + std::to_string(ms);
    };
    word(todo.probe, "probe");
    word(todo.take, "take");
    word(todo.announce, "announce");
    word(todo.refused, "refused");
    word(todo.contested, "contested");
    word(todo.peace, "peace");
  }
  std::string take_said() { return std::exchange(said, {}); }
  void until_held() {
    until(700ms);
    until(3s);
    take_said();
  }

  const TimePoint start{1h};
  TimePoint now = start;
  IipMachine machine;
  std::string said;
};

TEST(IipMachine, AsksThreeTimesAndTakesWhatNobodyHas) {
  Life life;
  life.until(599ms);
  EXPECT_EQ(life.said, "probe@0 probe@200 probe@400");
  EXPECT_EQ(life.machine.state(), IipState::kProbing);
  life.until(600ms);
  EXPECT_EQ(life.said, "probe@0 probe@200 probe@400 take@600 announce@600");
  EXPECT_TRUE(life.machine.ours());
}

TEST(IipMachine, AnnouncesThreeTimesAndThenSlowlyForEver) {
  Life life;
  life.until(600ms);
  life.take_said();
  life.until(182'600ms);
  EXPECT_EQ(life.said, "announce@1600 announce@2600 announce@62600 announce@122600 announce@182600");
  EXPECT_EQ(life.machine.announcements(), 6u);
}

TEST(IipMachine, DoesNotTakeWhatSomebodyDefendsAndSaysWho) {
  for (const auto when : {0ms, 300ms, 599ms}) {
    Life life;
    life.until(when);
    life.take_said();
    life.hears(Kind::kHolder);
    EXPECT_EQ(life.said, "refused@" + std::to_string(when.count()));
    life.until(1h);
    EXPECT_EQ(life.said, "refused@" + std::to_string(when.count())) << "and it is not asked for again";
    EXPECT_EQ(life.machine.state(), IipState::kRefused);
    EXPECT_EQ(life.machine.defender(), kOther);
  }
}

TEST(IipMachine, DoesNotTakeWhatSomebodyElseAsksForAtTheSameTime) {
  Life life;
  life.until(200ms);
  life.take_said();
  life.hears(Kind::kProbe);
  EXPECT_EQ(life.said, "refused@200");
}

TEST(IipMachine, IsNotAfraidOfItsOwnFrames) {
  Life life;
  life.until(200ms);
  life.hears(Kind::kProbe, kOwn);
  life.until(600ms);
  life.hears(Kind::kHolder, kOwn);
  EXPECT_EQ(life.machine.state(), IipState::kHeld);
  EXPECT_EQ(life.machine.conflicts(), 0u);
}

TEST(IipMachine, ARefusedOneIsAskedForAgainAfterItsTime) {
  Life life({200ms, 60s, 30s});
  life.until(0ms);
  life.hears(Kind::kHolder);
  life.take_said();
  life.until(29'999ms);
  EXPECT_EQ(life.said, "");
  life.until(30'600ms);
  EXPECT_EQ(life.said, "probe@30000 probe@30200 probe@30400 take@30600 announce@30600");
  EXPECT_FALSE(life.machine.defender()) << "what was, is over";
}

TEST(IipMachine, AFencedOneIsAskedForAtOnce) {
  Life life;
  life.until(0ms);
  life.hears(Kind::kHolder);
  life.until(5s);
  life.take_said();
  life.machine.retry(life.now);
  life.until(5600ms);
  EXPECT_EQ(life.said, "probe@5000 probe@5200 probe@5400 take@5600 announce@5600");
}

TEST(IipMachine, ALoneConflictIsAnsweredByOneDefence) {
  Life life;
  life.until_held();
  life.hears(Kind::kHolder);
  life.until(60s);
  EXPECT_EQ(life.said, "announce@3000");
  EXPECT_EQ(life.machine.state(), IipState::kHeld);
  EXPECT_EQ(life.machine.conflicts(), 1u);
}

TEST(IipMachine, ABurstIsContestedAndAnsweredOnceMoreWhenTheIntervalIsOver) {
  Life life;
  life.until_held();
  for (int i = 0; i < 5; ++i) life.hears(Kind::kHolder);
  EXPECT_EQ(life.said, "announce@3000 contested@3000");
  EXPECT_EQ(life.machine.state(), IipState::kContested);
  EXPECT_TRUE(life.machine.ours());
  life.until(20s);
  EXPECT_EQ(life.said, "announce@3000 contested@3000 announce@13000") << "the last word is ours";
}

TEST(IipMachine, PeaceReturnsAfterThreeQuietIntervalsWithThreeAnnouncements) {
  Life life;
  life.until_held();
  for (int i = 0; i < 2; ++i) life.hears(Kind::kHolder);
  life.until(20s);
  life.take_said();
  life.until(40s);
  EXPECT_EQ(life.said, "announce@33000 peace@33000 announce@34000 announce@35000");
  EXPECT_EQ(life.machine.state(), IipState::kHeld);
}

TEST(IipMachine, AProbeForWhatWeHaveIsTheKernelsToAnswer) {
  Life life;
  life.until_held();
  life.hears(Kind::kProbe);
  EXPECT_EQ(life.said, "");
  EXPECT_EQ(life.machine.conflicts(), 0u);
}

TEST(IipMachine, TheOperatorMayAnnounceItAgain) {
  Life life;
  EXPECT_EQ(life.machine.announce(life.now), Todo{}) << "not before it is ours";
  life.until(10s);
  life.take_said();
  life.note(life.machine.announce(life.now));
  life.until(14s);
  EXPECT_EQ(life.said, "announce@10000 announce@11000 announce@12000");
}

TEST(IipMachine, WhatIsHandedOverIsTakenWithoutAQuestion) {
  Life life;
  life.note(life.machine.take(life.now));
  EXPECT_EQ(life.said, "take@0 announce@0");
}

TEST(IipMachine, OneThatTheKernelRefusesIsTriedAgainLater) {
  Life life({200ms, 60s, 30s});
  life.until(600ms);
  life.machine.fail(life.now);
  life.take_said();
  life.until(30'700ms);
  EXPECT_EQ(life.said, "probe@30600");
}

// Whatever is heard and whenever: nothing is announced that is not ours, and two hosts that both insist
// (RFC 5227 section 2.4) do not make a storm of it.
TEST(IipMachine, RandomHistoriesKeepTheRules) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    Life life({200ms, 60s, 60s});
    std::uint64_t announced = 0, taken = 0;
    for (int turn = 0; turn < 2000; ++turn) {
      life.now += std::chrono::milliseconds(random() % 300);
      const bool before = life.machine.ours();
      const Todo todo = random() % 3 ? life.machine.tick(life.now)
                                     : life.machine.heard({random() % 4 ? Kind::kHolder : Kind::kProbe,
                                                           kAddress, random() % 4 ? kOwn : kOther},
                                                          life.now);
      ASSERT_FALSE(todo.announce && !before && !todo.take) << "seed " << seed;
      ASSERT_FALSE(todo.take && before) << "seed " << seed;
      ASSERT_FALSE(before && !life.machine.ours()) << "what is ours is never given up; seed " << seed;
      announced += todo.announce;
      taken += todo.take;
    }
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(life.now - life.start).count();
    // Three for each taking, one an interval in defence, one a minute, three for each peace.
    EXPECT_LE(announced,
              taken * 3 + static_cast<std::uint64_t>(seconds / 10 + seconds / 60 + 3 * seconds / 30 + 5))
        << "seed " << seed;
  }
}

}  // namespace
}  // namespace sluice::announce::test
