// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/print.h"

#include "control/config/keys.h"

namespace sluice::config {

std::string to_text(const Model& model) {
  return print_keys(model, model_keys(), 0, false);
}

}  // namespace sluice::config
