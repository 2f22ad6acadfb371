// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Which VIPs have a route, and why.
#include "control/route/wanted.h"

#include <gtest/gtest.h>

#include <random>

#include "control/route/facts.h"

namespace sluice::route {
namespace {

using config::Announce;

Prefix prefix(const std::string& text) {
  return parse_prefix(text).value();
}

ServiceFacts service(const std::string& name, const std::string& vip, std::size_t alive, std::size_t dips,
                     Announce announce = Announce::kLive) {
  return {.name = name, .vip = prefix(vip), .announce = announce, .dips = dips, .alive = alive};
}

Announcement only(const std::vector<ServiceFacts>& services) {
  const std::vector<Announcement> all = decide(services);
  EXPECT_EQ(all.size(), 1u);
  return all.at(0);
}

TEST(Wanted, AVipWithOneLiveDipIsAnnounced) {
  const Announcement one = only({service("web", "203.0.113.10", 1, 4)});
  EXPECT_TRUE(one.wanted);
  EXPECT_EQ(one.prefix, prefix("203.0.113.10/32"));
  EXPECT_EQ(one.why, "service web: 1 of 4 DIPs are alive");
}

TEST(Wanted, AVipWhoseDipsAreDeadIsNot) {
  const Announcement one = only({service("web", "203.0.113.10", 0, 4)});
  EXPECT_FALSE(one.wanted);
  EXPECT_EQ(one.why, "no DIP of web is alive");
}

TEST(Wanted, AVipWithoutDipsIsNot) {
  EXPECT_EQ(only({service("web", "2001:db8:cb::10", 0, 0)}).why, "service web has no DIP");
}

TEST(Wanted, AlwaysMeansWithDeadDipsToo) {
  const Announcement one = only({service("dns", "203.0.113.53", 0, 2, Announce::kAlways)});
  EXPECT_TRUE(one.wanted);
  EXPECT_EQ(one.why, "service dns is announced always");
}

TEST(Wanted, NeverMeansWithLiveDipsToo) {
  const Announcement one = only({service("dns", "203.0.113.53", 2, 2, Announce::kNever)});
  EXPECT_FALSE(one.wanted);
  EXPECT_EQ(one.why, "service dns is announced never");
}

TEST(Wanted, OneOfSeveralServicesOnAVipIsEnough) {
  const Announcement one = only({service("web", "203.0.113.10", 0, 2), service("tls", "203.0.113.10", 1, 1),
                                 service("admin", "203.0.113.10", 0, 1, Announce::kNever)});
  EXPECT_TRUE(one.wanted);
  EXPECT_EQ(one.services, (std::vector<std::string>{"web", "tls", "admin"}));
  EXPECT_EQ(one.why, "service tls: 1 of 1 DIP is alive");
}

TEST(Wanted, OfSeveralServicesAllThatWaitAreNamed) {
  EXPECT_EQ(only({service("web", "203.0.113.10", 0, 2), service("tls", "203.0.113.10", 0, 1),
                  service("admin", "203.0.113.10", 1, 1, Announce::kNever)})
                .why,
            "no DIP of web, tls is alive");
}

TEST(Wanted, APrefixAndAnAddressInItAreTwoVips) {
  const std::vector<ServiceFacts> services = {service("all", "203.0.113.0/24", 1, 1),
                                              service("web", "203.0.113.10", 0, 1)};
  EXPECT_EQ(wanted_prefixes(decide(services)), std::set<Prefix>{prefix("203.0.113.0/24")});
}

TEST(Difference, LeadsFromWhatIsThereToWhatIsWanted) {
  std::mt19937 random(1);
  for (int round = 0; round < 1000; ++round) {
    std::set<Prefix> there, wanted;
    for (int i = 0; i < 8; ++i) {
      const Prefix one = prefix("203.0.113." + std::to_string(i));
      if (random() % 2) there.insert(one);
      if (random() % 2) wanted.insert(one);
    }
    const Difference change = difference(there, wanted);
    for (const Prefix& one : change.add) EXPECT_TRUE(there.insert(one).second);
    for (const Prefix& one : change.remove) EXPECT_EQ(there.erase(one), 1u);
    EXPECT_EQ(there, wanted);
  }
  EXPECT_TRUE(difference({prefix("::/0")}, {prefix("::/0")}).add.empty());
}

// --- what runs -> facts

maps::PlannedDip dip(const std::string& name, bool healthy, bool leaving = false, bool gone = false) {
  maps::PlannedDip dip;
  dip.name = name;
  dip.healthy = healthy;
  dip.leaving = leaving;
  dip.gone = gone;
  return dip;
}

maps::Directory::Target target(std::uint32_t service, const maps::PlannedDip& dip) {
  maps::Directory::Target target;
  target.service = service;
  target.dip = dip;
  return target;
}

TEST(Facts, CountADipOfSeveralGroupsOnceAndOneThatLeavesWhileItServes) {
  config::Model model;
  model.services.resize(2);
  model.services[0].name = "web";
  model.services[1].name = "empty";
  model.services[1].announce = Announce::kAlways;
  maps::Directory directory;
  directory.services.resize(1);
  directory.services[0].name = "web";
  directory.targets = {target(0, dip("10.1.0.11", true)), target(0, dip("10.1.0.11", true)),
                       target(0, dip("10.1.0.12", false)), target(0, dip("10.1.0.13", true, true)),
                       target(0, dip("10.1.0.14", true, true, true))};
  const std::vector<ServiceFacts> facts = facts_of(model, directory);
  ASSERT_EQ(facts.size(), 2u);
  EXPECT_EQ(facts[0].dips, 3u);
  EXPECT_EQ(facts[0].alive, 2u);
  EXPECT_EQ(facts[1].dips, 0u);
  EXPECT_EQ(facts[1].announce, Announce::kAlways);
}

}  // namespace
}  // namespace sluice::route
