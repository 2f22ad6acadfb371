// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/ctl/console.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::ctl {
namespace {

using Words = std::vector<std::string>;

Words live(Live kind, const std::string& service) {
  if (kind == Live::kService) return {"web", "web-v6", "dns"};
  return service == "web" ? Words{"10.1.0.11", "10.2.0.12"} : Words{};
}

Words words(const std::string& line) {
  Words list;
  for (const Proposal& proposal : proposals(line, live)) list.push_back(proposal.word);
  return list;
}

std::string completed(const std::string& line) {
  return completion(line, proposals(line, live));
}

TEST(Console, AnEmptyLineOffersEveryObject) {
  Words expected = objects();
  expected.insert(expected.end(), {"help", "exit"});
  EXPECT_EQ(words(""), expected);
}

TEST(Console, TheNextWordFollowsTheTable) {
  EXPECT_EQ(words("dip "), (Words{"list", "add", "weight", "drain", "remove"}));
  EXPECT_EQ(words("dip l"), (Words{"list"}));
  EXPECT_EQ(words("dip weight "), (Words{"web", "web-v6", "dns"}));
  EXPECT_EQ(words("dip weight web "), (Words{"10.1.0.11", "10.2.0.12"}));
  EXPECT_EQ(words("dip weight web 10.2"), (Words{"10.2.0.12"}));
  EXPECT_EQ(words("dip weight dns "), (Words{""})) << "no names: the placeholder explains";
  EXPECT_EQ(words("explain "), (Words{"tcp", "udp", "sctp", "icmp", "icmp6", "esp", "ah"}));
  EXPECT_EQ(words("service add x --scheduler w"), (Words{"weighted-round-robin", "weighted-random"}));
  EXPECT_EQ(words("capture start f --service w"), (Words{"web", "web-v6"}));
}

TEST(Console, OptionsComeWhenTheirTurnHasCome) {
  EXPECT_EQ(words("dip add web "), (Words{""})) << "the address first";
  EXPECT_EQ(words("dip add web 10.1.0.1 "), (Words{"--group", "--weight"}));
  EXPECT_EQ(words("dip add web 10.1.0.1 --group a "), (Words{"--weight"})) << "each option once";
  EXPECT_EQ(words("dip add --w"), (Words{"--weight"})) << "but may be asked for before";
  EXPECT_EQ(words("dip remove web 10.1.0.11 --now "), (Words{"--group"}));
  EXPECT_EQ(words("flow list "), (Words{"web", "web-v6", "dns", "--limit"}));
  const Words after_dip = words("service add x --dip 10.1.0.1 ");
  EXPECT_NE(std::find(after_dip.begin(), after_dip.end(), "--dip"), after_dip.end())
      << "--dip may be repeated";
}

TEST(Console, NonsenseOffersNothing) {
  EXPECT_EQ(words("banana "), Words{});
  EXPECT_EQ(words("dip banana "), Words{});
  EXPECT_EQ(words("status "), Words{});
}

TEST(Console, CompletionStopsWhereAChoiceBegins) {
  EXPECT_EQ(completed("stat"), "us ");
  EXPECT_EQ(completed("di"), "p ");
  EXPECT_EQ(completed("dip d"), "rain ");
  EXPECT_EQ(completed("dip weight w"), "eb") << "web or web-v6";
  EXPECT_EQ(completed("dip weight web-"), "v6 ");
  EXPECT_EQ(completed("e"), "") << "elephant, explain, exit";
  EXPECT_EQ(completed("dip add web 10"), "") << "nobody knows the new server's address";
  EXPECT_EQ(completed("banana"), "");
}

TEST(Console, AnExplanationIsATableOfWords) {
  EXPECT_EQ(explanation(proposals("transition ", live)),
            "  list    Transitions under way: flows still on the old map, seconds left.\n"
            "  finish  Ends a transition now, as its deadline would.\n"
            "  abort   Goes back to the old map without breaking a flow.\n");
  EXPECT_EQ(explanation(proposals("iip add ", live)), "  ADDRESS: the address, as 10.0.0.100 or 10.0.0.100/24\n");
  EXPECT_EQ(explanation({}), "  nothing more\n");
}

TEST(Console, ShortWordsAreExpandedWhenTheyMeanOneThing) {
  EXPECT_EQ(expanded({"di", "l", "web"}), (Words{"dip", "list", "web"}));
  EXPECT_EQ(expanded({"dip", "d"}), (Words{"dip", "drain"}));
  EXPECT_EQ(expanded({"s", "list"}), (Words{"s", "list"})) << "status or service";
  EXPECT_EQ(expanded({"top"}), (Words{"top"}));
  EXPECT_EQ(expanded({"--json", "s"}), (Words{"--json", "s"}));
  EXPECT_EQ(words("di w"), (Words{"weight"})) << "and the next word follows from that";
}

}  // namespace
}  // namespace sluice::ctl
