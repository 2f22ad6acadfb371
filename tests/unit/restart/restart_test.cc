// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// One appliance stops, the next one takes over: what it goes on with, and what it refuses.
#include "control/restart/restart.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/restart/appliance.h"
#include "tests/unit/restart/directory.h"

namespace sluice::restart {
namespace {

using test::Appliance;
using test::dip;
using test::model_of;
using test::read_all;
using test::TestDirectory;
using test::web;
using test::write_all;

const std::string kA = "10.1.0.11", kB = "10.1.0.12", kC = "10.1.0.13";
const std::string kAB = dip(kA) + ", " + dip(kB);

class Restart : public testing::Test {
 protected:
  // The old one ran with `services`.
  void begin(const std::string& services = web(kAB)) {
    old_ = std::make_unique<Appliance>(model_of(services));
  }
  void stop() {
    leave(directory_.file(), old_->live, old_->key, Appliance::kNow);
    old_.reset();
  }
  void start(const std::string& services = web(kAB), unsigned seed = 6) {
    new_ = std::make_unique<Appliance>(model_of(services), directory_.file(), seed);
  }
  const Outcome& outcome() const { return new_->predecessor.outcome(); }

  TestDirectory directory_;
  std::unique_ptr<Appliance> old_, new_;
};

TEST_F(Restart, FlowsStayOnTheirDips) {
  begin();
  for (std::uint32_t n = 0; n < 100; ++n) old_->open(n, n % 3 ? kA : kB);
  stop();
  start();
  EXPECT_EQ(outcome().kind, Outcome::Kind::kTaken);
  EXPECT_EQ(outcome().flows.taken, 100u);
  for (std::uint32_t n = 0; n < 100; ++n) EXPECT_EQ(new_->place_of(n), "web/default/" + (n % 3 ? kA : kB));
  EXPECT_EQ(new_->flows_on(kA), 66u);
  EXPECT_EQ(new_->flows_on(kB), 34u);
}

TEST_F(Restart, TheFirstStartFindsNothing) {
  start();
  EXPECT_EQ(outcome().kind, Outcome::Kind::kNothing);
  EXPECT_EQ(new_->predecessor.sentence(), "");
  EXPECT_FALSE(new_->predecessor.key());
}

TEST_F(Restart, ARandomKeyGoesOn) {
  begin();
  const HashKey key = old_->key;
  stop();
  start();
  EXPECT_EQ(new_->key, key);
}

TEST_F(Restart, ATransitionGoesOn) {
  begin(web(kAB, "transition: { deadline_s = 100; }; "));
  old_->open(1, kB);
  const auto next = model_of(web(dip(kA) + ", " + dip(kC), "transition: { deadline_s = 100; }; "));
  ASSERT_EQ(old_->live.replace(next), std::nullopt);
  ASSERT_EQ(old_->state_of(kB), "draining");
  stop();
  start(web(dip(kA) + ", " + dip(kC), "transition: { deadline_s = 100; }; "));
  EXPECT_EQ(new_->state_of(kB), "draining");
  EXPECT_EQ(new_->place_of(1), "web/default/" + kB);
  const auto rows = new_->live.transitions(maps::Clock::now());
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_GE(rows[0].remaining.count(), 95);
  EXPECT_LE(rows[0].remaining.count(), 100);
  EXPECT_EQ(rows[0].flows_old, 1u);
  EXPECT_EQ(outcome().transitions, 1u);
  // Back to where it began, as if nothing had happened.
  const auto before = new_->live.before_transitions("web");
  ASSERT_TRUE(before);
  EXPECT_EQ(before->services[0].groups[0].dips[1].address, *parse_address(kB));
}

TEST_F(Restart, ALeavingDipIsGoneWhenItsLastFlowHasGone) {
  begin();
  old_->open(1, kB);
  ASSERT_EQ(old_->live.replace(model_of(web(dip(kA)))), std::nullopt);
  stop();
  start(web(dip(kA)));
  new_->live.tick(maps::Clock::now() + std::chrono::seconds(10));
  EXPECT_EQ(new_->state_of(kB), "draining");
  new_->counters.target_flows[1].set(0);
  new_->live.tick(maps::Clock::now() + std::chrono::seconds(11));
  EXPECT_EQ(new_->state_of(kB), "absent");
}

TEST_F(Restart, WhatTheFileOfTheNewOneChangesIsATransition) {
  begin();
  old_->open(1, kA);
  old_->open(2, kB);
  stop();
  start(web(dip(kA) + ", " + dip(kC, 3)));
  EXPECT_EQ(new_->place_of(1), "web/default/" + kA);
  EXPECT_EQ(new_->place_of(2), "web/default/" + kB);
  EXPECT_EQ(new_->state_of(kB), "draining");
  EXPECT_EQ(new_->state_of(kC), "up");
}

TEST_F(Restart, WhatCommandsChangedAndTheFileDoesNotSayIsTakenBackGently) {
  begin();
  ASSERT_EQ(old_->live.replace(model_of(web(kAB + ", " + dip(kC)))), std::nullopt);
  old_->open(1, kC);
  stop();
  start();
  EXPECT_EQ(new_->place_of(1), "web/default/" + kC);
  EXPECT_EQ(new_->state_of(kC), "draining");
}

TEST_F(Restart, WhoWasDownStaysDown) {
  const std::string probed = web(kAB, "health: { type = \"tcp\"; }; ");
  begin(probed);
  old_->live.set_health("web", kB, false);
  stop();
  start(probed);
  EXPECT_EQ(new_->state_of(kB), "down");
  EXPECT_EQ(new_->state_of(kA), "up");
}

TEST_F(Restart, WhoIsProbedNoMoreIsUp) {
  begin(web(kAB, "health: { type = \"tcp\"; }; "));
  old_->live.set_health("web", kB, false);
  stop();
  start();
  EXPECT_EQ(new_->state_of(kB), "up");
}

TEST_F(Restart, FlowsOfAServiceThatHasAnotherFaceEnd) {
  begin();
  old_->open(1, kA);
  stop();
  start("{ name = \"web\"; vip = \"203.0.113.10\"; port = 8080; dips = ( " + kAB + " ); }");
  EXPECT_EQ(outcome().flows.gone, 1u);
  EXPECT_EQ(new_->place_of(1), "");
}

TEST_F(Restart, FlowsOfAServiceThatIsGoneEnd) {
  begin();
  old_->open(1, kA);
  stop();
  start("{ name = \"other\"; vip = \"203.0.113.10\"; port = 80; dips = ( " + kAB + " ); }");
  EXPECT_EQ(outcome().flows.gone, 1u);
  EXPECT_NE(new_->predecessor.sentence().find("1 flows were of DIPs or services that are gone"),
            std::string::npos);
}

const std::string kTwoGroups =
    "{ name = \"web\"; vip = \"203.0.113.10\"; port = 80; flows = 1024; groups = ( { name = \"x\"; dips = "
    "( " +
    dip(kA) + " ); }, { name = \"y\"; dips = ( " + dip(kA) + ", " + dip(kB) + " ); } ); }";

TEST_F(Restart, EachGroupKeepsItsOwn) {
  begin(kTwoGroups);
  old_->open(1, kA, "web", "x");
  old_->open(2, kA, "web", "y");
  stop();
  start(kTwoGroups);
  EXPECT_EQ(new_->place_of(1), "web/x/" + kA);
  EXPECT_EQ(new_->place_of(2), "web/y/" + kA);
  EXPECT_EQ(new_->flows_on(kA, "web", "x"), 1u);
}

TEST_F(Restart, AGroupThatTheNewFileDoesNotNameKeepsItsFlows) {
  begin(kTwoGroups);
  old_->open(2, kB, "web", "y");
  stop();
  start(
      "{ name = \"web\"; vip = \"203.0.113.10\"; port = 80; flows = 1024; groups = ( { name = \"x\"; dips = "
      "( " +
      dip(kA) + " ); } ); }");
  EXPECT_EQ(new_->place_of(2), "web/y/" + kB);
}

TEST_F(Restart, SchedulersGoOnWhereTheyWere) {
  begin();
  old_->live.tables_of("web")[0].state->turn = 12;
  old_->live.tables_of("web")[0].state->random = ~0ull;
  old_->open(1, kA);
  stop();
  start();
  EXPECT_EQ(new_->live.tables_of("web")[0].state->turn, 12u);
  EXPECT_EQ(new_->live.tables_of("web")[0].state->random, ~0ull);
}

TEST_F(Restart, AStartThatFailsLeavesTheStateToTheNextOne) {
  begin();
  old_->open(1, kA);
  stop();
  { const Predecessor fails(directory_.file(), model_of(web(kAB))); }
  start();
  EXPECT_EQ(new_->place_of(1), "web/default/" + kA);
  EXPECT_EQ(directory_.files(), 0u);
}

// What is refused ---------------------------------------------------------------------------------------

TEST_F(Restart, ABrokenFileIsRefusedAndTheMapDecides) {
  begin();
  old_->open(1, kA);
  stop();
  write_all(directory_.file(), read_all(directory_.file()).substr(0, 200));
  start();
  EXPECT_EQ(outcome().kind, Outcome::Kind::kRefused);
  EXPECT_NE(new_->predecessor.sentence().find("is cut short: 200 bytes of"), std::string::npos);
  EXPECT_NE(new_->predecessor.sentence().find("the map decides"), std::string::npos);
  EXPECT_EQ(new_->place_of(1), "");
  EXPECT_EQ(new_->state_of(kA), "up");
}

TEST_F(Restart, ABrokenTableIsRefusedAloneAndItsTransitionWaits) {
  const std::string dns =
      "{ name = \"dns\"; vip = \"203.0.113.53\"; protocol = \"udp\"; port = 53; flows = 1024; dips = ( " +
      dip(kC) + " ); }";
  begin(web(kAB) + ", " + dns);
  for (std::uint32_t n = 0; n < 50; ++n) old_->open(n, kB);
  ASSERT_EQ(old_->live.replace(model_of(web(dip(kA)) + ", " + dns)), std::nullopt);
  stop();
  std::string bytes = read_all(directory_.file());
  const std::string client("\xc6\x33\x64\x05", 4);
  ASSERT_NE(bytes.find(client), std::string::npos);
  bytes[bytes.find(client)] ^= 1;
  write_all(directory_.file(), bytes);
  start(web(dip(kA)) + ", " + dns);
  EXPECT_EQ(outcome().kind, Outcome::Kind::kTaken);
  EXPECT_EQ(outcome().tables_refused, 1u);
  EXPECT_EQ(outcome().flows.taken, 0u);
  EXPECT_NE(new_->predecessor.sentence().find("1 tables could not be read"), std::string::npos);
  new_->live.tick(maps::Clock::now() + std::chrono::seconds(10));
  EXPECT_EQ(new_->state_of(kB), "draining") << "nobody knows whether its flows have gone";
  new_->live.tick(maps::Clock::now() + std::chrono::seconds(400));
  EXPECT_EQ(new_->state_of(kB), "absent");
}

TEST_F(Restart, AnotherKeyLosesTheFlowsOfSeveralGroupsOnly) {
  const std::string api =
      "{ name = \"api\"; vip = \"203.0.113.10\"; port = 81; flows = 1024; dips = ( " + dip(kA) + " ); }";
  begin(kTwoGroups + ", " + api);
  old_->open(1, kA, "web", "x");
  old_->open(2, kA, "api");
  stop();
  // As Appliance does, but with a key of its own, as from the configuration.
  Predecessor predecessor(directory_.file(), model_of(kTwoGroups + ", " + api));
  Appliance other(model_of(kTwoGroups + ", " + api), {}, 99);
  predecessor.restore_flows(other.live, other.live.snapshot(), other.key, Appliance::kNow,
                            [](unsigned, std::uint32_t, std::uint64_t) {});
  EXPECT_EQ(predecessor.outcome().flows.gone, 1u);
  EXPECT_EQ(other.place_of(2), "api/default/" + kA);
}

TEST_F(Restart, WithoutRoomForTheTablesTheRestIsLeft) {
  begin();
  old_->open(1, kA);
  EXPECT_THROW(leave(directory_.file("no/directory"), old_->live, old_->key, 0), Refused);
}

TEST_F(Restart, MutatedFilesNeverEndTheProgram) {
  begin(kTwoGroups);
  for (std::uint32_t n = 0; n < 200; ++n) old_->open(n, kA, "web", n % 2 ? "x" : "y");
  ASSERT_EQ(old_->live.replace(model_of(web(dip(kA) + ", " + dip(kC)))), std::nullopt);
  stop();
  const std::string good = read_all(directory_.file());
  std::random_device device;
  const unsigned seed = device();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  unsigned refused = 0;
  for (unsigned round = 0; round < 100; ++round) {
    std::string bytes = good;
    for (unsigned flips = 1 + random() % 8; flips > 0; --flips) {
      bytes[random() % bytes.size()] ^= static_cast<char>(1u << random() % 8);
    }
    write_all(directory_.file(), bytes);
    start(kTwoGroups);
    refused += outcome().kind == Outcome::Kind::kRefused || outcome().tables_refused > 0;
    EXPECT_EQ(new_->state_of(kA), "up");
  }
  EXPECT_EQ(refused, 100u);
}

TEST(StatePath, LiesBesideTheSocketUnlessToldOtherwise) {
  config::Model model = model_of(web(kAB));
  model.control.socket = "/run/sluice/a.sock";
  EXPECT_EQ(state_path(model), "/run/sluice/a.sock.state");
  model.control.state_file = "/run/x";
  EXPECT_EQ(state_path(model), "/run/x");
  model.control.state_file = "";
  EXPECT_EQ(state_path(model), "");
}

TEST(StatePath, ARunOnACaptureFileLeavesNothing) {
  config::Model model = model_of(web(kAB));
  model.dataplane.ports[0].device = "net_pcap0,rx_pcap=in.pcap,tx_pcap=out.pcap";
  EXPECT_EQ(state_path(model), "");
  model.control.state_file = "/run/x";
  EXPECT_EQ(state_path(model), "/run/x");
}

}  // namespace
}  // namespace sluice::restart
