// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/rpc/names.h"

#include <gtest/gtest.h>

namespace sluice::rpc {
namespace {

const std::vector<std::string> kWords = {"service", "dip", "drop", "worker", "weight", "list", "config"};

TEST(Names, ASlipOfOneLetterFindsItsWord) {
  EXPECT_EQ(nearest("servce", kWords), "service");
  EXPECT_EQ(nearest("dpi", kWords), "dip") << "swapped neighbours count once";
  EXPECT_EQ(nearest("wokrer", kWords), "worker");
  EXPECT_EQ(nearest("LIST", kWords), "list");
}

TEST(Names, ABeginningFindsItsWord) {
  EXPECT_EQ(nearest("conf", kWords), "config");
  EXPECT_EQ(nearest("serv", kWords), "service");
}

TEST(Names, ForeignWordsFindNothing) {
  EXPECT_EQ(nearest("banana", kWords), "");
  EXPECT_EQ(nearest("", kWords), "");
  EXPECT_EQ(nearest("x", kWords), "");
  EXPECT_EQ(nearest(std::string(70, 'd'), kWords), "") << "long words cost nothing";
}

TEST(Names, TheHintIsPartOfASentence) {
  EXPECT_EQ(did_you_mean("lst", kWords), "; did you mean \"list\"?");
  EXPECT_EQ(did_you_mean("banana", kWords), "");
}

TEST(Names, AStrangersBytesAreShownHarmless) {
  EXPECT_EQ(shown("web"), "\"web\"");
  EXPECT_EQ(shown("a\x1b[2J\nb\"c"), "\"a?[2J?b?c\"");
  EXPECT_EQ(shown(std::string(65, 'x')), "\"" + std::string(64, 'x') + "...\"");
  EXPECT_EQ(shown(std::string(63, 'x') + "\xc3\xa4" + "x"), "\"" + std::string(63, 'x') + "...\"")
      << "a character is not cut in two";
}

}  // namespace
}  // namespace sluice::rpc
