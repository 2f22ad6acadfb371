// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/print.h"

#include "control/config/keys.h"

namespace sluice::config {

std::string to_text(const Model& model) {
  return print_keys(model, model_keys(), 0, false);
}

namespace {

// Blanks the key of that name, which alone can stand at the start of a row in front of an unescaped quotation
// mark, and says so.
void say_hidden(std::string& text, const std::string& key) {
  const std::string blank = "\n  " + key + " = \"\";";
  text.insert(text.find(blank) + blank.size(), "  // not shown; the file that was loaded has it");
}

}  // namespace

std::string to_text_without_secrets(const Model& model) {
  Model open = model;
  open.dataplane.hash_key.clear();
  open.pool.secret.clear();
  std::string text = to_text(open);
  if (!model.dataplane.hash_key.empty()) say_hidden(text, "hash_key");
  if (!model.pool.name.empty()) say_hidden(text, "secret");
  return text;
}

}  // namespace sluice::config
