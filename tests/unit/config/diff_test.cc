// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The way from one model to another.
#include "control/config/diff.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "control/config/validate.h"
#include "tests/unit/config/random_model.h"
#include "tests/unit/config/text.h"

namespace sluice::config::test {
namespace {

using Lines = std::vector<std::string>;

Model parsed(const std::string& text) {
  const Result result = parse_text(text, "f");
  EXPECT_EQ(problems_of(text), Lines{});
  return result.model.value_or(Model{});
}

Lines described(const Model& from, const Model& to) {
  Lines lines;
  for (const Action& action : diff(from, to)) lines.push_back(describe(action));
  return lines;
}

Lines from_service(const std::string& from, const std::string& to) {
  return described(parsed(with_service(from)), parsed(with_service(to)));
}

TEST(Diff, OfAModelAndItselfIsEmpty) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Model model = RandomModel(seed).model();
    EXPECT_EQ(described(model, model), Lines{}) << "seed " << seed;
  }
}

TEST(Diff, DoesNotSeeTheOrder) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Model model = RandomModel(seed).model();
    Model reversed = model;
    std::reverse(reversed.services.begin(), reversed.services.end());
    std::reverse(reversed.dataplane.ports.begin(), reversed.dataplane.ports.end());
    std::reverse(reversed.dataplane.workers.begin(), reversed.dataplane.workers.end());
    for (Service& service : reversed.services) {
      std::reverse(service.groups.begin(), service.groups.end());
      for (Group& group : service.groups) std::reverse(group.dips.begin(), group.dips.end());
    }
    EXPECT_EQ(described(model, reversed), Lines{}) << "seed " << seed;
  }
}

TEST(Diff, AppliedToTheOneGivesTheOther) {
  std::size_t actions_seen[std::variant_size_v<Action>] = {};
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    RandomModel random(seed);
    const Model from = random.model();
    const Model to = random.neighbour(from);
    ASSERT_EQ(validate(to).size(), 0u) << "seed " << seed << ": " << validate(to).front().what;
    const std::vector<Action> actions = diff(from, to);
    const Model after = apply(from, actions);
    ASSERT_EQ(canonical(after).services, canonical(to).services) << "seed " << seed;
    Control control = to.control;
    control.socket = from.control.socket;
    control.user = from.control.user;
    control.capabilities = from.control.capabilities;
    control.seccomp = from.control.seccomp;
    control.route_table = from.control.route_table;
    control.route_protocol = from.control.route_protocol;
    ASSERT_EQ(after.control, control) << "seed " << seed;
    ASSERT_EQ(canonical(after).iips, canonical(to).iips) << "seed " << seed;
    ASSERT_EQ(after.dataplane, from.dataplane) << "seed " << seed;
    for (const Action& left : diff(after, to))
      ASSERT_TRUE(std::holds_alternative<NeedsRestart>(left)) << describe(left);
    for (const Action& action : actions) ++actions_seen[action.index()];
  }
  for (std::size_t kind = 0; kind < std::variant_size_v<Action>; ++kind)
    EXPECT_GT(actions_seen[kind], 100u) << "action number " << kind << " was hardly tried";
}

TEST(Diff, NamesWhatComesAndGoes) {
  const Model from = parsed(with_services("{ name = \"a\"; vip = \"203.0.113.1\"; port = 80; }"));
  const Model to =
      parsed(with_services("{ name = \"b\"; vip = \"203.0.113.2\"; protocol = \"udp\"; port = 53; dips = ( { "
                           "address = \"10.1.0.11\"; } ); }"));
  EXPECT_EQ(described(from, to),
            (Lines{"remove service a", "add service b (203.0.113.2 udp port 53) with 1 DIP"}));
}

TEST(Diff, AVipThatTwoServicesSwapLeavesBothFirst) {
  const std::string a = "{ name = \"a\"; vip = \"203.0.113.1\"; }",
                    b = "{ name = \"b\"; vip = \"203.0.113.2\"; }";
  const std::string a2 = "{ name = \"a\"; vip = \"203.0.113.2\"; }",
                    b2 = "{ name = \"b\"; vip = \"203.0.113.1\"; }";
  EXPECT_EQ(
      described(parsed(with_services(a + ',' + b)), parsed(with_services(a2 + ',' + b2))),
      (Lines{"remove service a", "remove service b", "add service a (203.0.113.2 tcp port 0) with 0 DIPs",
             "add service b (203.0.113.1 tcp port 0) with 0 DIPs"}));
}

TEST(Diff, NamesIipsThatComeGoAndChange) {
  Model from, to;
  from.iips = {{{*parse_address("10.0.0.100"), 24}, ""}, {{*parse_address("10.0.0.101"), 0}, ""}};
  to.iips = {{{*parse_address("10.0.0.102"), 0}, "up"}, {{*parse_address("10.0.0.101"), 0}, "", 200, 5}};
  EXPECT_EQ(described(from, to), (Lines{"give up IIP 10.0.0.100", "IIP 10.0.0.101 is to be held",
                                        "IIP 10.0.0.102 on port up is to be held"}));
}

TEST(Diff, APoolWaitsForTheNextStartAndItsSecretIsNotSaid) {
  Model from, to;
  from.pool = {.name = "edge", .secret = "one", .member = {}, .members = {}};
  to.pool = {.name = "edge", .secret = "other", .member = {}, .advert_ms = 200, .members = {}};
  EXPECT_EQ(described(from, to), (Lines{"pool.secret changes when sluiced is restarted, not before",
                                        "pool.advert_ms stays 100; restart sluiced to make it 200"}));
  EXPECT_EQ(described(Model{}, to), Lines{"pool joins when sluiced is restarted, not before"});
}

TEST(Diff, NamesTheKeysOfAPolicy) {
  EXPECT_EQ(
      from_service("scheduler = \"hash\"; health = { type = \"icmp\"; };",
                   "scheduler = \"random\"; health = { type = \"icmp\"; failures = 5; interval_ms = 100; };\n"
                   "transition = { at_deadline = \"keep\"; };"),
      Lines{"change scheduler, health.interval_ms, health.failures, transition.at_deadline of service web"});
}

TEST(Diff, NamesTheTimeoutsAndThresholdsThatChange) {
  EXPECT_EQ(
      from_service("",
                   "timeouts = { udp_s = 5; }; elephant = { packets_per_s = 0; }; flows = 1024; flow_types = "
                   "\"type1\"; unknown_flow = \"drop\";"),
      Lines{"change unknown_flow, flow_types, flows, timeouts.udp_s, elephant.packets_per_s of service web"});
}

TEST(Diff, NamesWhatFollowsTheLoad) {
  const std::string agent = "health = { type = \"agent\"; }; ";
  EXPECT_EQ(from_service(
                agent, agent + "weights = \"adaptive\"; balance_groups = true; load = { interval_s = 5; };"),
            Lines{"change weights, balance_groups, load.interval_s of service web"});
}

TEST(Diff, MovesAGroupFromWorkerToWorker) {
  const std::string group = "groups = ( { name = \"a\"; ";
  EXPECT_EQ(from_service(group + "} );", group + "worker = 1; } );"),
            Lines{"give group a of service web to worker 1"});
  EXPECT_EQ(from_service(group + "worker = 1; } );", group + "} );"),
            Lines{"leave the worker of group a of service web to Sluice"});
}

TEST(Diff, MovesAServerFromGroupToGroup) {
  EXPECT_EQ(
      from_service(
          "groups = ( { name = \"a\"; dips = ( { address = \"10.1.0.11\"; } ); }, { name = \"b\"; } );",
          "groups = ( { name = \"a\"; }, { name = \"b\"; dips = ( { address = \"10.1.0.11\"; } ); } );"),
      (Lines{"remove DIP 10.1.0.11 from group a of service web",
             "add DIP 10.1.0.11 with weight 1 to group b of service web"}));
}

TEST(Diff, ReweightsAndRegroups) {
  EXPECT_EQ(
      from_service(
          "groups = ( { name = \"a\"; dips = ( { address = \"10.1.0.11:81\"; } ); }, { name = \"b\"; } );",
          "groups = ( { name = \"a\"; weight = 3; dips = ( { address = \"10.1.0.11:81\"; weight = 5; } ); },"
          "{ name = \"c\"; dips = ( { address = \"10.1.0.12\"; } ); } );"),
      (Lines{"remove group b of service web", "give group a of service web weight 3",
             "give DIP 10.1.0.11:81 of group a of service web weight 5",
             "add group c of service web with 1 DIP"}));
}

TEST(Diff, ADipThatOnlySpellsOutThePortStaysWhereItIs) {
  EXPECT_EQ(from_service("port = 80; dips = ( { address = \"10.1.0.11\"; } );",
                         "port = 80; dips = ( { address = \"10.1.0.11:80\"; } );"),
            Lines{});
}

TEST(Diff, ControlChangesAtOnceButForItsSocket) {
  EXPECT_EQ(
      described(parsed(with_control("")),
                parsed(with_control("socket = \"/run/s\"; log_level = \"debug\"; socket_mode = \"0600\";"))),
      (Lines{"control.socket stays \"/run/sluice/sluice.sock\"; restart sluiced to make it \"/run/s\"",
             "change control.socket_mode to \"0600\"", "change control.log_level to \"debug\""}));
}

TEST(Diff, TheDataplaneWaitsForARestart) {
  const Model from =
      parsed(with_dataplane("slots = 7;\nports = ( { name = \"a\"; device = \"d0\"; kernel_interface = "
                            "\"k0\"; }, { name = \"b\"; device = \"d1\"; } );\n" +
                            kWorkers));
  const Model to =
      parsed(with_dataplane("slots = 11; hash_key = \"" + std::string(80, '1') +
                            "\";\nports = ( { name = \"a\"; device = \"d0\"; mtu = 9000; gateway6 = "
                            "\"fe80::1\"; }, { name = \"c\"; device = \"d2\"; } );\n"
                            "workers = ( { lcore = 2; } );"));
  EXPECT_EQ(described(from, to),
            (Lines{"dataplane.hash_key changes when sluiced is restarted, not before",
                   "dataplane.slots stays 7; restart sluiced to make it 11",
                   "dataplane.workers change when sluiced is restarted, not before",
                   "dataplane.ports.a.gateway6 stays without a value; restart sluiced to make it \"fe80::1\"",
                   "dataplane.ports.a.mtu stays 1500; restart sluiced to make it 9000",
                   "dataplane.ports.a.kernel_interface stays \"k0\"; restart sluiced to make it \"\"",
                   "dataplane.ports.b leaves when sluiced is restarted, not before",
                   "dataplane.ports.c joins when sluiced is restarted, not before"}));
}

TEST(Diff, ActionsAboutWhatIsNotThereDoNothing) {
  const Model model = RandomModel(3).model();
  const std::vector<Action> actions = {RemoveService{"none"},
                                       ChangeService{"none", {"scheduler"}, {}},
                                       AddGroup{"none", {"a", 0, {}}},
                                       RemoveGroup{"none", "a"},
                                       ReweightGroup{"none", "a", 1},
                                       AddDip{"none", "a", {}},
                                       MoveGroup{"none", "a", 1},
                                       RemoveDip{"none", "a", {}, 0},
                                       ReweightDip{"none", "a", {}, 0, 1},
                                       ChangeControl{"none", {}},
                                       NeedsRestart{"dataplane.slots", "later"}};
  EXPECT_EQ(apply(model, actions), model);
}

}  // namespace
}  // namespace sluice::config::test
