// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What an operator may get wrong, and every word of what Sluice answers: cases, each a sentence, a file and
// the problems that are named. They are judged in bad_input_test.cc.
#pragma once

#include <gtest/gtest.h>

#include <cctype>
#include <ostream>
#include <string>
#include <vector>

#include "tests/unit/config/text.h"

namespace sluice::config::test {

struct Case {
  std::string sentence, text;
  std::vector<std::string> problems;
};

inline void PrintTo(const Case& bad, std::ostream* out) {
  *out << bad.sentence;
}

inline std::string test_name(const testing::TestParamInfo<Case>& info) {
  std::string name;
  for (const char c : info.param.sentence) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

class BadInput : public testing::TestWithParam<Case> {};

inline const std::string kNoPorts =
    "the dataplane has no ports; add one, as in ports = ( { name = \"uplink\"; device = "
    "\"net_af_packet0,iface=eth1\"; } );";
inline const std::string kNoWorkers =
    "the dataplane has no workers; add one, as in workers = ( { lcore = 1; } );";

}  // namespace sluice::config::test
