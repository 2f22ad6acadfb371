// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/panic.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>

namespace sluice::health {
namespace {

using std::chrono::seconds;
using Change = Panic::Change;

// A service whose DIPs are sure, suspect, or died at a second of a made-up clock.
struct Service {
  struct Dip {
    bool suspect = false;
    std::optional<TimePoint> died = {};
  };

  Change at(int second, bool died = false) {
    now = TimePoint(seconds(second));
    std::size_t sure = 0;
    for (const auto& [name, dip] : dips) sure += !dip.died && !dip.suspect;
    const auto doubtful = [&](TimePoint since) {
      std::vector<std::string> names;
      for (const auto& [name, dip] : dips) {
        if (dip.suspect || (dip.died && *dip.died >= since)) names.push_back(name);
      }
      return names;
    };
    return panic.update(sure, died, doubtful, policy, now);
  }
  Change die(const std::string& dip, int second) {
    dips[dip] = {.suspect = false, .died = TimePoint(seconds(second))};
    return at(second, true);
  }
  Change fail(const std::string& dip, int second) {
    dips[dip] = {.suspect = true};
    return at(second);
  }
  Change rise(const std::string& dip, int second) {
    dips[dip] = {};
    return at(second);
  }
  // The DIPs that get packets.
  std::string used() const {
    std::string names;
    for (const auto& [name, dip] : dips) {
      if (!dip.died || panic.keeps(name)) names += name;
    }
    return names;
  }

  std::map<std::string, Dip> dips{{"a", {}}, {"b", {}}, {"c", {}}};
  PanicPolicy policy{.enabled = true, .window = seconds(7), .grace = seconds(7)};
  Panic panic;
  TimePoint now;
};

TEST(Panic, OneCauseIsSeenAtTheFirstDeathBeforeAnybodyIsMoved) {
  Service s;
  for (const char* dip : {"a", "b", "c"}) EXPECT_EQ(s.fail(dip, 98), Change::kNone);
  EXPECT_EQ(s.die("b", 102), Change::kBegan);
  EXPECT_EQ(s.used(), "abc");
  s.die("a", 103);
  s.die("c", 104);
  EXPECT_EQ(s.used(), "abc");
}

TEST(Panic, ADeathBesideOneThatIsSureIsBelieved) {
  Service s;
  s.fail("a", 98);
  s.fail("b", 98);
  EXPECT_EQ(s.die("a", 102), Change::kNone);
  EXPECT_EQ(s.used(), "bc");
}

TEST(Panic, SuspicionAloneIsNoPanic) {
  Service s;
  for (const char* dip : {"a", "b", "c"}) s.fail(dip, 98);
  EXPECT_EQ(s.at(100), Change::kNone);
  EXPECT_FALSE(s.panic.active());
}

TEST(Panic, AFalseAlarmEndsWithEverybodyInPlace) {
  Service s;
  for (const char* dip : {"a", "b", "c"}) s.fail(dip, 98);
  s.die("b", 102);
  for (const char* dip : {"a", "c", "b"}) EXPECT_EQ(s.rise(dip, 105), Change::kNone);
  EXPECT_EQ(s.at(112), Change::kEnded);
  EXPECT_EQ(s.used(), "abc");
}

TEST(Panic, AllDeadAtOnceStayInUse) {
  Service s;
  EXPECT_EQ(s.die("a", 100), Change::kNone);
  EXPECT_EQ(s.used(), "bc");
  EXPECT_EQ(s.die("b", 101), Change::kNone);
  EXPECT_EQ(s.die("c", 102), Change::kBegan);
  EXPECT_EQ(s.used(), "abc") << "those that died just before the last one come back";
  EXPECT_EQ(s.at(100000), Change::kNone);
  EXPECT_EQ(s.used(), "abc") << "for as long as nobody is alive";
}

TEST(Panic, TheSetIsTheOneThatWasGoodBefore) {
  Service s;
  s.die("a", 50);  // long dead
  s.die("b", 100);
  EXPECT_EQ(s.die("c", 103), Change::kBegan);
  EXPECT_EQ(s.used(), "bc");
  EXPECT_EQ(s.panic.size(), 2u);
}

TEST(Panic, DipsThatDieOneAfterAnotherAreBelieved) {
  Service s;
  s.die("a", 100);
  s.die("b", 110);
  EXPECT_EQ(s.die("c", 120), Change::kNone);
  EXPECT_EQ(s.used(), "");
}

TEST(Panic, TheOnlyDipIsBelieved) {
  Service s;
  s.dips = {{"a", Service::Dip()}};
  EXPECT_EQ(s.die("a", 100), Change::kNone);
  EXPECT_EQ(s.used(), "");
}

TEST(Panic, TheWindowIncludesItsEdge) {
  Service s;
  s.dips.erase("c");
  s.die("a", 100);
  EXPECT_EQ(s.die("b", 107), Change::kBegan);

  Service late;
  late.dips.erase("c");
  late.die("a", 100);
  EXPECT_EQ(late.die("b", 108), Change::kNone);
}

TEST(Panic, TheFirstToReturnDoesNotGetEverything) {
  Service s;
  s.die("a", 100);
  s.die("b", 100);
  s.die("c", 100);
  EXPECT_EQ(s.rise("b", 200), Change::kNone);
  EXPECT_EQ(s.used(), "abc") << "the others have their grace";
  EXPECT_EQ(s.rise("a", 202), Change::kNone);
  EXPECT_FALSE(s.panic.due(s.now));
  EXPECT_EQ(s.at(206), Change::kNone);
  EXPECT_EQ(s.at(207), Change::kEnded);
  EXPECT_EQ(s.used(), "ab") << "c had its time and is dead";
  EXPECT_FALSE(s.panic.active());
}

TEST(Panic, AReturnThatDoesNotLastStartsTheGraceAnew) {
  Service s;
  s.die("a", 100);
  s.die("b", 100);
  s.die("c", 100);
  s.rise("b", 200);
  s.die("b", 205);
  EXPECT_EQ(s.at(300), Change::kNone);
  EXPECT_EQ(s.used(), "abc");
  s.rise("c", 301);
  EXPECT_EQ(s.at(307), Change::kNone);
  EXPECT_EQ(s.at(308), Change::kEnded);
  EXPECT_EQ(s.used(), "c");
}

TEST(Panic, CanBeTurnedOffBeforeAndInTheMiddle) {
  Service s;
  s.policy.enabled = false;
  s.die("a", 100);
  s.die("b", 100);
  EXPECT_EQ(s.die("c", 100), Change::kNone);
  EXPECT_EQ(s.used(), "");

  Service t;
  t.die("a", 100);
  t.die("b", 100);
  EXPECT_EQ(t.die("c", 100), Change::kBegan);
  t.policy.enabled = false;
  EXPECT_EQ(t.at(101), Change::kEnded);
  EXPECT_EQ(t.used(), "");
}

TEST(Panic, ComesAgainAfterItsEnd) {
  Service s;
  for (const int begin : {100, 1000}) {
    for (const char* dip : {"a", "b", "c"}) s.die(dip, begin);
    EXPECT_TRUE(s.panic.active());
    for (const char* dip : {"a", "b", "c"}) s.rise(dip, begin + 100);
    EXPECT_EQ(s.at(begin + 107), Change::kEnded);
    EXPECT_EQ(s.used(), "abc");
  }
}

TEST(Panic, AForgottenDipKeepsNothing) {
  Service s;
  for (const char* dip : {"a", "b", "c"}) s.die(dip, 100);
  s.panic.forget("b");
  EXPECT_EQ(s.used(), "ac");
}

TEST(Panic, ItsTimesFollowTheProbes) {
  const PanicPolicy policy =
      PanicPolicy::of(true, {.failures = 3, .successes = 2, .interval = seconds(2)}, seconds(1));
  EXPECT_EQ(policy.window, seconds(8));
  EXPECT_EQ(policy.grace, seconds(8));
}

}  // namespace
}  // namespace sluice::health
