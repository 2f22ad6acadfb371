// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The appliance's key, made up: the same in each run, another for each seed.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/wire/toeplitz.h"

namespace sluice::test {

inline std::array<std::uint8_t, ToeplitzKey::kBytes> key_of(unsigned seed = 5) {
  std::array<std::uint8_t, ToeplitzKey::kBytes> key{};
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(37 * i * i + 11 * i + seed);
  return key;
}

}  // namespace sluice::test
