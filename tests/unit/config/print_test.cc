// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What is printed loads again as the same model, and no text at all makes the parser fall over.
#include "control/config/print.h"

#include <gtest/gtest.h>

#include "control/config/parse.h"
#include "tests/unit/config/random_model.h"
#include "tests/unit/config/text.h"

namespace sluice::config::test {
namespace {

using namespace std::string_view_literals;

TEST(Print, EveryModelLoadsAgainAsItself) {
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const Model model = RandomModel(seed).model();
    const std::string text = to_text(model);
    const Result again = parse_text(text, "printed");
    ASSERT_EQ(problems_of(text), std::vector<std::string>{}) << "seed " << seed << '\n' << text;
    ASSERT_EQ(*again.model, model) << "seed " << seed << '\n' << text;
    ASSERT_EQ(to_text(*again.model), text) << "seed " << seed;
  }
}

TEST(Print, ASecretOrABlankNeedsNoSpecialCare) {
  Model model = RandomModel(1).model();
  model.control.socket = "/run/a b\"c\\d";
  EXPECT_NE(to_text(model).find("socket = \"/run/a b\\\"c\\\\d\";"), std::string::npos);
}

TEST(Print, WithoutSecretsTheHashKeyIsBlankAndTheRestLoadsAgain) {
  Model model = RandomModel(1).model();
  model.pool = {};
  model.control.socket = "/run/\n  hash_key = \"\";";  // no text of the operator's passes for the key
  model.dataplane.hash_key.assign(40, 0xab);
  const std::string text = to_text_without_secrets(model);
  EXPECT_EQ(text.find("abab"), std::string::npos);
  EXPECT_NE(text.find("\n  hash_key = \"\";  // not shown"), std::string::npos) << text;
  model.dataplane.hash_key.clear();
  EXPECT_EQ(to_text_without_secrets(model), to_text(model)) << "a key made at random is in no file";
  model.control.socket = "/run/s";
  Model keyed = model;
  keyed.dataplane.hash_key.assign(40, 0xab);
  EXPECT_EQ(parse_text(to_text_without_secrets(keyed), "f").model, model);
}

TEST(Print, WithoutSecretsThatOfThePoolIsBlankToo) {
  Model model = RandomModel(1).model();
  model.dataplane.hash_key.clear();
  model.pool = {.name = "edge", .secret = "0123456789abcdef", .member = {}, .members = {}};
  const std::string text = to_text_without_secrets(model);
  EXPECT_EQ(text.find("0123456789abcdef"), std::string::npos);
  EXPECT_NE(text.find("\n  secret = \"\";  // not shown"), std::string::npos) << text;
}

// One to eight changes: a byte set, bytes removed, a piece moved, a piece doubled, a special character put
// in.
std::string mutate(std::string text, std::mt19937_64& random) {
  constexpr std::string_view kSpecial = "{}()[]\"\\/*#@,;:=+-.0123456789eExXL\n\0\xff"sv;
  auto below = [&](std::size_t end) {
    return std::uniform_int_distribution<std::size_t>(0, end - 1)(random);
  };
  for (auto changes = 1 + below(8); changes > 0 && !text.empty(); --changes) {
    const std::size_t at = below(text.size());
    const std::size_t length = 1 + below(20);
    switch (below(5)) {
      case 0:
        text[at] = static_cast<char>(below(256));
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(below(text.size()), text.substr(at, length));
        break;
      case 3:
        text.insert(at, 1, kSpecial[below(kSpecial.size())]);
        break;
      default:
        text[at] = kSpecial[below(kSpecial.size())];
    }
  }
  return text;
}

TEST(Parse, TenThousandBrokenFilesGetAModelOrAProblemAndNeverBoth) {
  std::size_t refused = 0;
  for (std::uint64_t seed = 0; seed < 10000; ++seed) {
    std::mt19937_64 random(seed);
    const std::string text = mutate(to_text(RandomModel(seed % 50).model()), random);
    const Result result = parse_text(text, "f");
    ASSERT_NE(result.model.has_value(), !result.problems.empty()) << "seed " << seed;
    for (const Problem& problem : result.problems) {
      ASSERT_FALSE(problem.what.empty()) << "seed " << seed;
      ASSERT_EQ(problem.what.find("libconfig refuses"), std::string::npos) << "seed " << seed << '\n' << text;
      ASSERT_GT(problem.line, 0u) << "seed " << seed << ": " << problem.what;
    }
    refused += result.model ? 0 : 1;
  }
  EXPECT_GT(refused, 5000u) << "the mutations hardly break anything, so they prove nothing";
}

TEST(Parse, EveryBeginningOfAFileGetsAModelOrAProblem) {
  const std::string text = to_text(RandomModel(7).model());
  for (std::size_t length = 0; length < text.size(); ++length) {
    const Result result = parse_text(std::string_view(text).substr(0, length), "f");
    ASSERT_NE(result.model.has_value(), !result.problems.empty()) << "length " << length;
  }
}

}  // namespace
}  // namespace sluice::config::test
