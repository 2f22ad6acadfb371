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

// At the end of the program: whatever packets can be dropped for was the end of one. What arises at the TAP
// has its test with it (tests/unit/io).
class EveryReasonWasMet : public testing::Environment {
 public:
  void TearDown() override {
    if (GTEST_FLAG_GET(filter) != "*") return;  // only some were asked for
    for (unsigned reason = 0; reason < kDropReasons; ++reason) {
      const auto why = static_cast<DropReason>(reason);
      EXPECT_TRUE(seen_reasons().contains(why) || why == DropReason::kKernelRefused)
          << "no packet of any test was dropped as " << kDropReasonTexts[reason].word;
    }
  }
};
const testing::Environment* const every_reason_was_met =
    testing::AddGlobalTestEnvironment(new EveryReasonWasMet);

TEST(DropReasons, AFixtureThatNamesOneIsDroppedForIt) {
  std::set<DropReason> named;
  for (const Fixture& fixture : all_fixtures()) {
    named.insert(fixture.then.names.begin(), fixture.then.names.end());
  }
  EXPECT_GT(named.size(), kDropReasons / 2) << "most need no more than one step";
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
