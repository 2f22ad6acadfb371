// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Configuration text: it is a model or at least one problem with a sentence, and a model that was read is
// the same after it was printed and read again. (F4.)
#include "control/config/diff.h"
#include "control/config/parse.h"
#include "control/config/print.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/must.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  using fuzz::must;
  const config::Result result = config::parse_text(fuzz::Input(data, size).text(size), "fuzz.conf");
  must(result.model.has_value() == result.problems.empty(), "neither a model nor a problem, or both");
  for (const config::Problem& problem : result.problems) {
    const std::string sentence = config::to_string(problem);
    must(sentence.starts_with("fuzz.conf") && sentence.find('\n') == std::string::npos,
         "a problem that does not say where it is, in one line");
  }
  if (!result.model) return 0;
  const config::Result again = config::parse_text(config::to_text(*result.model), "printed");
  if (!again.model) std::fprintf(stderr, "%s\n", config::to_string(again.problems.at(0)).c_str());
  must(again.model.has_value(), "what was printed cannot be read");
  must(*again.model == *result.model, "what was printed reads differently");
  must(config::diff(*result.model, *again.model).empty(), "a model differs from itself");
  must(config::parse_text(config::to_text_without_secrets(*result.model), "shown").model.has_value() ||
           !result.model->pool.secret.empty(),
       "what is shown cannot be read");
  return 0;
}
