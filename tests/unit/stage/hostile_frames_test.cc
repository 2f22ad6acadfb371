// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A million mutated frames: none crashes, none is read beyond its end (each lies in memory of exactly its
// size, and the address sanitizer watches), each has one verdict, no buffer is lost. (F6.)
#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <bit>
#include <memory>

#include "dataplane/stage/stages.h"
#include "tests/packet/sluice.h"
#include "tests/unit/stage/mutate.h"
#include "tests/unit/table/seed.h"

namespace sluice::test {
namespace {

constexpr unsigned kFrames = 1'000'000;

// A packet buffer around a frame's bytes, without a pool.
struct Wrapped {
  explicit Wrapped(const Bytes& frame) : memory(new std::uint8_t[frame.size()]) {
    std::copy(frame.begin(), frame.end(), memory.get());
    m->buf_addr = memory.get();
    m->nb_segs = 1;
    m->data_len = static_cast<std::uint16_t>(frame.size());
    m->pkt_len = m->data_len;
  }
  std::unique_ptr<std::uint8_t[]> memory;
  std::unique_ptr<rte_mbuf> m = std::make_unique<rte_mbuf>();
};

struct Verdict {
  bool live = false, punted = false;
  DropReason reason = DropReason::kCount;
  Layout layout;
  FlowKey key;
  std::uint32_t fragment_id = 0;
  bool fragment = false, echo = false, unrelated = false;
};

Verdict parse_one(Burst& burst, const Bytes& frame) {
  Wrapped wrapped(frame);
  burst.packet[0] = wrapped.m.get();
  burst.begin(1);
  parse(burst);
  EXPECT_EQ(
      std::popcount(burst.live & 1) + std::popcount(burst.dropped & 1) + std::popcount(burst.punted & 1), 1);
  EXPECT_EQ((burst.live | burst.dropped | burst.punted | burst.ready) & ~1ull, 0u);
  Verdict v;
  v.live = burst.live;
  v.punted = burst.punted;
  if (burst.dropped) v.reason = burst.reason[0];
  v.layout = burst.layout[0];
  v.key = burst.key[0];
  v.fragment_id = burst.fragment_id[0];
  v.fragment = burst.fragments;
  v.echo = burst.echoes;
  v.unrelated = burst.unrelated;
  return v;
}

// What later stages rely on.
void expect_sound(const Verdict& v, const Bytes& frame) {
  if (!v.live) return;
  const Layout& at = v.layout;
  const unsigned ip_header = at.is(Layout::kV6) ? 40 : 20;
  EXPECT_GE(at.ip_bytes, ip_header);
  EXPECT_LE(at.l3 + at.ip_bytes, frame.size());
  EXPECT_TRUE(at.l3 == 14 || at.l3 == 18);
  EXPECT_EQ(v.key.is_v4(), !at.is(Layout::kV6));
  EXPECT_EQ(v.key.source.is_v4(), v.key.destination.is_v4());
  if (at.is(Layout::kLaterFragment)) {
    EXPECT_EQ(at.l4, 0);
  } else {
    EXPECT_GE(at.l4, at.l3 + ip_header);
    EXPECT_LE(at.l4, at.l3 + at.ip_bytes);
  }
  if (at.is(Layout::kEcho)) {
    EXPECT_LE(at.l4 + 8, at.l3 + at.ip_bytes);
  }
}

TEST(HostileFrames, AMillionHaveOneVerdictEach) {
  Mutator mutator(random_seed());
  auto burst = std::make_unique<Burst>();
  unsigned live = 0;
  std::array<unsigned, kDropReasons + 1> reasons{};
  for (unsigned i = 0; i < kFrames && !testing::Test::HasFailure(); ++i) {
    const Bytes frame = mutator.next();
    const Verdict v = parse_one(*burst, frame);
    expect_sound(v, frame);
    live += v.live;
    ++reasons[static_cast<unsigned>(v.reason)];
    if (testing::Test::HasFailure()) ADD_FAILURE() << "frame " << i << ":\n" << hex(frame);
  }
  // The corpus is worth something: some go on, and the parser's reasons all come up.
  EXPECT_GT(live, kFrames / 20);
  for (unsigned reason = 0; reason <= static_cast<unsigned>(DropReason::kMappedAddress); ++reason) {
    if (static_cast<DropReason>(reason) == DropReason::kFrameSegmented) continue;
    EXPECT_GT(reasons[reason], 0u) << kDropReasonTexts[reason].word;
  }
}

// The short way of the parser is taken by untagged frames only; with a tag the same packet takes the long
// way.
TEST(HostileFrames, TakeTheShortAndTheLongWayToTheSameEnd) {
  Mutator mutator(random_seed());
  auto burst = std::make_unique<Burst>();
  for (unsigned i = 0; i < kFrames / 4 && !testing::Test::HasFailure(); ++i) {
    const Bytes frame = mutator.next();
    if (frame.size() < 14 || get16(frame, 12) == 0x8100) continue;
    Bytes tagged = slice(frame, 0, 12);
    append(tagged, {0x81, 0x00, 0x00, 0x07});
    append(tagged, slice(frame, 12));
    const Verdict a = parse_one(*burst, frame), b = parse_one(*burst, tagged);
    ASSERT_EQ(a.live, b.live) << hex(frame);
    ASSERT_EQ(a.punted, b.punted) << hex(frame);
    ASSERT_EQ(a.reason, b.reason) << hex(frame);
    if (!a.live) continue;
    EXPECT_EQ(a.key, b.key) << hex(frame);
    EXPECT_EQ(a.layout.flags, b.layout.flags) << hex(frame);
    EXPECT_EQ(a.layout.ip_bytes, b.layout.ip_bytes);
    EXPECT_EQ(a.layout.l3 + 4, b.layout.l3);
    EXPECT_EQ(a.layout.l4 + (a.layout.l4 ? 4 : 0), b.layout.l4);
    EXPECT_EQ(a.fragment, b.fragment);
    EXPECT_EQ(a.echo, b.echo);
    EXPECT_EQ(a.unrelated, b.unrelated);
    if (a.fragment) {
      EXPECT_EQ(a.fragment_id, b.fragment_id);
    }
  }
}

TEST(HostileFrames, GoThroughAllStagesWithoutLoss) {
  Mutator mutator(random_seed());
  Sluice sluice(town(), {.kernel_queue = 2048});
  std::uint64_t came = 0, ended = 0;
  Outcome out;
  for (unsigned i = 0; i < kFrames / 1000; ++i) {
    for (unsigned k = 0; k < 1000; ++k) sluice.receive(mutator.next());
    out = sluice.turn();  // the rig asserts the balance
    came += out.rx + out.created;
    ended += out.sent.size() + out.punted.size();
    for (const auto& [reason, count] : out.dropped) ended += count;
    if (i % 20 == 0) sluice.pass_ms(60);
  }
  EXPECT_EQ(came, ended + out.held);
}

}  // namespace
}  // namespace sluice::test
