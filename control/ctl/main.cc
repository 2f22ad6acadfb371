// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// sluicectl: the command line of a running sluiced.
#include <exception>
#include <iostream>

#include "control/ctl/interactive.h"
#include "control/ctl/run.h"

int main(int count, char** words) {
  try {
    return sluice::ctl::run({words + (count > 0 ? 1 : 0), words + count}, std::cout, std::cerr,
                            sluice::ctl::interactive);
  } catch (const std::exception& error) {
    std::cerr << "sluicectl: " << error.what() << std::endl;
    return sluice::ctl::kFailed;
  }
}
