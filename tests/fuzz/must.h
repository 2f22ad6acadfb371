// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What a fuzz target asserts: an untruth ends the process, and libFuzzer keeps the input that led to it.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace sluice::fuzz {

inline void must(bool holds, const char* otherwise) {
  if (holds) [[likely]]
    return;
  std::fprintf(stderr, "fuzz: %s\n", otherwise);
  std::abort();
}

}  // namespace sluice::fuzz
