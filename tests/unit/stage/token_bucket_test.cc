// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "dataplane/stage/token_bucket.h"

#include <gtest/gtest.h>

namespace sluice::test {
namespace {

constexpr std::uint64_t kHz = 2'600'000'000;

unsigned take_all(TokenBucket& bucket) {
  unsigned taken = 0;
  while (bucket.take()) ++taken;
  return taken;
}

TEST(TokenBucket, StartsFull) {
  TokenBucket bucket(1000, 10, kHz);
  EXPECT_EQ(take_all(bucket), 10u);
}

TEST(TokenBucket, EarnsItsRateNoMatterHowOftenItIsAsked) {
  TokenBucket bucket(1000, 2000, kHz);
  std::uint64_t now = kHz;
  bucket.refill(now);
  take_all(bucket);
  unsigned taken = 0;
  // A second in steps that are no multiple of a token's time.
  for (unsigned i = 0; i < 99'991; ++i) {
    now += kHz / 99'991;
    bucket.refill(now);
    taken += take_all(bucket);
  }
  EXPECT_NEAR(taken, 1000, 1);
}

TEST(TokenBucket, HoldsNoMoreThanItsDepth) {
  TokenBucket bucket(1000, 10, kHz);
  bucket.refill(kHz);
  bucket.refill(100 * kHz);
  EXPECT_EQ(take_all(bucket), 10u);
}

TEST(TokenBucket, IsFullAgainAfterALongTime) {
  TokenBucket bucket(1000, 10, kHz);
  take_all(bucket);
  bucket.refill(~0ull / 2);
  EXPECT_EQ(take_all(bucket), 10u);
  bucket.refill(~0ull / 2 + kHz / 1000);
  EXPECT_EQ(take_all(bucket), 1u);
}

TEST(TokenBucket, OfRateZeroIsNeverFilledAgain) {
  TokenBucket bucket(0, 3, kHz);
  EXPECT_EQ(take_all(bucket), 3u);
  bucket.refill(1000 * kHz);
  EXPECT_EQ(take_all(bucket), 0u);
}

TEST(TokenBucket, MayBeFasterThanTheClock) {
  TokenBucket bucket(10 * kHz, 5, kHz);
  take_all(bucket);
  bucket.refill(kHz);
  EXPECT_EQ(take_all(bucket), 5u);
}

TEST(TokenBucket, WithoutAnythingGivesNothing) {
  TokenBucket bucket;
  bucket.refill(kHz);
  EXPECT_FALSE(bucket.take());
}

}  // namespace
}  // namespace sluice::test
