// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/print.h"

#include "control/config/keys.h"

namespace sluice::config {

std::string to_text(const Model& model) {
  return print_keys(model, model_keys(), 0, false);
}

std::string to_text_without_secrets(const Model& model) {
  if (model.dataplane.hash_key.empty()) return to_text(model);
  Model open = model;
  open.dataplane.hash_key.clear();
  const std::string blank = "hash_key = \"\";";
  std::string text = to_text(open);
  // Only the key of that name can stand at the start of a row in front of an unescaped quotation mark.
  const std::size_t at = text.find("\n  " + blank);
  return text.insert(at + 3 + blank.size(), "  // not shown; the file that was loaded has it");
}

}  // namespace sluice::config
