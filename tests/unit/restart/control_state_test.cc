// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What control knew, as text and back; any other text is refused with a sentence.
#include "control/restart/control_state.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "control/restart/state_file.h"
#include "tests/unit/restart/appliance.h"

namespace sluice::restart {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::dip;
using test::model_of;
using test::web;

const maps::Clock::time_point kThen{seconds(1000)}, kNow{seconds(5000)};
const std::string kDips = dip("10.1.0.11", 2) + ", " + dip("2001:db8::12");

ControlState state() {
  ControlState state{.program = "0.1.0",
                     .hash_key = std::vector<std::uint8_t>(kHashKeyBytes, 200),
                     .past = {.model = model_of(web(kDips)), .history = {}, .before = {}},
                     .tables = {{.service = "web",
                                 .group = "default",
                                 .turn = 3,
                                 .random = ~0ull,
                                 .targets = {{0, "10.1.0.11"}, {7, "2001:db8::12"}}}}};
  maps::History& history = state.past.history;
  history.transitions.begin({"web", "default"}, {{"10.1.0.11", {1}}, {"10.1.0.13", {4, false}}},
                            {{"10.1.0.11", {2}}}, kThen - seconds(5), seconds(60), true);
  history.transitions.skip({"web", "default"}, "10.1.0.13");
  history.left[{"web", "default"}]["10.1.0.13"] = {.address = *parse_address("10.1.0.13"), .weight = 4};
  history.left_groups["web"] = {"blue"};
  history.down["web"] = {"10.1.0.11"};
  state.past.before["web"] = model_of(web(dip("10.1.0.13"))).services[0];
  return state;
}

TEST(ControlState, WhatIsReadIsWhatWasWritten) {
  const Decoded got = decode(encode(state(), kThen), model_of(web(dip("10.9.9.9"))), kNow, milliseconds(700));
  EXPECT_EQ(got.program, "0.1.0");
  EXPECT_EQ(got.hash_key, std::vector<std::uint8_t>(kHashKeyBytes, 200));
  ASSERT_TRUE(got.past);
  EXPECT_EQ(got.past->model.services, state().past.model.services);
  EXPECT_EQ(got.past->before.at("web"), state().past.before.at("web"));
  const maps::History& history = got.past->history;
  EXPECT_EQ(history.left, state().past.history.left);
  EXPECT_EQ(history.left_groups, state().past.history.left_groups);
  EXPECT_EQ(history.down, state().past.history.down);
  const auto& all = history.transitions.all();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all.begin()->second.gone, std::set<std::string>{"10.1.0.13"});
  const maps::Transitions::Change& change = all.begin()->second.changes.at(0);
  EXPECT_EQ(change.before, (maps::Members{{"10.1.0.11", {1}}, {"10.1.0.13", {4, false}}}));
  EXPECT_EQ(change.started, kNow - seconds(5) - milliseconds(700));
  EXPECT_EQ(change.deadline, kNow + seconds(55) - milliseconds(700));
  EXPECT_TRUE(change.until_deadline);
  ASSERT_EQ(got.tables.size(), 1u);
  EXPECT_EQ(got.tables[0].targets, state().tables[0].targets);
  EXPECT_EQ(got.tables[0].random, ~0ull);
}

TEST(ControlState, NoHashKeyStandsInTheConfigurationOfTheFile) {
  ControlState with_key = state();
  with_key.past.model.dataplane.hash_key.assign(kHashKeyBytes, 0xab);
  EXPECT_EQ(encode(with_key, kThen).find("abab"), std::string::npos);
}

TEST(ControlState, AConfigurationThatIsNoLongerRightLeavesTheRest) {
  json root = json::parse(encode(state(), kThen));
  root["configuration"] = "services: ( { name = \"web\"; } );";
  const Decoded got = decode(root.dump(), model_of(web(kDips)), kNow, milliseconds(0));
  EXPECT_FALSE(got.past);
  EXPECT_NE(got.why.find("the configuration before:1: "), std::string::npos) << got.why;
  EXPECT_EQ(got.tables.size(), 1u);
}

TEST(ControlState, AConfigurationThatIncludesFilesIsNotRead) {
  json root = json::parse(encode(state(), kThen));
  root["configuration"] = "@include \"/etc/passwd\"\n";
  EXPECT_FALSE(decode(root.dump(), model_of(web(kDips)), kNow, milliseconds(0)).past);
}

std::string refusal(const json& root) {
  try {
    decode(root.dump(), model_of(web(kDips)), kNow, milliseconds(0));
  } catch (const Refused& refused) {
    return refused.what();
  }
  return "taken";
}

TEST(ControlState, EveryValueIsHeldToItsBounds) {
  const json good = json::parse(encode(state(), kThen));
  ASSERT_EQ(refusal(good), "taken");
  const auto with = [&](const char* at, const json& value) {
    json changed = good;
    changed[json::json_pointer(at)] = value;
    return refusal(changed);
  };
  EXPECT_NE(with("/hash_key", json::array({1, 2})), "taken");
  EXPECT_NE(with("/transitions/0/changes/0/age_ms", 1e300), "taken");
  EXPECT_NE(with("/transitions/0/changes/0/age_ms", INT64_MIN), "taken");
  EXPECT_NE(with("/transitions/0/changes/0/remaining_ms", UINT64_MAX), "taken");
  EXPECT_NE(with("/transitions/0/changes/0/before/10.1.0.11/weight", -1), "taken");
  EXPECT_NE(with("/transitions/0/changes/0/before/10.1.0.11/up", 1), "taken");
  EXPECT_NE(with("/left/0/dips/0/address", "10.1.0"), "taken");
  EXPECT_NE(with("/left/0/dips/0/weight", 65'536), "taken");
  EXPECT_NE(with("/tables/0/targets/0/id", 1 << 20), "taken");
  EXPECT_NE(with("/tables", 5), "taken");
}

TEST(ControlState, AnythingElseIsRefused) {
  for (const char* text : {"", "{", "[]", "5", "null", "{}", "{\"program\": 1}"}) {
    EXPECT_THROW(decode(text, model_of(web(kDips)), kNow, milliseconds(0)), Refused) << text;
  }
  EXPECT_THROW(decode(std::string(200'000, '['), model_of(web(kDips)), kNow, milliseconds(0)), Refused);
}

// One value anywhere is replaced by another one.
TEST(ControlState, RandomValuesAreTakenOrRefusedAndNothingElse) {
  std::random_device device;
  const unsigned seed = device();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  const json good = json::parse(encode(state(), kThen)).flatten();
  const json values[] = {nullptr,       true,           -1,        0,          1e18,       "", "x",
                         json::array(), json::object(), INT64_MIN, UINT64_MAX, "10.1.0.11"};
  unsigned refused = 0;
  for (unsigned round = 0; round < 2000; ++round) {
    json changed = good;
    for (unsigned n = 1 + random() % 3; n > 0; --n) {
      auto at = changed.begin();
      std::advance(at, random() % changed.size());
      *at = values[random() % std::size(values)];
    }
    try {
      const Decoded got = decode(changed.unflatten().dump(), model_of(web(kDips)), kNow, milliseconds(0));
      if (!got.past) continue;
      maps::Live::Past past = *got.past;
      test::Appliance appliance(model_of(web(kDips)));
      appliance.live.resume(std::move(past));
      appliance.live.first_snapshot();
    } catch (const Refused&) {
      ++refused;
    } catch (const json::type_error&) {
      continue;  // of unflatten: no such tree
    }
  }
  EXPECT_GT(refused, 100u);
}

}  // namespace
}  // namespace sluice::restart
