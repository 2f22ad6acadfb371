// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A member that lives and carries nothing: it is accused by those who find that out, and steps back.
#include "tests/unit/pool/member.h"

namespace sluice::pool::test {
namespace {

// mux1 holds kA, and mux2 is the spare.
struct Holder : Member {
  Holder() : Member({{100, "mux1"}, {100, "mux2"}}) {
    says("mux2");
    until_holding();
  }
};

// mux1 is the spare, and mux2 holds kA.
struct Spare : Member {
  Spare() : Member({{100, "mux1"}, {100, "mux2"}, {100, "mux3"}}) {
    says("mux2").iips[0] = {.address = kA, .claim = Claim::kHolding, .term = 5};
    pass(2s);
  }
  void finds_dead(const std::string& name) { election.set_dead_paths({{name, now}}); }
};

TEST(Accusation, TheAccusedHandsOverToTheSpareAndClaimsNothingMeanwhile) {
  Holder member;
  member.says("mux2").accuses = true;
  member.pass(25ms);
  EXPECT_EQ(member.election.accusers(member.now), std::vector<std::string>{"mux2"});
  EXPECT_EQ(member.orders, (Orders{{What::kGiveUp, kA}}));
  Word word = member.election.word(member.now);
  EXPECT_EQ(word.offer_to, "mux2");
  EXPECT_TRUE(word.iips[0].offered && word.iips[0].unable);
  member.says("mux2").iips[0] = {.address = kA, .claim = Claim::kHolding, .term = 2};
  member.pass(5s);
  member.says("mux2").iips[0] = {.address = kA, .claim = Claim::kNone, .term = 2};
  member.orders.clear();
  member.pass(5s);
  EXPECT_EQ(member.orders, Orders{}) << "although nobody holds it, and it is at home here";
  member.says("mux2").accuses = false;
  member.pass(50ms);
  EXPECT_EQ(member.orders, (Orders{{What::kAsk, kA}}));
}

TEST(Accusation, WhoHasNobodyToTakeThemKeepsThem) {
  Holder member;
  member.says("mux2").accuses = true;
  member.says("mux2").iips[0].unable = true;
  member.pass(5s);
  EXPECT_TRUE(member.election.holds(kA)) << "a path that may be dead is better than none";
  member.says("mux2").iips[0].unable = false;
  member.pass(25ms);
  EXPECT_FALSE(member.election.holds(kA));
}

TEST(Accusation, OfTwoSparesTheOneThatMayTakeThemGetsThem) {
  Member member;
  member.says("mux2").iips[0].unable = true;  // its own data path may be dead too
  member.says("mux3");
  member.until_holding();
  member.says("mux3").accuses = true;
  member.pass(25ms);
  EXPECT_EQ(member.election.word(member.now).offer_to, "mux3");
  EXPECT_FALSE(member.election.holds(kA));
}

TEST(Accusation, OfTwoThatAccuseEachOtherNobodyMoves) {
  Holder member;
  member.election.set_dead_paths({{"mux2", member.now}});
  member.says("mux2").accuses = true;
  member.pass(5s);
  EXPECT_TRUE(member.election.accusers(member.now).empty());
  EXPECT_TRUE(member.election.holds(kA)) << "the fault is between them";
}

TEST(Accusation, OneThatOnlyBeginsToListenAccusesNobody) {
  Holder member;
  member.says("mux2").accuses = true;
  member.says("mux2").ready = false;
  member.pass(2s);
  EXPECT_TRUE(member.election.holds(kA));
}

TEST(Accusation, AClaimEndsWhenOurOwnPathTurnsOutToBeDead) {
  Member member({{100, "mux1"}, {100, "mux2"}});
  member.says("mux2").iips[0].unable = true;
  member.pass(750ms);
  EXPECT_EQ(member.orders, (Orders{{What::kAsk, kA}}));
  member.orders.clear();
  member.says("mux2").accuses = true;
  member.pass(25ms);
  EXPECT_EQ(member.orders, (Orders{{What::kGiveUp, kA}}));
  member.election.wire_clear(kA);
  member.pass(2s);
  EXPECT_FALSE(member.election.holds(kA));
}

TEST(Accusation, WhatTheAccusedOffersIsTakenAtOnce) {
  Spare member;
  member.finds_dead("mux2");
  Word& word = member.says("mux2");
  word.offer_to = "mux1";
  word.iips[0] = {.address = kA, .claim = Claim::kNone, .term = 5, .offered = true, .unable = true};
  member.pass(25ms);
  EXPECT_EQ(member.orders, (Orders{{What::kTake, kA}}));
}

TEST(Accusation, AnAccusedThatDoesNotYieldIsOverruledAfterTenAdvertsIfTheWireIsClear) {
  Spare member;
  member.finds_dead("mux2");
  member.pass(950ms);
  EXPECT_EQ(member.orders, Orders{}) << "it has time to hand over";
  member.pass(100ms);
  EXPECT_EQ(member.orders, (Orders{{What::kAsk, kA}}));
  member.pass(2s);
  EXPECT_FALSE(member.election.holds(kA)) << "its kernel may still answer for it";
  member.election.wire_clear(kA);
  member.pass(400ms);
  EXPECT_TRUE(member.election.holds(kA));
  EXPECT_EQ(member.election.word(member.now).iips[0].claim, Claim::kHolding);
  EXPECT_GT(member.election.word(member.now).iips[0].term, 5u) << "so that it gives up once it hears of it";
}

TEST(Accusation, WithoutAVerdictOfOurOwnNobodyIsOverruled) {
  Spare member;
  member.pass(5s);
  EXPECT_EQ(member.orders, Orders{});
}

TEST(Accusation, ADeadPathIsNoSpare) {
  Member member;
  member.says("mux2");
  member.says("mux3");
  member.until_holding();
  member.election.set_dead_paths({{"mux2", member.now}});
  EXPECT_EQ(member.election.successor(member.now), "mux3");
  Orders orders;
  EXPECT_EQ(member.election.hand_over("mux2", member.now, orders),
            "the data path of mux2 is dead; name another, see mux list");
}

// Both sides run the machine and hear each other: a cable out, with adverts by another way.
TEST(Accusation, TwoMembersAgreeAndTheIipMovesOnce) {
  TimePoint now{1h};
  const std::vector<Rank> ranks = {{100, "mux1"}, {100, "mux2"}};
  Election one("mux1", ranks, 100ms, now), two("mux2", ranks, 100ms, now);
  for (Election* each : {&one, &two}) each->set_iips({{kA, "mux1"}});
  unsigned takes = 0;
  bool accuses = false;
  const auto pass = [&](Clock::duration span) {
    for (const TimePoint end = now + span; now < end; now += 25ms) {
      for (auto [from, to] : {std::pair(&one, &two), std::pair(&two, &one)}) {
        Word word = from->word(now);
        word.accuses = accuses && from == &two;
        Orders orders = to->heard(word, now);
        for (const Order& order : to->tick(now)) orders.push_back(order);
        for (const Order& order : orders) {
          if (order.what == What::kAsk) to->wire_clear(kA);
          if (order.what == What::kTake) ++takes;
        }
      }
      EXPECT_FALSE(one.holds(kA) && two.holds(kA));
    }
  };
  pass(3s);
  EXPECT_TRUE(one.holds(kA));
  two.set_dead_paths({{"mux1", now}});
  accuses = true;
  pass(100ms);
  EXPECT_TRUE(two.holds(kA));
  pass(10s);
  two.set_dead_paths({});
  accuses = false;
  pass(10s);
  EXPECT_TRUE(two.holds(kA)) << "who returns is the spare";
  EXPECT_EQ(takes, 2u);
}

}  // namespace
}  // namespace sluice::pool::test
