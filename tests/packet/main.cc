// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// main() of every test program that links the rig.
#include <gtest/gtest.h>

#include "tests/packet/sluice.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (!GTEST_FLAG_GET(list_tests)) sluice::test::start_rig(argv[0]);
  const int result = RUN_ALL_TESTS();
  sluice::test::write_seen_reasons();
  return result;
}
