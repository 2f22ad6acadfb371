// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What runs, with a publisher and without workers: the test does their part on the flow tables.
#include "control/maps/live.h"

#include <gtest/gtest.h>

#include <map>

#include "control/config/dip_lists.h"
#include "dataplane/stage/strays.h"

namespace sluice::maps {
namespace {

using std::chrono::seconds;

std::array<std::uint8_t, ToeplitzKey::kBytes> secret() {
  std::array<std::uint8_t, ToeplitzKey::kBytes> key{};
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(29 * i * i + 7 * i + 3);
  return key;
}

config::Group group(const std::string& name, std::vector<unsigned> dips, std::uint32_t weight = 1) {
  config::Group group;
  group.name = name;
  group.weight = weight;
  for (const unsigned last : dips) {
    group.dips.push_back(
        {.address = IpAddress::v4(Big32(0x0a010000 + last)), .port = 0, .weight = 1, .line = 0});
  }
  return group;
}

config::Model model(std::vector<config::Group> groups, std::uint32_t flows = 4096) {
  config::Model model;
  model.dataplane.slots = 251;
  model.dataplane.workers = {{1, true, true}};
  config::Service service;
  service.name = "web";
  service.vip = *parse_prefix("203.0.113.10");
  service.groups = std::move(groups);
  service.flows = flows;
  service.transition.deadline_s = 100;
  model.services = {service};
  return model;
}

// A MUX: flows on a DIP by its id, and what was told of them.
struct Mux {
  explicit Mux(config::Model first, std::uint64_t memory_bytes = 1u << 30)
      : live(std::move(first), surroundings(memory_bytes)), publisher(live.first_snapshot(), 1) {
    live.publish_through(publisher);
  }
  Live::Surroundings surroundings(std::uint64_t memory_bytes) {
    PortFacts port;
    port.source4 = *parse_address("10.0.0.10");
    return {.ports = {port},
            .path_to =
                [](const IpAddress&) { return Path{.resolved = true, .port = 0, .next_hop = {}, .why = {}}; },
            .own_addresses = [] { return std::vector<IpAddress>(); },
            .toeplitz = ToeplitzKey(secret()),
            .slot_hash = KeyedHash(derive_secret(secret(), "tests")),
            .observer = [](unsigned) { return FlowObserver{}; },
            .flows_of_target = [this](std::uint32_t target) { return flows_on[target]; },
            .count_broken =
                [this](std::uint32_t, std::uint64_t flows, bool deadline) {
                  broken.emplace_back(flows, deadline ? "deadline" : "dip down");
                },
            .warn = [this](const std::string& sentence) { warnings.push_back(sentence); },
            .memory_bytes = memory_bytes};
  }
  std::uint32_t id_of(const std::string& dip) const {
    for (const Directory::Target& target : live.directory().targets) {
      if (target.dip.name == dip) return target.id;
    }
    return kNoTarget;
  }
  // What the workers do now and then.
  void walk() {
    const Snapshot& tables = live.snapshot();
    for (std::uint32_t g = 0; g < tables.groups.size(); ++g) {
      if (tables.groups[g].state) count_strays(tables, g, ~0u);
    }
  }
  // Opens flow `n` where tier 1's newest map says.
  void open(std::uint32_t n) {
    const Snapshot& tables = live.snapshot();
    FlowKey key;
    key.source = IpAddress::v4(Big32(0xc6336400 + n));
    key.destination = *parse_address("203.0.113.10");
    key.source_port.set(static_cast<std::uint16_t>(1000 + n));
    key.protocol = 6;
    const Service& service = tables.services[0];
    const std::uint32_t hash = tables.toeplitz.hash(key, HashFields::kFiveTuple);
    const Group& group = tables.groups[service.groups.slots[service.groups.slot(hash)]];
    group.state->flows.insert(key, tables.slot_hash(key, HashFields::kFiveTuple), 0, 0);
  }
  void forget_all() {
    for (const Group& group : live.snapshot().groups) {
      group.state->flows.visit(0, ~0u, [&](const FlowKey&, Flow& flow) { group.state->flows.erase(flow); });
    }
  }
  bool in_transition() const { return !live.transitions(Clock::now()).empty(); }

  std::map<std::uint32_t, std::uint64_t> flows_on;
  std::vector<std::pair<std::uint64_t, std::string>> broken;
  std::vector<std::string> warnings;
  Live live;
  Publisher publisher;
};

using Broken = std::vector<std::pair<std::uint64_t, std::string>>;

TEST(Live, AReweightedGroupKeepsItsOldMapForAsLongAsAFlowIsFoundByIt) {
  Mux mux(model({group("a", {1}), group("b", {2})}));
  for (std::uint32_t n = 0; n < 200; ++n) mux.open(n);
  ASSERT_EQ(mux.live.replace(model({group("a", {1}, 3), group("b", {2})})), std::nullopt);
  const auto late = Clock::now() + seconds(1000);
  mux.live.tick(late);
  EXPECT_TRUE(mux.in_transition()) << "nobody has looked yet";
  mux.walk();
  mux.live.tick(late);
  EXPECT_TRUE(mux.in_transition());
  EXPECT_GT(mux.live.transitions(late)[0].flows_in_old_groups, 10u);
  EXPECT_LT(mux.live.transitions(late)[0].flows_in_old_groups, 100u);
  EXPECT_EQ(mux.live.transitions(late)[0].remaining, seconds(0));
  mux.forget_all();
  mux.walk();
  mux.live.tick(late);
  EXPECT_FALSE(mux.in_transition());
  EXPECT_EQ(mux.broken, Broken{});
}

TEST(Live, AWalkThatBeganBeforeTheNewestMapSaysNothingOfIt) {
  Mux mux(model({group("a", {1}), group("b", {2})}));
  ASSERT_EQ(mux.live.replace(model({group("a", {1}, 2), group("b", {2})})), std::nullopt);
  mux.walk();  // nothing is there
  for (std::uint32_t n = 0; n < 200; ++n) mux.open(n);
  ASSERT_EQ(mux.live.replace(model({group("a", {1}, 9), group("b", {2})})), std::nullopt);
  mux.live.tick(Clock::now() + seconds(1000));
  EXPECT_TRUE(mux.in_transition());
}

TEST(Live, FinishingEndsWhatLeavesButNotTheWayToFlowsOfOtherGroups) {
  Mux mux(model({group("a", {1}), group("b", {2})}));
  for (std::uint32_t n = 0; n < 200; ++n) mux.open(n);
  ASSERT_EQ(mux.live.replace(model({group("a", {1}, 3), group("b", {2})})), std::nullopt);
  mux.walk();
  EXPECT_TRUE(mux.live.finish_transitions("web"));
  mux.live.tick(Clock::now());
  EXPECT_TRUE(mux.in_transition());
  EXPECT_EQ(mux.live.transitions(Clock::now())[0].remaining, seconds(0));
}

TEST(Live, AMapThatHoldsNobodyIsNotWaitedFor) {
  Mux mux(model({group("a", {1}), group("b", {2})}));
  for (std::uint32_t n = 0; n < 200; ++n) mux.open(n);
  ASSERT_EQ(mux.live.replace(model({group("a", {1})})), std::nullopt);
  mux.live.tick(Clock::now() + seconds(101));
  for (unsigned n = 0; n < 3; ++n) {
    mux.walk();
    mux.live.tick(Clock::now() + seconds(102 + n));
  }
  EXPECT_FALSE(mux.in_transition());
  EXPECT_EQ(mux.live.snapshot().groups.size(), 1u);
}

TEST(Live, WhatIsTakenBackOfASharedListIsTakenBackInTheList) {
  config::Model before = model({group("a", {1, 2})});
  before.dip_lists = {{.name = "farm", .dips = before.services[0].groups[0].dips}};
  before.services[0].groups[0].dip_list = "farm";
  Mux mux(before);
  config::Model next = before;
  next.dip_lists[0].dips.push_back(group("b", {3}).dips[0]);
  config::share_dips(next);
  ASSERT_EQ(mux.live.replace(next), std::nullopt);
  ASSERT_EQ(mux.live.model().services[0].groups[0].dips.size(), 3u);
  const auto back = mux.live.before_transitions("web");
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->dip_lists, before.dip_lists);
  EXPECT_EQ(back->services[0].groups, before.services[0].groups);
}

TEST(Live, FlowsThatAreLostWithAGroupAreCounted) {
  Mux mux(model({group("a", {1}), group("b", {2, 3})}));
  mux.flows_on[mux.id_of("10.1.0.2")] = 5;
  mux.flows_on[mux.id_of("10.1.0.3")] = 2;
  mux.live.set_health("web", "10.1.0.2", false);
  EXPECT_EQ(mux.broken, Broken{}) << "the group's other DIP takes them, and the worker counts";
  mux.live.set_health("web", "10.1.0.3", false);
  EXPECT_EQ(mux.broken, (Broken{{7, "dip down"}}));
}

TEST(Live, WhatIsSaidOfManyAtOnceIsOnePublication) {
  Mux mux(model({group("a", {1, 2, 3, 4})}));
  mux.live.set_health("web", "10.1.0.4", false);
  const auto before = mux.live.generation();
  const std::vector<Live::Health> news = {
      {"web", "10.1.0.1", false}, {"web", "10.1.0.2", false}, {"web", "10.1.0.4", true}};
  mux.live.set_health(news);
  EXPECT_EQ(mux.live.generation(), before + 1);
  EXPECT_FALSE(mux.live.healthy("web", "10.1.0.1"));
  EXPECT_FALSE(mux.live.healthy("web", "10.1.0.2"));
  EXPECT_TRUE(mux.live.healthy("web", "10.1.0.4"));
  mux.live.set_health(news);
  EXPECT_EQ(mux.live.generation(), before + 1) << "that is known";
}

TEST(Live, FlowsThatAreLostWithAGroupAtItsDeadlineAreCounted) {
  Mux mux(model({group("a", {1}), group("b", {2})}));
  mux.flows_on[mux.id_of("10.1.0.2")] = 5;
  ASSERT_EQ(mux.live.replace(model({group("a", {1})})), std::nullopt);
  mux.live.tick(Clock::now() + seconds(99));
  EXPECT_EQ(mux.broken, Broken{});
  mux.live.tick(Clock::now() + seconds(101));
  EXPECT_EQ(mux.broken, (Broken{{5, "deadline"}}));
  mux.live.tick(Clock::now() + seconds(102));
  EXPECT_EQ(mux.broken.size(), 1u) << "once";
}

TEST(Live, TablesThatDoNotFitTogetherAreRefusedWithTheFigureThatWould) {
  constexpr std::uint64_t kMemory = 10u << 20;
  const auto groups = [](unsigned count) {
    std::vector<config::Group> all;
    for (unsigned n = 0; n < count; ++n) all.push_back(group("g" + std::to_string(n), {n + 1}));
    return all;
  };
  Mux mux(model(groups(2), 100'000), kMemory);  // 4.6 MB each
  const std::string sentence =
      "the flow tables of 3 groups, for 300000 flows in all, take 13 MiB and 10 MiB are to be had: ";
  const auto refused = mux.live.replace(model(groups(3), 100'000));
  ASSERT_TRUE(refused.has_value());
  EXPECT_TRUE(refused->starts_with("not applied: " + sentence)) << *refused;
  EXPECT_EQ(mux.live.model().services[0].groups.size(), 2u);
  try {
    Mux other(model(groups(3), 100'000), kMemory);
    ADD_FAILURE() << "it started";
  } catch (const std::runtime_error& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with(sentence)) << error.what();
    unsigned fitting = 0;
    ASSERT_EQ(std::sscanf(error.what() + sentence.size(), "%u flows in all would fit", &fitting), 1);
    const Mux fits(model(groups(3), fitting / 3), kMemory);
    EXPECT_THROW(Mux(model(groups(3), fitting / 3 * 102 / 100), kMemory), std::runtime_error);
  }
}

TEST(Live, AServerComesBackThoughThereIsNoMemoryToDoItGently) {
  config::Model stateless = model({group("a", {1, 2})}, 100'000);
  stateless.services[0].stickiness = config::Stickiness::kNone;
  Mux mux(stateless, 1u << 20);
  mux.live.set_health("web", "10.1.0.2", false);
  EXPECT_EQ(mux.warnings.size(), 0u);
  mux.live.set_health("web", "10.1.0.2", true);
  ASSERT_EQ(mux.warnings.size(), 1u);
  EXPECT_TRUE(mux.warnings[0].starts_with("a transition goes without tables: the flow tables of 1 groups"))
      << mux.warnings[0];
  EXPECT_EQ(mux.live.snapshot().groups[0].state, nullptr);
  EXPECT_GT(mux.live.slots_of(1), 0u) << "it has its slots back";
}

TEST(Live, WhatFlowsAreToldApartByCannotChangeUnderThem) {
  Mux mux(model({group("a", {1})}));
  config::Model next = mux.live.model();
  next.services[0].hash_fields = next.services[0].flow_key = HashFields::kSource;
  EXPECT_EQ(mux.live.replace(next),
            "flow_key of service web cannot change under its flows: remove the service, then add it anew");
  next = mux.live.model();
  next.services[0].vip = *parse_prefix("2001:db8::10");
  EXPECT_EQ(
      mux.live.replace(next),
      "the address family of service web cannot change under its flows: remove the service, then add it "
      "anew");
}

}  // namespace
}  // namespace sluice::maps
