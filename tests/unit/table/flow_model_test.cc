// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The flow table against a std::unordered_map that does the same in the plainest way, under a random walk.
// The model hears of every flow that leaves and judges whether it was allowed to: by time, or to make room in
// the promised order. SLUICE_SEED repeats a run.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <unordered_map>

#include "dataplane/table/flow_table.h"
#include "tests/unit/table/flow_tools.h"

namespace sluice::test {
namespace {

struct KeyHash {
  std::size_t operator()(const FlowKey& key) const { return flow_hash(key); }
};

struct ModelFlow {
  FlowState state = FlowState::kProbation;
  std::uint32_t target = 0, seen = 0;
  std::uint64_t entered = 0;  // probation, in order
  unsigned packets = 1;       // since then
};

enum Kind : unsigned { kConnection, kDatagram, kOther };
Kind kind_of(const FlowKey& key) {
  if (key.protocol == kProtoTcp || key.protocol == kProtoSctp) return kConnection;
  return key.protocol == kProtoUdp ? kDatagram : kOther;
}

// One family; the families share nothing.
class Model {
 public:
  Model(std::uint32_t capacity, std::uint32_t list_limit, const FlowTimeouts& timeouts)
      : capacity_(capacity), list_limit_(list_limit), timeouts_(timeouts) {}

  [[nodiscard]] std::uint32_t timeout(const FlowKey& key, const ModelFlow& flow) const {
    if (flow.state == FlowState::kClosing) return seconds(timeouts_.closing_s);
    if (kind_of(key) == kDatagram) return seconds(timeouts_.udp_s);
    if (kind_of(key) == kOther) return seconds(timeouts_.other_s);
    return seconds(flow.state == FlowState::kProbation ? timeouts_.syn_s : timeouts_.established_s);
  }
  [[nodiscard]] bool over(const FlowKey& key, const ModelFlow& flow, std::uint32_t now) const {
    return now - flow.seen > timeout(key, flow);
  }
  [[nodiscard]] std::size_t in_probation(bool connections) const {
    return std::ranges::count_if(flows, [&](const auto& f) {
      return f.second.state == FlowState::kProbation && (kind_of(f.first) == kConnection) == connections;
    });
  }
  [[nodiscard]] const ModelFlow* oldest_in_probation(bool connections) const {
    const ModelFlow* oldest = nullptr;
    for (const auto& [key, flow] : flows) {
      if (flow.state != FlowState::kProbation || (kind_of(key) == kConnection) != connections) continue;
      if (!oldest || flow.entered < oldest->entered) oldest = &flow;
    }
    return oldest;
  }
  // May `key` make room now for another flow?
  void judge_eviction(const FlowKey& key, std::uint32_t now, std::uint32_t evict_idle) const {
    const ModelFlow& flow = flows.at(key);
    EXPECT_EQ(flows.size(), capacity_) << "evicted from a table that is not full";
    EXPECT_FALSE(over(key, flow, now));
    const bool anyone = in_probation(true) + in_probation(false) > 0;
    if (flow.state == FlowState::kProbation) {
      EXPECT_EQ(&flow, oldest_in_probation(kind_of(key) == kConnection));
    } else {
      EXPECT_FALSE(anyone) << "there was one in probation";
      EXPECT_GE(now - flow.seen, flow.state == FlowState::kClosing ? seconds(1) : evict_idle);
    }
  }
  // No room for `key`: is that so?
  void judge_untracked(const FlowKey& key, std::uint32_t now, std::uint32_t evict_idle) const {
    const bool connections = kind_of(key) == kConnection;
    if (in_probation(connections) == list_limit_) {
      const ModelFlow* oldest = oldest_in_probation(connections);
      for (const auto& [k, flow] : flows) {
        EXPECT_FALSE(&flow == oldest && over(k, flow, now)) << "the oldest one's time was over";
      }
      return;
    }
    EXPECT_EQ(flows.size(), capacity_);
    for (const auto& [k, flow] : flows) {
      EXPECT_FALSE(over(k, flow, now));
      EXPECT_EQ(int(flow.state != FlowState::kProbation), 1);
      EXPECT_LT(now - flow.seen, flow.state == FlowState::kClosing ? seconds(1) : evict_idle);
    }
  }

  FlowEvent touch(const FlowKey& key, const FlowPacket& packet, std::uint32_t now) {
    ModelFlow& flow = flows.at(key);
    flow.seen = now;
    ++flow.packets;
    if (flow.state == FlowState::kProbation) {
      if (packet.closes) return flow.state = FlowState::kClosing, FlowEvent::kClosing;
      const bool proven = kind_of(key) == kConnection ? !packet.opens : flow.packets >= 3;
      if (!proven) return FlowEvent::kNothing;
      return flow.state = FlowState::kEstablished, FlowEvent::kEstablished;
    }
    if (flow.state == FlowState::kEstablished && packet.closes)
      return flow.state = FlowState::kClosing, FlowEvent::kClosing;
    return FlowEvent::kNothing;
  }

  std::unordered_map<FlowKey, ModelFlow, KeyHash> flows;

 private:
  std::uint32_t capacity_, list_limit_;
  FlowTimeouts timeouts_;
};

struct Walk {
  const char* name;
  std::uint32_t capacity, keys;
  double share;
  unsigned steps;
};

class FlowModel : public testing::TestWithParam<Walk> {
 protected:
  FlowModel() : walk_(GetParam()), table_(limits(), {this, &FlowModel::gone}) {
    const char* given = std::getenv("SLUICE_SEED");
    const auto seed =
        given ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 0)) : std::random_device{}();
    std::printf("SLUICE_SEED=%u\n", seed);
    random_.seed(seed);
    for (Model& model : model_) model = Model(walk_.capacity, list_limit(), limits().timeouts);
  }

  [[nodiscard]] std::uint32_t list_limit() const {
    return std::max(1u, static_cast<std::uint32_t>(walk_.capacity * walk_.share / 2));
  }
  [[nodiscard]] FlowTable::Limits limits() const {
    FlowTable::Limits l;
    l.flows_v4 = l.flows_v6 = walk_.capacity;
    l.probation_share = walk_.share;
    l.evict_idle_s = 20;
    l.timeouts = {.syn_s = 10, .established_s = 90, .closing_s = 15, .udp_s = 40, .other_s = 30};
    return l;
  }
  [[nodiscard]] std::uint32_t evict_idle() const { return seconds(limits().evict_idle_s); }

  static void gone(void* self, const Flow& flow, FlowGone why) noexcept {
    static_cast<FlowModel*>(self)->gone(flow, why);
  }
  // The target is the number of the key, so the model knows who left.
  void gone(const Flow& flow, FlowGone why) {
    const FlowKey key = key_of(flow.target);
    Model& model = model_of(key);
    const auto at = model.flows.find(key);
    ASSERT_NE(at, model.flows.end()) << "left twice";
    EXPECT_EQ(at->second.state, flow.state());
    EXPECT_EQ(why == FlowGone::kErased, erasing_ && !model.over(key, at->second, now_));
    EXPECT_EQ(why == FlowGone::kExpired, model.over(key, at->second, now_));
    if (why == FlowGone::kEvicted) model.judge_eviction(key, now_, evict_idle());
    model.flows.erase(at);
  }

  static FlowKey key_of(std::uint32_t number) {
    constexpr std::uint8_t kProtocols[] = {kProtoTcp, kProtoTcp, kProtoUdp, kProtoSctp, 47};
    return flow_key(number, kProtocols[number / 2 % 5], number % 2);
  }
  Model& model_of(const FlowKey& key) { return model_[key.is_v4() ? 0 : 1]; }
  FlowKey random_key() { return key_of(random_() % walk_.keys); }

  void burst();
  void packet(const FlowKey& key, std::uint32_t number, Flow* flow);
  void open_flow(const FlowKey& key, std::uint32_t number);
  void jump();
  void compare();
  void check_sizes();

  Walk walk_;
  FlowTable table_;
  Model model_[2] = {{0, 0, {}}, {0, 0, {}}};
  std::mt19937 random_;
  std::uint32_t now_ = 0xffffff00;  // wraps soon
  std::uint64_t order_ = 0, hits_ = 0, opened_ = 0, untracked_ = 0;
  bool erasing_ = false;
};

// What a stage does: find all, then go on with those found, then open those that were not, in order.
void FlowModel::burst() {
  FlowKey keys[64];
  std::uint32_t numbers[64];
  std::uint64_t hashes[64];
  Flow* flow[64];
  const unsigned n = 1 + random_() % 64;
  for (unsigned i = 0; i < n; ++i) {
    numbers[i] = static_cast<std::uint32_t>(random_() % walk_.keys);
    keys[i] = key_of(numbers[i]);
    hashes[i] = flow_hash(keys[i]);
  }
  const std::uint64_t mask = n == 64 ? ~0ull : (1ull << n) - 1;
  const std::uint64_t found = table_.find(keys, hashes, mask, flow, now_);
  for (unsigned i = 0; i < n; ++i) {
    ASSERT_EQ(found >> i & 1, flow[i] != nullptr);
    ASSERT_EQ(flow[i] != nullptr, model_of(keys[i]).flows.contains(keys[i]));
    if (flow[i]) packet(keys[i], numbers[i], flow[i]);
  }
  for (unsigned i = 0; i < n; ++i) {
    if (!flow[i]) open_flow(keys[i], numbers[i]);
  }
}

void FlowModel::packet(const FlowKey& key, std::uint32_t number, Flow* flow) {
  ++hits_;
  Model& model = model_of(key);
  ModelFlow& expected = model.flows.at(key);
  ASSERT_EQ(flow->target, number);
  ASSERT_EQ(flow->state(), expected.state);
  ASSERT_EQ(flow->seen(), expected.seen);
  const FlowPacket packet{.bytes = 100, .opens = random_() % 4 == 0, .closes = random_() % 16 == 0};
  const FlowEvent event = table_.touch(*flow, packet, now_);
  const bool closing = expected.state == FlowState::kClosing;
  if (event == FlowEvent::kReopened) {
    ASSERT_TRUE(closing && packet.opens && !packet.closes);
    ASSERT_LE(model.in_probation(kind_of(key) == kConnection), list_limit() - 1);
    expected = {FlowState::kProbation, number, now_, ++order_, 1};
  } else {
    if (closing && packet.opens && !packet.closes) {
      ASSERT_EQ(model.in_probation(kind_of(key) == kConnection), list_limit());
    }
    ASSERT_EQ(event, model.touch(key, packet, now_));
  }
  ASSERT_EQ(flow->state(), expected.state);
}

void FlowModel::open_flow(const FlowKey& key, std::uint32_t number) {
  Model& model = model_of(key);
  const bool there = model.flows.contains(key);  // opened by an earlier packet of this burst
  const auto [flow, fresh] = table_.insert(key, flow_hash(key), number, now_);
  if (!flow) {
    ASSERT_FALSE(there);
    ++untracked_;
    return model.judge_untracked(key, now_, evict_idle());
  }
  ASSERT_EQ(fresh, !model.flows.contains(key));
  if (!fresh) return packet(key, number, flow);
  ++opened_;
  model.flows[key] = {FlowState::kProbation, number, now_, ++order_, 1};
  ASSERT_LE(model.flows.size(), walk_.capacity);
  ASSERT_LE(model.in_probation(kind_of(key) == kConnection), list_limit());
}

void FlowModel::jump() {
  constexpr std::uint32_t kJumps[] = {1, 1, 1, 5, 16, 100, 400, 3000};
  now_ += kJumps[random_() % std::size(kJumps)];
}

void FlowModel::check_sizes() {
  ASSERT_EQ(table_.size(), model_[0].flows.size() + model_[1].flows.size());
  std::size_t probation = 0;
  for (const Model& model : model_) probation += model.in_probation(true) + model.in_probation(false);
  ASSERT_EQ(table_.probation_size(), probation);
  const FlowCounters c = table_.counters();
  ASSERT_EQ(c.opened, opened_);
  ASSERT_EQ(c.untracked(), untracked_);
  ASSERT_EQ(c.untracked_bucket, 0u);
  ASSERT_EQ(c.opened - c.expired - c.erased - c.evicted_probation - c.evicted_closing - c.evicted_idle,
            table_.size());
}

void FlowModel::compare() {
  std::size_t visited = 0;
  table_.visit(0, 0xffffffff, [&](const FlowKey& key, Flow& flow) {
    ++visited;
    const auto at = model_of(key).flows.find(key);
    ASSERT_NE(at, model_of(key).flows.end());
    ASSERT_EQ(flow.target, at->second.target);
    ASSERT_EQ(flow.state(), at->second.state);
  });
  ASSERT_EQ(visited, model_[0].flows.size() + model_[1].flows.size());
  for (std::uint32_t number = 0; number < walk_.keys; ++number) {
    const FlowKey key = key_of(number);
    const Model& model = model_of(key);
    const auto at = model.flows.find(key);
    const bool there = at != model.flows.end() && !model.over(key, at->second, now_);
    ASSERT_EQ(table_.peek(key, flow_hash(key), now_) != nullptr, there);
  }
}

TEST_P(FlowModel, BehavesLikeAPlainMap) {
  for (unsigned step = 0; step < walk_.steps && !HasFailure(); ++step) {
    burst();
    if (step % 4 == 0) jump();
    if (step % 3 == 0) table_.age(now_, random_() % 100);
    if (step % 50 == 0) {
      erasing_ = true;
      const FlowKey key = random_key();
      const std::uint64_t hash = flow_hash(key);
      Flow* flow = nullptr;
      if (table_.find(&key, &hash, 1, &flow, now_)) table_.erase(*flow);
      erasing_ = false;
    }
    check_sizes();
    if (step % 200 == 0) compare();
  }
  EXPECT_GT(hits_, 10'000u);
  EXPECT_GT(opened_, 1000u);
  std::printf(
      "%llu hits, %llu opened, %llu untracked, %llu evicted\n", static_cast<unsigned long long>(hits_),
      static_cast<unsigned long long>(opened_), static_cast<unsigned long long>(untracked_),
      static_cast<unsigned long long>(table_.counters().evicted_probation +
                                      table_.counters().evicted_closing + table_.counters().evicted_idle));
}

INSTANTIATE_TEST_SUITE_P(Walks, FlowModel,
                         testing::Values(Walk{"Roomy", 1000, 600, 1, 6000}, Walk{"Tight", 60, 200, 1, 20'000},
                                         Walk{"TightProbation", 60, 200, 0.1, 20'000},
                                         Walk{"Tiny", 1, 6, 1, 5000}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sluice::test
