// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// One member's decisions, word by word, on a made-up clock.
#include "tests/unit/pool/member.h"

namespace sluice::pool::test {
namespace {

TEST(Election, ListensFirstThenClaimsAndTakesWhenTheWireIsClear) {
  Member member;
  member.pass(700ms);
  EXPECT_EQ(member.orders, Orders{});
  member.pass(25ms);
  EXPECT_EQ(member.orders, (Orders{{What::kAsk, kA}}));
  member.pass(300ms);
  EXPECT_FALSE(member.election.holds(kA)) << "the claim has to stand for a while";
  member.election.wire_clear(kA);
  member.pass(75ms);
  EXPECT_EQ(member.orders, (Orders{{What::kAsk, kA}, {What::kTake, kA}}));
}

TEST(Election, DoesNotTakeWithoutAnAnswerOfTheWire) {
  Member member;
  member.pass(1200ms);
  EXPECT_FALSE(member.election.holds(kA));
}

TEST(Election, AReturningMemberFindsItTakenAndIsTheSpare) {
  Member member;
  member.says("mux2").iips[0] = {.address = kA, .claim = Claim::kHolding, .term = 5};
  member.pass(10s);
  EXPECT_EQ(member.orders, Orders{}) << "although it is at home here";
  EXPECT_EQ(member.election.rows(member.now)[0].role, "spare");
}

TEST(Election, TheSpareTakesOverAfterThreeMissedAdvertsWithinASecond) {
  Member member;
  member.says("mux2").iips[0] = {.address = kA, .claim = Claim::kHolding, .term = 5};
  member.pass(2s);
  member.words.clear();  // it dies
  member.pass(300ms);
  EXPECT_EQ(member.orders, Orders{}) << "three may be lost";
  member.pass(75ms);
  EXPECT_EQ(member.orders, (Orders{{What::kAsk, kA}}));
  member.election.wire_clear(kA);
  member.pass(375ms);
  EXPECT_TRUE(member.election.holds(kA));
  EXPECT_EQ(member.election.word(member.now).iips[0].term, 6u);
}

TEST(Election, ALastWordIsNotWaitedFor) {
  Member member;
  member.says("mux2").iips[0] = {.address = kA, .claim = Claim::kHolding, .term = 5};
  member.pass(2s);
  member.words["mux2"] = Word{.member = "mux2", .leaving = true};
  member.pass(50ms);
  EXPECT_EQ(member.orders, (Orders{{What::kAsk, kA}}));
}

TEST(Election, WhatTheWireDefendsIsLeftToOthersForAWhile) {
  Member member;
  member.pass(750ms);
  member.election.wire_defended(kA, member.now);
  EXPECT_TRUE(member.election.word(member.now).iips[0].unable);
  member.orders.clear();
  member.pass(950ms);
  EXPECT_EQ(member.orders, Orders{});
  member.pass(100ms);
  EXPECT_EQ(member.orders, (Orders{{What::kAsk, kA}}));
}

TEST(Election, OfTwoHoldersTheOlderClaimGivesUpAtOnce) {
  Member member;
  member.until_holding();
  member.says("mux2").iips[0] = {.address = kA, .claim = Claim::kHolding, .term = 9};
  member.add(member.election.heard(member.words["mux2"], member.now));
  EXPECT_EQ(member.orders, (Orders{{What::kGiveUp, kA}}));
}

TEST(Election, OfTwoWithEqualClaimsPriorityAndThenTheNameDecides) {
  const auto gives_up = [](unsigned our_priority, unsigned their_priority, const std::string& their_name) {
    Member member({{our_priority, "mux1"}, {their_priority, their_name}});
    member.until_holding();
    member.says(their_name).iips[0] = {.address = kA, .claim = Claim::kHolding, .term = 1};
    member.add(member.election.heard(member.words[their_name], member.now));
    return !member.orders.empty();
  };
  EXPECT_TRUE(gives_up(100, 101, "mux2"));
  EXPECT_FALSE(gives_up(101, 100, "mux0"));
  EXPECT_FALSE(gives_up(100, 100, "mux2"));
  EXPECT_TRUE(gives_up(100, 100, "mux0"));
}

TEST(Election, SeveralIipsOfADeadMemberGoToThoseWithTheFewest) {
  Member member({{100, "mux1"}, {100, "mux2"}, {100, "mux3"}}, {{kA, ""}, {kB, ""}});
  Word& busy = member.says("mux2");
  busy.iips[0] = {.address = kA, .claim = Claim::kHolding, .term = 1};
  member.pass(750ms);
  EXPECT_EQ(member.orders, (Orders{{What::kAsk, kB}})) << "mux2 has one already";
}

TEST(Election, TimeInWhichAMemberWasHeldUpDoesNotCount) {
  Member member;
  member.pass(750ms);
  member.election.wire_clear(kA);
  member.now += 1s;
  member.add(member.election.tick(member.now));
  EXPECT_FALSE(member.election.holds(kA)) << "it said nothing meanwhile";
  member.pass(400ms);
  EXPECT_TRUE(member.election.holds(kA));
}

TEST(Election, HandsOverToTheSpareThatIsNamed) {
  Member member;
  member.says("mux2");
  member.says("mux3");
  member.until_holding();
  Orders orders;
  EXPECT_EQ(member.election.hand_over("mux3", member.now, orders), std::nullopt);
  EXPECT_EQ(orders, (Orders{{What::kGiveUp, kA}}));
  const Word word = member.election.word(member.now);
  EXPECT_EQ(word.offer_to, "mux3");
  EXPECT_TRUE(word.iips[0].offered);
  EXPECT_EQ(word.iips[0].claim, Claim::kNone);
}

TEST(Election, WhatIsOfferedIsTakenAtOnceAndWithoutAQuestion) {
  Member member;
  Word& word = member.says("mux2");
  word.iips[0] = {.address = kA, .claim = Claim::kHolding, .term = 5};
  member.pass(2s);
  word.offer_to = "mux1";
  word.iips[0] = {.address = kA, .claim = Claim::kNone, .term = 5, .offered = true};
  member.pass(25ms);
  EXPECT_EQ(member.orders, (Orders{{What::kTake, kA}}));
  EXPECT_EQ(member.election.word(member.now).iips[0].term, 6u);
}

TEST(Election, OnceAnOfferIsTakenItMayComeBackAtOnce) {
  Member member;
  Word& word = member.says("mux2");
  member.until_holding();
  Orders orders;
  EXPECT_EQ(member.election.hand_over("mux2", member.now, orders), std::nullopt);
  EXPECT_TRUE(member.election.word(member.now).iips[0].unable) << "it is the other's to take";
  word.iips[0] = {.address = kA, .claim = Claim::kHolding, .term = 2};
  member.pass(25ms);
  EXPECT_FALSE(member.election.word(member.now).iips[0].unable);
  EXPECT_FALSE(member.election.word(member.now).iips[0].offered);
}

TEST(Election, WhatIsOfferedToAnotherIsLeftToHim) {
  Member member;
  member.says("mux3");
  Word& word = member.says("mux2");
  word.offer_to = "mux3";
  word.iips[0] = {.address = kA, .claim = Claim::kNone, .term = 5, .offered = true};
  member.pass(5s);
  EXPECT_EQ(member.orders, Orders{});
}

TEST(Election, RefusesToHandOverToWhoCannotTakeIt) {
  Member member;
  Orders orders;
  const auto refusal = [&](const std::string& to) {
    return member.election.hand_over(to, member.now, orders).value_or("");
  };
  EXPECT_EQ(refusal("mux2"), "this member holds no IIP: there is nothing to hand over");
  member.until_holding();
  EXPECT_EQ(refusal(""), "no other member of the pool is alive and ready; see mux list");
  EXPECT_EQ(refusal("mux2"), "mux2 is silent; name a member that is alive, see mux list");
  EXPECT_EQ(refusal("mux1"), "mux1 is this member itself; name another");
  EXPECT_EQ(refusal("mux9"), "no member named \"mux9\" in the pool; others are: mux2, mux3");
  member.says("mux2").ready = false;
  member.pass(25ms);
  EXPECT_EQ(refusal("mux2"), "mux2 has only just begun to listen; try again in a second");
  EXPECT_EQ(orders, Orders{});
  EXPECT_TRUE(member.election.holds(kA));
}

TEST(Election, AnIipThatLeavesTheConfigurationIsGivenUp) {
  Member member;
  member.until_holding();
  EXPECT_EQ(member.election.set_iips({}), (Orders{{What::kGiveUp, kA}}));
}

TEST(Election, StrangersAreNotListenedTo) {
  Member member;
  member.until_holding();
  Word stranger = member.says("mux2");
  stranger.member = "mux7";
  stranger.iips[0] = {.address = kA, .claim = Claim::kHolding, .term = 99};
  EXPECT_EQ(member.election.heard(stranger, member.now), Orders{});
}

}  // namespace
}  // namespace sluice::pool::test
