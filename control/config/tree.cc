// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/config/tree.h"

#include <algorithm>
#include <libconfig.h++>

namespace sluice::config {
namespace {

// At most kMaxNesting deep: the scanner refused more.
Node convert(const libconfig::Setting& setting) {
  using libconfig::Setting;
  Node node;
  if (setting.getName() != nullptr) node.key = setting.getName();
  node.row = setting.getSourceLine();
  switch (setting.getType()) {
    case Setting::TypeInt:
    case Setting::TypeInt64:
      node.kind = Node::Kind::kNumber;
      node.number = static_cast<long long>(setting);
      break;
    case Setting::TypeBoolean:
      node.kind = Node::Kind::kBoolean;
      node.number = static_cast<bool>(setting) ? 1 : 0;
      break;
    case Setting::TypeString:
      node.kind = Node::Kind::kText;
      node.text = static_cast<const char*>(setting);
      break;
    case Setting::TypeGroup:
    case Setting::TypeArray:
    case Setting::TypeList:
      node.kind = setting.isGroup() ? Node::Kind::kGroup : Node::Kind::kList;
      node.children.reserve(static_cast<std::size_t>(setting.getLength()));
      for (int i = 0; i < setting.getLength(); ++i) node.children.push_back(convert(setting[i]));
      break;
    default:
      node.kind = Node::Kind::kFraction;
  }
  return node;
}

}  // namespace

const Node* Node::find(std::string_view wanted) const {
  for (const Node& child : children)
    if (child.key == wanted) return &child;
  return nullptr;
}

std::string_view to_word(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::kNumber:
      return "a number";
    case Node::Kind::kFraction:
      return "a number with a fraction";
    case Node::Kind::kBoolean:
      return "true or false";
    case Node::Kind::kText:
      return "text";
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kGroup:
      return "a group";
  }
  return "?";
}

std::optional<Node> read_tree(const Source& source, std::optional<Problem>& problem) {
  try {
    libconfig::Config parsed;
    parsed.readString(source.text);
    return convert(parsed.getRoot());
  } catch (const libconfig::ParseException& error) {
    // The grammar let it pass, so this is a difference between the two; better a poor sentence than none.
    problem = source.problem(static_cast<unsigned>(std::max(error.getLine(), 1)),
                             std::string("libconfig refuses the text: ") + error.getError());
  } catch (const libconfig::ConfigException& error) {
    problem = source.problem(1, std::string("libconfig refuses the text: ") + error.what());
  }
  return std::nullopt;
}

}  // namespace sluice::config
