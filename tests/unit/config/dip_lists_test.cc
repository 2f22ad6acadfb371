// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Lists of DIPs that services share (A1): one place to add, weigh and drain a server of many services.
#include "control/config/dip_lists.h"

#include <gtest/gtest.h>

#include "control/config/diff.h"
#include "control/config/edit.h"
#include "control/config/parse.h"
#include "control/config/print.h"
#include "tests/unit/config/random_model.h"
#include "tests/unit/config/text.h"

namespace sluice::config::test {
namespace {

using Lines = std::vector<std::string>;

constexpr const char* kServices =
    "{ name = \"web\"; vip = \"203.0.113.10\"; port = 80; dips = \"farm\"; },\n"
    "{ name = \"tls\"; vip = \"203.0.113.10\"; port = 443;\n"
    "  groups = ( { name = \"a\"; dips = \"farm\"; }, { name = \"b\"; dips = ( { address = \"10.2.0.1\"; } "
    "); } ); }";
constexpr const char* kLists =
    "dip_lists: ( { name = \"farm\"; dips = ( { address = \"10.1.0.11\"; weight = 2; }, { address = "
    "\"10.1.0.12\"; } ); } );\n";

Model parsed(const std::string& text) {
  EXPECT_EQ(problems_of(text), Lines{});
  return parse_text(text, "f").model.value_or(Model{});
}
Model model() {
  return parsed(kLists + with_services(kServices));
}
Lines described(const Model& from, const Model& to) {
  Lines lines;
  for (const Action& action : diff(from, to)) lines.push_back(describe(action));
  return lines;
}

TEST(DipLists, GiveEveryGroupThatNamesThemTheirDips) {
  const Model made = model();
  EXPECT_EQ(made.services[0].groups[0].dips, made.dip_lists[0].dips);
  EXPECT_EQ(made.services[1].groups[0].dips, made.dip_lists[0].dips);
  EXPECT_EQ(made.services[1].groups[1].dips.size(), 1u);
}

TEST(DipLists, StandInThePrintedFileOnceAndAreReferredTo) {
  const std::string text = to_text(model());
  EXPECT_EQ(text.find("10.1.0.12"), text.rfind("10.1.0.12"));
  EXPECT_EQ(parsed(text), model());
}

TEST(DipLists, ACommandAboutOneServiceConcernsAllThatShare) {
  const Edit added = add_dip(model(), "web", "", {parse_address("10.1.0.13").value(), 0, 1});
  ASSERT_TRUE(added) << added.error;
  EXPECT_EQ(described(model(), *added.model),
            (Lines{"add DIP 10.1.0.13 with weight 1 to group default of service web",
                   "add DIP 10.1.0.13 with weight 1 to group a of service tls", "list farm has 3 DIPs"}));

  const Edit drained = remove_dip(model(), "tls", "", {parse_address("10.1.0.11").value(), 0});
  ASSERT_TRUE(drained) << drained.error;
  EXPECT_EQ(described(model(), *drained.model),
            (Lines{"remove DIP 10.1.0.11 from group default of service web",
                   "remove DIP 10.1.0.11 from group a of service tls", "list farm has 1 DIP"}));

  const Edit weighed = set_weight(model(), "web", "", {parse_address("10.1.0.11").value(), 0}, 7);
  ASSERT_TRUE(weighed) << weighed.error;
  EXPECT_EQ(weighed.model->services[1].groups[0].dips[0].weight, 7u);
}

TEST(DipLists, AServiceThatIsAddedByCommandMayShare) {
  Service service;
  service.name = "dns";
  service.vip = Prefix::host(parse_address("203.0.113.53").value());
  service.port = 53;
  service.groups.push_back({.name = "default", .dips = {}, .dip_list = "farm"});
  const Edit added = add_service(model(), service);
  ASSERT_TRUE(added) << added.error;
  EXPECT_EQ(added.model->services[2].groups[0].dips.size(), 2u);
  service.groups[0].dip_list = "form";
  service.name = "dns2";
  service.port = 54;
  EXPECT_EQ(add_service(model(), service).error,
            "there is no list of DIPs named \"form\"; the nearest one is \"farm\"");
}

TEST(DipLists, WhatIsWrongWithThemIsSaidWhereItStands) {
  EXPECT_EQ(
      problems_of(with_services("{ name = \"web\"; vip = \"203.0.113.10\"; port = 80; dips = \"farm\"; }")),
      Lines{"f:3: there is no list of DIPs named \"farm\"; add dip_lists = ( { name = \"farm\"; dips = ( … "
            "); } "
            ");, or write the DIPs themselves"});
  EXPECT_EQ(problems_of("dip_lists: ( { name = \"farm\"; dips = ( { address = \"10.1.0.1\"; },\n"
                        "{ address = \"10.1.0.1\"; } ); } );\n" +
                        with_services("")),
            Lines{"f:2: the DIP 10.1.0.1 is given already at line 1; keep one, with the weight of both"});
  EXPECT_EQ(
      problems_of("dip_lists: ( { name = \"farm\"; dips = ( { address = \"203.0.113.10\"; } ); } );\n" +
                  with_services("{ name = \"web\"; vip = \"203.0.113.10\"; port = 80; dips = \"farm\"; }"))
          .size(),
      1u);
}

}  // namespace
}  // namespace sluice::config::test
