// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The seed of a random test: another one each time, printed, and taken from SLUICE_SEED to repeat a failure.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <random>

namespace sluice::test {

inline unsigned random_seed() {
  const char* given = std::getenv("SLUICE_SEED");
  const unsigned seed =
      given ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device{}();
  std::printf("SLUICE_SEED=%u\n", seed);
  return seed;
}

}  // namespace sluice::test
