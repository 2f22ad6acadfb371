// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/health/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace sluice::health {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Clock::duration kInterval = seconds(2);

TimePoint at(int ms) {
  return TimePoint(milliseconds(ms));
}

TEST(Schedule, StartTimesSpreadEvenlyHoweverManyThereAre) {
  for (const std::size_t count : {2u, 3u, 10u, 100u, 1000u, 10000u}) {
    std::vector<Clock::duration> phases;
    for (std::size_t n = 0; n < count; ++n) phases.push_back(phase_of(n, kInterval));
    std::ranges::sort(phases);
    EXPECT_GE(phases.front(), Clock::duration::zero());
    EXPECT_LT(phases.back(), kInterval);
    Clock::duration widest = kInterval - phases.back() + phases.front();
    for (std::size_t i = 1; i < count; ++i) widest = std::max(widest, phases[i] - phases[i - 1]);
    EXPECT_LT(widest, kInterval / count * 2.7) << count;
  }
}

TEST(Schedule, TenThousandProbesComeInAnEvenStream) {
  // Of 10000 probes in 2 s, a slice of 10 ms should hold 50.
  std::vector<int> slices(200);
  for (std::uint64_t n = 0; n < 10000; ++n)
    ++slices[static_cast<std::size_t>(phase_of(n, kInterval) / milliseconds(10))];
  EXPECT_GE(*std::ranges::min_element(slices), 45);
  EXPECT_LE(*std::ranges::max_element(slices), 55);
}

struct Start {
  int earliest_ms, phase_ms, expected_ms;
};

TEST(Schedule, AProbeStartsAtItsPhase) {
  const Start table[] = {{10000, 0, 10000},   {10001, 0, 12000},    {10000, 300, 10300}, {10300, 300, 10300},
                         {10301, 300, 12300}, {11999, 1999, 11999}, {100, 300, 300},     {0, 0, 0}};
  for (const Start& row : table)
    EXPECT_EQ(at_phase(at(row.earliest_ms), milliseconds(row.phase_ms), kInterval), at(row.expected_ms))
        << row.earliest_ms << " " << row.phase_ms;
}

struct Next {
  const char* what;
  int started_ms, now_ms, expected_ms;
};

TEST(Schedule, TheNextProbeComesAnIntervalAfterTheLastOne) {
  const Next table[] = {
      {"a quick answer", 10300, 10301, 12300},
      {"an answer that took most of the interval", 10300, 12200, 12300},
      {"one that took longer skips a turn", 10300, 12301, 14300},
      {"a start off the phase falls back into it", 11000, 11001, 12300},
      {"but not at once", 12100, 12101, 14300},
  };
  for (const Next& row : table)
    EXPECT_EQ(next_start(at(row.started_ms), at(row.now_ms), milliseconds(300), kInterval),
              at(row.expected_ms))
        << row.what;
}

TEST(Schedule, AnEndlessSeriesKeepsItsPhase) {
  TimePoint start = at(300);
  for (int i = 0; i < 1000; ++i)
    start = next_start(start, start + milliseconds(i % 1500), milliseconds(300), kInterval);
  EXPECT_EQ(start, at(300 + 2000 * 1000));
}

struct Suspect {
  const char* what;
  unsigned failures;
  int interval_ms, took_ms;
};

// The time from a death to its verdict, when the DIP died just after a good probe had begun, which is the
// worst.
int verdict_after_ms(const Suspect& s) {
  const Clock::duration interval = milliseconds(s.interval_ms);
  TimePoint start = at(s.interval_ms);
  for (unsigned failure = 1;; ++failure) {
    const TimePoint over = start + milliseconds(s.took_ms);
    if (failure == s.failures)
      return static_cast<int>(std::chrono::duration_cast<milliseconds>(over - at(0)).count());
    start = next_start_of_suspect(start, over, s.failures, interval);
    EXPECT_GE(start, over);
  }
}

TEST(Schedule, ADeathIsSeenWithinThreeIntervalsAndAHalfSecondEvenByTimeouts) {
  const Suspect table[] = {{"refused at once, by default", 3, 2000, 0},
                           {"silent, by default", 3, 2000, 1000},
                           {"silent, impatient", 3, 2000, 200},
                           {"silent for the whole interval", 3, 500, 500},
                           {"ten failures", 10, 1000, 500},
                           {"two failures", 2, 2000, 1000},
                           {"one failure", 1, 2000, 500},
                           {"quick probes", 3, 100, 100}};
  for (const Suspect& row : table) {
    EXPECT_LE(verdict_after_ms(row), static_cast<int>(row.failures) * row.interval_ms + 500) << row.what;
  }
  EXPECT_EQ(verdict_after_ms(table[0]), 6000) << "no sooner than an interval apart when the answer is quick";
  EXPECT_EQ(verdict_after_ms(table[1]), 6000);
  // Probes do not overlap: with a timeout as long as the interval it takes that one longer.
  EXPECT_EQ(verdict_after_ms({"silent for the whole interval, ten times", 10, 1000, 1000}), 11000);
}

TEST(Schedule, AFewThatJoinAreAskedAtOnceAndThousandsOneAMillisecond) {
  EXPECT_EQ(delay_of_joining(0), milliseconds(0));
  EXPECT_LE(delay_of_joining(9), milliseconds(10));
  EXPECT_EQ(delay_of_joining(5000), seconds(5));
}

}  // namespace
}  // namespace sluice::health
