// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The reference in docs/ is what the program says of itself, and its examples load.
#include "control/config/reference.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/unit/config/text.h"

namespace sluice::config::test {
namespace {

std::string root() {
  const char* named = std::getenv("SLUICE_SOURCE_ROOT");
  return named == nullptr ? std::string() : named;
}

TEST(Reference, InDocsIsNotStale) {
  ASSERT_FALSE(root().empty())
      << "run this by meson test, or set SLUICE_SOURCE_ROOT to the root of the source";
  const std::string path = root() + "/docs/configuration.md";
  if (std::getenv("SLUICE_REGENERATE") != nullptr) std::ofstream(path) << reference_markdown();
  std::ostringstream docs;
  docs << std::ifstream(path).rdbuf();
  EXPECT_TRUE(docs.str() == reference_markdown())
      << path << " is stale; write it anew with SLUICE_REGENERATE=1 meson test config";
}

TEST(Reference, ExamplesLoad) {
  const std::string markdown = reference_markdown(), fence = "```libconfig\n";
  std::size_t examples = 0;
  for (auto at = markdown.find(fence); at != std::string::npos; at = markdown.find(fence, at + 1)) {
    const auto begin = at + fence.size();
    const std::string example = markdown.substr(begin, markdown.find("```", begin) - begin);
    EXPECT_EQ(problems_of(example), std::vector<std::string>{}) << example;
    EXPECT_FALSE(parse_text(example, "f").model.value_or(Model{}).services.empty());
    ++examples;
  }
  EXPECT_EQ(examples, 3u);
}

TEST(Reference, TheExampleFileLoads) {
  const Result result = parse_file(root() + "/docs/examples/sluiced.conf");
  for (const Problem& problem : result.problems) ADD_FAILURE() << to_string(problem);
  ASSERT_TRUE(result.model.has_value());
  EXPECT_EQ(result.model->services.size(), 1u);
}

}  // namespace
}  // namespace sluice::config::test
