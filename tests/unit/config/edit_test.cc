// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The live commands: what they change, and the one sentence when they do not.
#include "control/config/edit.h"

#include <gtest/gtest.h>

#include "control/config/diff.h"
#include "control/config/json.h"
#include "control/config/validate.h"
#include "tests/unit/config/random_model.h"
#include "tests/unit/config/text.h"

namespace sluice::config::test {
namespace {

Model model() {
  const std::string text = with_services(
      "{ name = \"web\"; vip = \"203.0.113.10\"; port = 80;\n"
      "  groups = ( { name = \"a\"; dips = ( { address = \"10.1.0.11\"; }, { address = \"10.1.0.12:8080\"; } "
      "); },\n"
      "             { name = \"b\"; dips = ( { address = \"10.1.0.11\"; }, { address = \"10.1.0.13:1\"; },\n"
      "                                    { address = \"10.1.0.13:2\"; } ); } ); },\n"
      "{ name = \"dns\"; vip = \"203.0.113.11\"; protocol = \"udp\"; port = 53; }");
  EXPECT_EQ(problems_of(text), std::vector<std::string>{});
  return parse_text(text, "f").model.value_or(Model{});
}

AddressPort dip(const std::string& text) {
  return parse_address_port(text).value();
}

Dip new_dip(const std::string& text, std::uint32_t weight = 1) {
  const AddressPort value = dip(text);
  return {value.address, value.port, weight};
}

// What changed, in words, or the error.
std::string outcome(const Edit& edit) {
  if (!edit) return "error: " + edit.error;
  std::string all;
  for (const Action& action : diff(model(), *edit.model))
    (all += all.empty() ? "" : "; ") += describe(action);
  return all;
}

TEST(AddDip, GoesToTheGroupThatIsNamed) {
  EXPECT_EQ(outcome(add_dip(model(), "web", "b", new_dip("10.1.0.12", 3))),
            "add DIP 10.1.0.12 with weight 3 to group b of service web");
}

TEST(AddDip, ToAServiceWithoutGroupsMakesOne) {
  EXPECT_EQ(outcome(add_dip(model(), "dns", "", new_dip("10.1.0.12"))),
            "add group default of service dns with 1 DIP");
}

TEST(AddDip, OnTheServicesOwnPortIsTheDipWithoutAPort) {
  EXPECT_EQ(outcome(add_dip(model(), "web", "a", new_dip("10.1.0.14:80"))),
            "add DIP 10.1.0.14 with weight 1 to group a of service web");
}

TEST(AddDip, SaysWhichServiceOrGroupThereIs) {
  EXPECT_EQ(outcome(add_dip(model(), "wbe", "", new_dip("10.1.0.12"))),
            "error: no service named \"wbe\"; services: web, dns");
  EXPECT_EQ(outcome(add_dip(model(), "web", "blue", new_dip("10.1.0.12"))),
            "error: no group named \"blue\"; groups of service web: a, b");
  EXPECT_EQ(outcome(add_dip(model(), "dns", "blue", new_dip("10.1.0.12"))),
            "error: no group named \"blue\"; groups of service dns: none");
  EXPECT_EQ(outcome(add_dip(model(), "web", "", new_dip("10.1.0.12"))),
            "error: service web has several groups; name one of: a, b");
}

TEST(AddDip, KeepsTheRulesOfTheFile) {
  EXPECT_EQ(outcome(add_dip(model(), "web", "a", new_dip("10.1.0.11:80"))),
            "error: DIP 10.1.0.11:80 is in group a of service web already; change its weight instead");
  EXPECT_EQ(outcome(add_dip(model(), "web", "a", new_dip("203.0.113.11"))),
            "error: the DIP 203.0.113.11 is a VIP, of service dns; write the server's own address");
  EXPECT_EQ(outcome(add_dip(model(), "web", "a", new_dip("10.1.0.14", 65536))),
            "error: weight = 65536 is out of range; write 0 to 65535");
  EXPECT_EQ(outcome(add_dip(model(), "web", "a", new_dip("127.0.0.1"))),
            "error: address = \"127.0.0.1\" is a loopback address; write an address that one host has");
}

TEST(RemoveDip, LeavesEveryGroupUnlessOneIsNamed) {
  EXPECT_EQ(
      outcome(remove_dip(model(), "web", "", dip("10.1.0.11"))),
      "remove DIP 10.1.0.11 from group a of service web; remove DIP 10.1.0.11 from group b of service web");
  EXPECT_EQ(outcome(remove_dip(model(), "web", "b", dip("10.1.0.11"))),
            "remove DIP 10.1.0.11 from group b of service web");
}

TEST(RemoveDip, FindsTheOnlyPortOfAnAddress) {
  EXPECT_EQ(outcome(remove_dip(model(), "web", "", dip("10.1.0.12"))),
            "remove DIP 10.1.0.12:8080 from group a of service web");
  EXPECT_EQ(outcome(remove_dip(model(), "web", "", dip("10.1.0.13:2"))),
            "remove DIP 10.1.0.13:2 from group b of service web");
  EXPECT_EQ(
      outcome(remove_dip(model(), "web", "", dip("10.1.0.11:80"))),
      "remove DIP 10.1.0.11 from group a of service web; remove DIP 10.1.0.11 from group b of service web");
}

TEST(RemoveDip, SaysWhatItDoesNotFind) {
  EXPECT_EQ(outcome(remove_dip(model(), "web", "", dip("10.1.0.13"))),
            "error: service web has 10.1.0.13 on several ports; name one, as in 10.1.0.13:1");
  EXPECT_EQ(outcome(remove_dip(model(), "web", "a", dip("10.1.0.13:1"))),
            "error: no DIP 10.1.0.13:1 in group a of service web; its DIPs: 10.1.0.11, 10.1.0.12:8080");
  EXPECT_EQ(outcome(remove_dip(model(), "dns", "", dip("10.1.0.13"))),
            "error: no DIP 10.1.0.13 in service dns; its DIPs: none");
}

TEST(SetWeight, ChangesEveryGroupUnlessOneIsNamed) {
  EXPECT_EQ(outcome(set_weight(model(), "web", "", dip("10.1.0.11"), 9)),
            "give DIP 10.1.0.11 of group a of service web weight 9; give DIP 10.1.0.11 of group b of service "
            "web weight 9");
  EXPECT_EQ(outcome(set_weight(model(), "web", "a", dip("10.1.0.11"), 0)),
            "give DIP 10.1.0.11 of group a of service web weight 0");
  EXPECT_EQ(outcome(set_weight(model(), "web", "a", dip("10.1.0.11"), 70000)),
            "error: weight = 70000 is out of range; write 0 to 65535");
}

TEST(Services, ComeAndGo) {
  Service service;
  service.name = "ssh";
  service.vip = parse_prefix("203.0.113.12").value();
  service.port = 22;
  EXPECT_EQ(outcome(add_service(model(), service)), "add service ssh (203.0.113.12 tcp port 22) with 0 DIPs");
  EXPECT_EQ(outcome(remove_service(model(), "web")), "remove service web");
  EXPECT_EQ(outcome(remove_service(model(), "ssh")), "error: no service named \"ssh\"; services: web, dns");
  service.name = "web";
  EXPECT_EQ(outcome(add_service(model(), service)),
            "error: service web exists already; remove it first, or choose another name");
  service.name = "ssh";
  service.vip = parse_prefix("203.0.113.10").value();
  service.port = 80;
  EXPECT_EQ(
      outcome(add_service(model(), service)),
      "error: the VIP 203.0.113.10 with protocol tcp and port 80 is given already; change the address, the "
      "protocol or the port of one");
}

TEST(Services, OfWhichThereAreManyAreNotAllListed) {
  Model many = model();
  for (int i = 0; i < 20; ++i) {
    many.services.push_back({});
    many.services.back().name = "service" + std::to_string(i);
    many.services.back().vip = parse_prefix("198.51.100." + std::to_string(i + 1)).value();
  }
  EXPECT_EQ(remove_service(many, "servise7").error,
            "no service named \"servise7\"; the nearest name is \"service7\"");
}

TEST(Services, FromJsonHaveTheKeysOfTheFile) {
  const auto json = nlohmann::json::parse(
      R"({"name": "ssh", "vip": "203.0.113.12", "port": 22, "health": {"type": "tcp"},
          "dips": [{"address": "10.1.0.11:2222", "weight": 2}]})");
  std::string error;
  const auto service = read_service(from_json(json), error);
  ASSERT_TRUE(service.has_value()) << error;
  EXPECT_EQ(outcome(add_service(model(), *service)), "add service ssh (203.0.113.12 tcp port 22) with 1 DIP");
  EXPECT_EQ(service->groups.at(0).dips.at(0).port, 2222);
  EXPECT_EQ(service->health.type, HealthType::kTcp);
}

TEST(Services, FromJsonGetASentenceWhenTheyAreWrong) {
  const std::pair<const char*, const char*> kWrong[] = {
      {"{}", "a service has no name; add one, as in name = \"web\";"},
      {"[]", "a service is a list; give a group of keys"},
      {"null", "a service is a list; give a group of keys"},
      {R"({"name": "a", "vip": "203.0.113.12", "port": 22.5})",
       "port is a number with a fraction; write a number from 0 to 65535"},
      {R"({"name": "a", "vip": "203.0.113.12", "port": 18446744073709551615})",
       "port is a number with a fraction; write a number from 0 to 65535"},
      {R"({"name": "a", "vip": "203.0.113.12", "prt": 22})",
       "unknown key \"prt\"; the nearest one that a service has is \"port\""},
      {R"({"name": "a b", "vip": "203.0.113.12"})",
       "name = \"a b\" is no name; write 1 to 63 letters, digits, '.', '_' or '-', and not '-' first"},
      {R"({"name": "a", "vip": null})",
       "vip is a list; write an address or a prefix without host bits in quotes, as in \"203.0.113.10\""},
  };
  for (const auto& [json, sentence] : kWrong) {
    std::string error;
    EXPECT_FALSE(read_service(from_json(nlohmann::json::parse(json)), error).has_value()) << json;
    EXPECT_EQ(error, sentence);
  }
}

TEST(Edits, LeadFromValidModelsToValidModels) {
  std::size_t done = 0, refused = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    RandomModel random(seed);
    Model now = random.model();
    for (int step = 0; step < 20; ++step) {
      const Dip drawn = random.dip();
      const std::string service = "service" + std::to_string(seed % 5);
      const AddressPort named{drawn.address, drawn.port};
      const Edit edit = step % 4 == 3   ? remove_dip(now, service, "", named)
                        : step % 4 == 2 ? set_weight(now, service, "", named, drawn.weight)
                                        : add_dip(now, service, step % 4 == 0 ? "" : "g1", drawn);
      ASSERT_EQ(edit.model.has_value(), edit.error.empty()) << "seed " << seed;
      ++(edit ? done : refused);
      if (!edit) continue;
      ASSERT_EQ(validate(*edit.model), std::vector<Problem>{}) << "seed " << seed;
      now = *edit.model;
    }
  }
  EXPECT_GT(done, 100u);
  EXPECT_GT(refused, 100u);
}

const char* const kIipModel =
    "dataplane: { workers = ( { lcore = 1; } ); ports = ( { name = \"up\"; device = \"d\"; kernel_interface "
    "= "
    "\"s\"; } ); }; iips: ( { address = \"10.0.0.100\"; } );";

TEST(AddIip, ComesOnceAndKeepsTheRules) {
  const Model before = parse_text(kIipModel, "f").model.value_or(Model{});
  const Edit good = add_iip(before, {{*parse_address("10.0.0.101"), 24}, ""});
  ASSERT_TRUE(good) << good.error;
  EXPECT_EQ(good.model->iips.size(), 2u);
  EXPECT_EQ(add_iip(before, {{*parse_address("10.0.0.100"), 24}, ""}).error,
            "IIP 10.0.0.100 is there already; remove it first, or announce it");
  EXPECT_EQ(add_iip(before, {{*parse_address("10.0.0.101"), 24}, "x"}).error,
            "port = \"x\" is no port of the dataplane; write one of: up");
}

TEST(RemoveIip, NamesThoseThatAreThere) {
  const Model before = parse_text(kIipModel, "f").model.value_or(Model{});
  const Edit good = remove_iip(before, *parse_address("10.0.0.100"));
  ASSERT_TRUE(good) << good.error;
  EXPECT_TRUE(good.model->iips.empty());
  EXPECT_EQ(remove_iip(before, *parse_address("10.0.0.101")).error, "no IIP 10.0.0.101; IIPs: 10.0.0.100");
}

}  // namespace
}  // namespace sluice::config::test
