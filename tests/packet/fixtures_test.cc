// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Runs every fixture, and asks whether each drop reason that can arise in a worker is named by one.
#include <gtest/gtest.h>

#include <cctype>
#include <ostream>
#include <set>

#include "tests/packet/fixture.h"

namespace sluice::test {

void PrintTo(const Fixture& fixture, std::ostream* out) {
  *out << fixture.sentence;
}

namespace {

class PacketFixture : public testing::TestWithParam<Fixture> {};

TEST_P(PacketFixture, Holds) {
  const Fixture& fixture = GetParam();
  SCOPED_TRACE(fixture.sentence);
  const World world = fixture.world();
  Sluice sluice(world, fixture.options);
  for (const Bytes& frame : fixture.in) sluice.receive(frame, fixture.arrival);
  const Outcome out = sluice.turn();
  EXPECT_EQ(out.rx, fixture.in.size());
  fixture.then.check({world, fixture.in, out});
}

std::string words(const testing::TestParamInfo<Fixture>& info) {
  std::string name;
  for (const char c : info.param.sentence) {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      name += c;
    } else if (!name.empty() && name.back() != '_') {
      name += '_';
    }
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Packets, PacketFixture, testing::ValuesIn(all_fixtures()), words);

TEST(DropReasons, EachOneThatCanAriseHasAFixture) {
  std::set<DropReason> named;
  for (const Fixture& fixture : all_fixtures()) {
    named.insert(fixture.then.names.begin(), fixture.then.names.end());
  }
  // These need more than one step, or a full queue, and have tests of their own in stories_test.cc …
  named.insert({DropReason::kFragmentTimeout, DropReason::kFragmentTableFull, DropReason::kTxFull,
                DropReason::kNoBuffer, DropReason::kAnswerRate, DropReason::kKernelRate,
                DropReason::kKernelQueueFull, DropReason::kProbeUnwanted});
  // … these arise elsewhere: at the TAP, between two workers, and where flows have state.
  named.insert({DropReason::kKernelRefused, DropReason::kHandoverFull, DropReason::kUnknownFlow,
                DropReason::kFlowReset});
  for (unsigned reason = 0; reason < kDropReasons; ++reason) {
    EXPECT_TRUE(named.contains(static_cast<DropReason>(reason)))
        << "no fixture is dropped as " << kDropReasonTexts[reason].word;
  }
}

TEST(Fixtures, AreAtLeastEightyAndNoSentenceIsTwice) {
  std::set<std::string> sentences;
  for (const Fixture& fixture : all_fixtures()) {
    EXPECT_TRUE(sentences.insert(fixture.sentence).second) << fixture.sentence;
  }
  EXPECT_GE(sentences.size(), 80u);
}

}  // namespace
}  // namespace sluice::test
