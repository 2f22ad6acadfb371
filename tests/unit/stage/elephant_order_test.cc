// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// B11: a flow becomes an elephant and stops being one, and its packets leave in the order in which they came.
// Tier 1 and tier 2 with the real rings between them, one thread taking turns for both.
#include <gtest/gtest.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

#include <array>
#include <memory>
#include <vector>

#include "tests/unit/stage/control.h"

namespace sluice::test {
namespace {

constexpr unsigned kTier1 = 0, kTier2 = 1;

rte_mempool* pool() {
  static rte_mempool* made = [] {
    const char* arguments[] = {"unit_elephants", "--no-huge",      "-m", "64", "--no-shconf",
                               "--no-pci",       "--no-telemetry", "-l", "0",  "--log-level=error"};
    EXPECT_GE(rte_eal_init(static_cast<int>(std::size(arguments)), const_cast<char**>(arguments)), 0);
    return rte_pktmbuf_pool_create("flows", 4095, 0, kHandOverBytes, 256, 0);
  }();
  return made;
}

class TwoTiers {
 public:
  TwoTiers() {
    config::Service& service = control_.service();
    config::Group group;
    group.name = "g";
    for (unsigned i = 1; i < 4; ++i) {
      group.dips.push_back({.address = make_address(0x0a010000u + i), .port = 0, .weight = 1, .line = 0});
    }
    service.groups = {group};
    service.elephant = {.bytes_per_s = 0, .packets_per_s = 400};  // 100 a window
    control_.rebuild();
    tables_ = const_cast<Snapshot*>(&control_.snapshot());
    tables_->groups[0].owner = kTier2;
    for (ElephantDesk* desk : {&desk1_, &desk2_}) {
      desk->to.resize(2);
      desk->from.resize(2);
      desk->handed.resize(2);
    }
    desk1_.self = kTier1;
    desk2_.self = kTier2;
    desk1_.to[kTier2] = desk2_.from[kTier1] = &down_;
    desk2_.to[kTier1] = desk1_.from[kTier2] = &up_;
    desk1_.handed[kTier2] = &ring_;
  }

  // Tier 1 takes `count` packets of the flow in.
  void receive(unsigned count, std::uint8_t flags = 0) {
    desk1_.read_notes(*tables_, now_, 16);
    burst_->begin(count);
    for (unsigned i = 0; i < count; ++i) {
      rte_mbuf* packet = rte_pktmbuf_alloc(pool());
      ASSERT_NE(packet, nullptr);
      packet->hash.usr = next_++;
      burst_->packet[i] = packet;
      burst_->key[i] = make_key(1, 6);
      burst_->layout[i] = Layout{.ip_bytes = 100, .flags = flags};
      burst_->service[i] = 0;
    }
    find_elephants(*burst_, *tables_, desk1_, now_);
    straight_ += static_cast<unsigned>(std::popcount(burst_->decided));
    select_group(*burst_, *tables_, false);
    HandOverRing* const rings[] = {nullptr, &ring_};
    hand_over(*burst_, *tables_, kTier1, rings);
    EXPECT_EQ(burst_->dropped, 0u);
    leave();
  }

  // Tier 2 works off at most `most` of what it was handed.
  void work_off(unsigned most) {
    desk2_.read_notes(*tables_, now_, 16);
    burst_->begin(0);
    const unsigned count = ring_.take(burst_->packet.data(), most);
    burst_->begin(count);
    take_over(*burst_, *tables_);
    hash_flows(*burst_, *tables_);
    const FlowDesk desk{now_, false, kTier1, counters_, desk2_};
    ASSERT_EQ(follow_flows(*burst_, *tables_, desk), 0u);
    select_dip(*burst_, *tables_);
    leave();
    ring_.mark_done(count);
  }

  void pass_ticks(unsigned ticks) { now_ += ticks; }
  void review() { desk1_.review(*tables_, now_, 16); }
  [[nodiscard]] unsigned straight() const { return straight_; }
  [[nodiscard]] std::uint32_t elephants() const { return desk1_.table.size(); }
  [[nodiscard]] unsigned waiting() const { return ring_.waiting(); }

  void expect_all_in_order() const {
    ASSERT_EQ(left_.size(), next_);
    for (std::uint32_t i = 0; i < left_.size(); ++i) ASSERT_EQ(left_[i], i);
    for (const std::uint32_t target : targets_) ASSERT_EQ(target, targets_[0]) << "another DIP";
  }

 private:
  void leave() {
    for_each(burst_->live, [&](unsigned i) {
      left_.push_back(burst_->packet[i]->hash.usr);
      targets_.push_back(burst_->target[i]);
      rte_pktmbuf_free(burst_->packet[i]);
    });
  }

  rte_mempool* pool_ = pool();  // EAL before the rings
  Control control_;
  Snapshot* tables_ = nullptr;
  HandOverRing ring_{"order"};
  NoteRing up_, down_;
  ElephantDesk desk1_, desk2_;
  WorkerCounters counters_;
  std::unique_ptr<Burst> burst_ = std::make_unique<Burst>();
  std::uint64_t now_ = 16;
  std::uint32_t next_ = 0;
  unsigned straight_ = 0;
  std::vector<std::uint32_t> left_, targets_;
};

TEST(Elephants, KeepTheirOrderThroughPromotionAndDemotion) {
  TwoTiers tiers;
  tiers.receive(1, Layout::kOpensFlow);
  tiers.work_off(64);
  // Tier 2 is always behind, so that packets wait in the ring when the note arrives.
  for (unsigned n = 0; n < 40; ++n) {
    tiers.receive(32);
    tiers.work_off(20);
  }
  EXPECT_EQ(tiers.elephants(), 1u);
  EXPECT_GT(tiers.waiting(), 0u);
  const unsigned before = tiers.straight();
  while (tiers.waiting() > 0) tiers.work_off(64);
  for (unsigned n = 0; n < 20; ++n) tiers.receive(32);
  EXPECT_EQ(tiers.straight(), before + 20 * 32) << "tier 2 does not see them any more";

  // It becomes slow.
  tiers.pass_ticks(32 * FlowClock::kTicksPerSecond);
  tiers.review();
  EXPECT_EQ(tiers.elephants(), 0u);
  const unsigned straight = tiers.straight();
  for (unsigned n = 0; n < 5; ++n) {
    tiers.receive(3);
    tiers.work_off(2);
  }
  EXPECT_EQ(tiers.straight(), straight);

  // And big once more: the owner remembers that it is its own again.
  tiers.pass_ticks(FlowClock::kTicksPerSecond);
  for (unsigned n = 0; n < 40; ++n) {
    tiers.receive(16);
    tiers.work_off(16);
  }
  EXPECT_EQ(tiers.elephants(), 1u);
  // A FIN goes the ordinary way, behind all that went straight.
  while (tiers.waiting() > 0) tiers.work_off(64);
  tiers.receive(8);
  tiers.receive(1, Layout::kCloses);
  EXPECT_EQ(tiers.elephants(), 0u);
  while (tiers.waiting() > 0) tiers.work_off(64);
  tiers.expect_all_in_order();
}

}  // namespace
}  // namespace sluice::test
