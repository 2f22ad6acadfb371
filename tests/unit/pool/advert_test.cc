// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Adverts: what goes in comes out, nothing forged or recorded does.
#include "control/pool/advert.h"

#include <gtest/gtest.h>

#include <random>

#include "control/pool/guard.h"

namespace sluice::pool::test {
namespace {

const char* const kSecret = "a secret of the pool";

Advert example() {
  Advert advert{.pool = "edge", .to = "mux2", .stamp = {1, 2, 3, 4}, .word = {}, .mac = {}};
  advert.mac = *parse_mac("02:00:00:00:00:01");
  advert.word.member = "mux1";
  advert.word.ready = true;
  advert.word.busy_percent = 42;
  advert.word.offer_to = "mux3";
  advert.word.iips = {{*parse_address("10.0.0.100"), Claim::kHolding, 7, false, false},
                      {*parse_address("2001:db8:a::100"), Claim::kNone, 8, true, true}};
  return advert;
}

TEST(Advert, ComesOutAsItWentIn) {
  EXPECT_EQ(open(seal(example(), kSecret), kSecret), example());
  Advert other = example();
  other.word = {.member = "mux1", .draining = true, .leaving = true, .accuses = true};
  EXPECT_EQ(open(seal(other, kSecret), kSecret), other);
}

TEST(Advert, TheLargestFitsIntoOnePacket) {
  Advert advert = example();
  const std::string longest(63, 'm');
  advert.pool = advert.to = advert.word.member = advert.word.offer_to = longest;
  advert.word.iips.assign(kMostIips, advert.word.iips[0]);
  const auto datagram = seal(advert, kSecret);
  EXPECT_LE(datagram.size(), kMostAdvertBytes);
  EXPECT_EQ(open(datagram, kSecret), advert);
}

TEST(Advert, OfAnotherSecretIsNothing) {
  EXPECT_FALSE(open(seal(example(), "another secret!!"), kSecret));
}

TEST(Advert, WithAnyBitChangedOrAnyByteLackingIsNothing) {
  const auto good = seal(example(), kSecret);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bad = good;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    EXPECT_FALSE(open(bad, kSecret)) << "bit " << bit;
  }
  for (std::size_t bytes = 0; bytes < good.size(); ++bytes) EXPECT_FALSE(open({good.data(), bytes}, kSecret));
}

// Whoever knows the secret may still be broken: lengths and counts beyond the end, all under a good seal.
TEST(Advert, ABrokenMemberDoesNotReadBeyondTheEnd) {
  std::mt19937_64 random(6234);
  std::size_t understood = 0;
  for (int turn = 0; turn < 20'000; ++turn) {
    Advert advert = example();
    advert.word.iips.resize(random() % 3);
    auto datagram = seal(advert, kSecret);
    std::vector<std::uint8_t> body(datagram.begin() + 36, datagram.end());
    body[random() % body.size()] = static_cast<std::uint8_t>(random());
    body.resize(random() % 4 ? body.size() : random() % body.size());
    understood += open(sealed(body, kSecret), kSecret).has_value();
  }
  EXPECT_GT(understood, 100u);
}

TEST(Guard, ANewMemberIsBelievedOnceItHasEchoedUs) {
  Guard a(1), b(2);
  EXPECT_FALSE(b.accept("a", a.next("b"))) << "it may be a recording";
  EXPECT_TRUE(a.accept("b", b.next("a"))) << "b has heard a";
  EXPECT_TRUE(b.accept("a", a.next("b")));
}

struct Acquainted {
  Acquainted() {
    b.accept("a", a.next("b"));
    a.accept("b", b.next("a"));
    b.accept("a", a.next("b"));
  }
  Guard a{1}, b{2};
};

TEST(Guard, WhatIsPlayedBackIsRefused) {
  Acquainted they;
  const Stamp recorded = they.a.next("b");
  EXPECT_TRUE(they.b.accept("a", recorded));
  EXPECT_FALSE(they.b.accept("a", recorded));
  EXPECT_TRUE(they.b.accept("a", they.a.next("b")));
  EXPECT_FALSE(they.b.accept("a", recorded));
}

TEST(Guard, AFormerLifeIsNotBelievedAgain) {
  Acquainted they;
  std::vector<Stamp> recorded;
  for (int i = 0; i < 5; ++i) recorded.push_back(they.a.next("b"));
  Guard again(3);
  EXPECT_FALSE(they.b.accept("a", again.next("b")));
  EXPECT_TRUE(again.accept("b", they.b.next("a")));
  EXPECT_TRUE(they.b.accept("a", again.next("b")));
  for (const Stamp& stamp : recorded) EXPECT_FALSE(they.b.accept("a", stamp));
  EXPECT_TRUE(they.b.accept("a", again.next("b"))) << "and the recording did no harm";
}

TEST(Guard, AnOldEchoProvesNothing) {
  Guard b(2);
  const Stamp ours = b.next("a");
  Stamp old{.boot = 9, .sequence = 5, .echo_boot = ours.boot, .echo_sequence = ours.sequence};
  for (std::uint64_t i = 0; i <= Guard::kWindow; ++i) b.next("a");
  EXPECT_FALSE(b.accept("a", old));
  old.echo_sequence = b.next("a").sequence;
  EXPECT_TRUE(b.accept("a", old));
}

TEST(Guard, WhoHearsUsNoMoreIsStillBelieved) {
  Acquainted they;
  for (int i = 0; i < 100; ++i) they.b.next("a");  // none of them arrives
  EXPECT_TRUE(they.b.accept("a", they.a.next("b")));
}

}  // namespace
}  // namespace sluice::pool::test
