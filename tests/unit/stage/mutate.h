// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Frames that were valid once: the frames of all packet fixtures, each changed in a few places, where it
// hurts.
#pragma once

#include <random>
#include <vector>

#include "tests/packet/bytes.h"

namespace sluice::test {

class Mutator {
 public:
  explicit Mutator(unsigned seed);
  // The next mutated frame, of 0 to 2,000 bytes.
  Bytes next();

 private:
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  void change(Bytes& frame);
  std::mt19937 random_;
  std::vector<Bytes> corpus_;
};

}  // namespace sluice::test
