// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Lives of DIPs as tables: what the probes said, and what the machine makes of it, on a made-up clock.
#include "control/health/machine.h"

#include <gtest/gtest.h>

#include <random>

namespace sluice::health {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kInterval = seconds(2);

// A machine that is probed every two seconds.
struct Life {
  explicit Life(State initial = State::kUp, Policy policy = {}) : machine(policy, initial, now) {}

  bool probe(Judgement judgement, const std::string& text = "x") {
    now += machine.policy().interval;
    return machine.observe({judgement, text, milliseconds(1)}, now);
  }
  // '+' good, '-' bad, '.' says nothing; the states afterwards: 'U'p, 'D'own, 'J'oining.
  std::string live(const std::string& probes) {
    std::string states;
    for (const char p : probes) {
      probe(p == '+' ? Judgement::kGood : p == '-' ? Judgement::kBad : Judgement::kNone);
      states += machine.state() == State::kUp ? 'U' : machine.state() == State::kDown ? 'D' : 'J';
    }
    return states;
  }
  // Down for good reason, and up again, in the shortest time.
  void flap() {
    while (machine.alive()) probe(Judgement::kBad);
    while (!machine.alive()) probe(Judgement::kGood);
  }

  TimePoint now{seconds(1000)};
  Machine machine;
};

struct Case {
  const char* what;
  State initial;
  Policy policy;
  std::string probes, states;
};

class Lives : public testing::TestWithParam<Case> {};

TEST_P(Lives, AreWhatTheProbesSay) {
  const Case& c = GetParam();
  EXPECT_EQ(Life(c.initial, c.policy).live(c.probes), c.states) << c.what;
}

INSTANTIATE_TEST_SUITE_P(
    Machine, Lives,
    testing::Values(
        Case{"a DIP that answers stays up", State::kUp, {}, "++++", "UUUU"},
        Case{"three failures in a row are death, not two", State::kUp, {}, "----", "UUDD"},
        Case{"a success between failures starts the count anew", State::kUp, {}, "--+--+---", "UUUUUUUUD"},
        Case{"two successes in a row bring it back, not one", State::kUp, {}, "---+-++", "UUDDDDU"},
        Case{"what says nothing neither counts nor interrupts", State::kUp, {}, "-.-..-", "UUUUUD"},
        Case{"what says nothing does not help a dead one", State::kUp, {}, "---+..+", "UUDDDDU"},
        Case{"one failure is enough when the operator says so", State::kUp, {.failures = 1}, "+-", "UD"},
        Case{"one success is enough when the operator says so", State::kUp, {.successes = 1}, "---+", "UUDU"},
        Case{"five successes are asked for", State::kUp, {.successes = 5}, "---++++-+++++", "UUDDDDDDDDDDU"},
        Case{"a joining DIP is up with its first answer", State::kJoining, {}, "+", "U"},
        Case{"a joining DIP that does not answer goes on joining", State::kJoining, {}, "----.-+", "JJJJJJU"},
        Case{"one that joined dies like any other", State::kJoining, {}, "+---", "UUUD"}));

TEST(Machine, TellsWhenItsStateChanged) {
  Life life;
  EXPECT_FALSE(life.probe(Judgement::kBad));
  EXPECT_FALSE(life.probe(Judgement::kBad));
  EXPECT_TRUE(life.probe(Judgement::kBad));
  EXPECT_EQ(life.machine.since(), life.now);
  EXPECT_FALSE(life.probe(Judgement::kBad));
  EXPECT_FALSE(life.probe(Judgement::kGood));
  EXPECT_TRUE(life.probe(Judgement::kGood));
  EXPECT_EQ(life.machine.since(), life.now);
}

TEST(Machine, SaysThatItWasAnsweredAtLast) {
  Life life;
  life.probe(Judgement::kGood, "connected");
  life.probe(Judgement::kGood, "connected again");
  EXPECT_EQ(life.machine.why(), "its first answer: connected");
}

TEST(Machine, SaysWhy) {
  Life life;
  EXPECT_EQ(life.machine.why(), "not probed yet, counts as up until it fails");
  life.live("-");
  life.probe(Judgement::kBad, "connection refused");
  EXPECT_EQ(life.machine.why(),
            "not probed yet, counts as up until it fails; now failed 2 of 3: connection refused");
  life.probe(Judgement::kBad, "connection refused");
  EXPECT_EQ(life.machine.why(), "3 failures in a row: connection refused");
  life.probe(Judgement::kBad, "HTTP status 503");
  EXPECT_EQ(life.machine.why(), "down, the last probe: HTTP status 503");
  life.live("+");
  life.probe(Judgement::kGood, "HTTP status 200");
  EXPECT_EQ(life.machine.why(), "2 good answers in a row: HTTP status 200");

  Life joining(State::kJoining, {.failures = 1});
  EXPECT_EQ(joining.machine.why(), "not probed yet, gets nothing before it answers");
  joining.probe(Judgement::kBad, "connection refused");
  EXPECT_EQ(joining.machine.why(), "has not answered yet: connection refused");
  joining.probe(Judgement::kGood, "connected");
  EXPECT_EQ(joining.machine.why(), "its first answer: connected");
  joining.probe(Judgement::kBad, "HTTP status 500");
  EXPECT_EQ(joining.machine.why(), "1 failure: HTTP status 500");
}

TEST(Machine, RemembersTheLastTenResultsInOrder) {
  Life life;
  for (int i = 0; i < 25; ++i) life.probe(i % 2 ? Judgement::kGood : Judgement::kBad, std::to_string(i));
  ASSERT_EQ(life.machine.last().size(), 10u);
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(life.machine.last()[static_cast<std::size_t>(i)].text, std::to_string(15 + i));
}

TEST(Machine, OtherThresholdsHoldFromTheNextResultOn) {
  Life life;
  life.live("--");
  life.machine.set_policy({.failures = 2});
  EXPECT_EQ(life.live("--"), "UD");
  life.machine.set_policy({.failures = 2});  // equal: nothing is forgotten
  EXPECT_EQ(life.live("++"), "DU");
}

// --- flap damping --------------------------------------------------------------------------------------

struct Hold {
  unsigned flaps;
  Clock::duration hold;
};

TEST(FlapDamping, HoldsLongerEachTimeWithinBounds) {
  const Hold table[] = {{0, seconds(0)},  {1, seconds(0)},   {2, seconds(0)},
                        {3, seconds(10)}, {4, seconds(20)},  {5, seconds(40)},
                        {6, seconds(80)}, {7, kLongestHold}, {1000000, kLongestHold}};
  for (const Hold& row : table) EXPECT_EQ(hold_of(row.flaps, kInterval), row.hold) << row.flaps;
  EXPECT_EQ(hold_of(3, std::chrono::hours(1)), kLongestHold);
  EXPECT_EQ(hold_of(3, milliseconds(10)), milliseconds(50));
}

TEST(FlapDamping, TwoDeathsInAShortWhileCostNothing) {
  Life life;
  for (int death = 0; death < 2; ++death) EXPECT_EQ(life.live("---++"), "UUDDU");
}

TEST(FlapDamping, TheThirdDeathHoldsItDownWhileItAnswers) {
  Life life;
  life.flap();
  life.flap();
  EXPECT_EQ(life.live("---"), "UUD");
  // Held for 10 s: the fifth probe after the death is the first one that may bring it back.
  EXPECT_EQ(life.live("++++"), "DDDD");
  EXPECT_EQ(life.machine.why(),
            "answers again, but went down 3 times in a short while: held down for 2 s more");
  EXPECT_EQ(life.live("+"), "U");
}

TEST(FlapDamping, AFailureWhileHeldAsksForTheSuccessesAnew) {
  Life life;
  life.flap();
  life.flap();
  EXPECT_EQ(life.live("---++++-++"), "UUDDDDDDDU");
}

TEST(FlapDamping, CalmForgivesAFlapForEachSpan) {
  Life life;
  for (int i = 0; i < 5; ++i) life.flap();
  EXPECT_EQ(life.machine.flaps(), 5u);
  life.live(std::string(2 * kCalmIntervals, '+'));  // two spans and a bit
  life.flap();
  EXPECT_EQ(life.machine.flaps(), 4u);
  life.live(std::string(100 * kCalmIntervals, '+'));
  EXPECT_EQ(life.live("---++"), "UUDDU") << "all is forgiven";
  EXPECT_EQ(life.machine.flaps(), 1u);
}

TEST(FlapDamping, AServerThatAlternatesForAnHourMovesItsSlotsFarLessOften) {
  Life life;
  int changes = 0;
  for (int i = 0; i < 1800; ++i) changes += life.probe(i % 6 < 3 ? Judgement::kBad : Judgement::kGood);
  // Undamped, it would change twice in every six probes: 600 times.
  EXPECT_LT(changes, 70);
  EXPECT_GT(changes, 10);
}

// The machine against its own definition, told in other words, over random results.
TEST(Machine, NeverDiesWithoutItsFailuresNorReturnsWithoutItsSuccesses) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 generator(seed);
  const auto random = [&] { return static_cast<unsigned>(generator()); };
  for (int life_number = 0; life_number < 200; ++life_number) {
    const Policy policy{.failures = 1 + random() % 5, .successes = 1 + random() % 5};
    Life life(random() % 4 == 0 ? State::kJoining : State::kUp, policy);
    const unsigned good_of_ten = 1 + random() % 9;
    std::string counted;
    for (int i = 0; i < 300; ++i) {
      const State before = life.machine.state();
      const bool good = random() % 10 < good_of_ten;
      const bool changed = life.probe(good ? Judgement::kGood : Judgement::kBad);
      counted += good ? '+' : '-';
      ASSERT_EQ(changed, before != life.machine.state());
      if (before == State::kUp) {
        ASSERT_EQ(changed, counted.ends_with(std::string(policy.failures, '-')));
      } else if (before == State::kJoining) {
        ASSERT_EQ(changed, good);
      } else if (changed) {
        ASSERT_TRUE(counted.ends_with(std::string(policy.successes, '+')));
      }
      if (changed) counted.clear();
    }
  }
}

// --- the gate --------------------------------------------------------------------------------------------

TEST(Gate, KeepsADipThatAnswersUntilItIsLetIn) {
  Life life(State::kJoining);
  life.machine.set_gate(true);
  EXPECT_FALSE(life.machine.at_gate());
  EXPECT_EQ(life.live("--"), "JJ");
  EXPECT_FALSE(life.machine.at_gate()) << "it has not answered";
  EXPECT_FALSE(life.probe(Judgement::kGood, "HTTP status 200"));
  EXPECT_TRUE(life.machine.at_gate());
  EXPECT_EQ(life.machine.why(), "answers: HTTP status 200; the doctor has yet to walk its way");
  life.machine.admit("the doctor found its way good", life.now);
  EXPECT_TRUE(life.machine.alive());
  EXPECT_EQ(life.machine.since(), life.now);
  EXPECT_EQ(life.machine.why(), "its first answer: HTTP status 200; the doctor found its way good");
}

TEST(Gate, IsLeftByADipThatDoesNotAnswerAnyMore) {
  Life life(State::kJoining);
  life.machine.set_gate(true);
  life.live("+");
  life.probe(Judgement::kNone);
  EXPECT_TRUE(life.machine.at_gate());
  EXPECT_FALSE(life.probe(Judgement::kBad, "connection refused"));
  EXPECT_FALSE(life.machine.at_gate());
  EXPECT_EQ(life.machine.state(), State::kJoining);
  EXPECT_EQ(life.machine.why(), "does not answer any more: connection refused");
}

TEST(Gate, ThatIsOpenedLetsTheNextGoodAnswerIn) {
  Life life(State::kJoining);
  life.machine.set_gate(true);
  EXPECT_EQ(life.live("++"), "JJ");
  life.machine.set_gate(false);
  EXPECT_EQ(life.live("+"), "U");
}

TEST(Gate, IsNotForADipThatWasUp) {
  Life life;
  life.machine.set_gate(true);
  EXPECT_EQ(life.live("---++"), "UUDDU");
  Life joined(State::kJoining);
  joined.machine.set_gate(true);
  joined.live("+");
  joined.machine.admit("x", joined.now);
  joined.machine.set_gate(true);
  EXPECT_EQ(joined.live("---++"), "UUDDU");
}

TEST(Gate, IsWhatADipComesToThatWasDownFromTheStart) {
  Life life(State::kDown);
  life.machine.set_gate(true);
  EXPECT_EQ(life.live("+"), "D");
  EXPECT_FALSE(life.probe(Judgement::kGood)) << "what others are told is the same";
  EXPECT_EQ(life.machine.state(), State::kJoining);
  EXPECT_TRUE(life.machine.at_gate());
}

}  // namespace
}  // namespace sluice::health
