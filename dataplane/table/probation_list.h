// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The entries in probation, oldest first, in two lists of bounded length: connections (TCP, SCTP) and the
// rest. Doubly linked, so that a flow that proves itself leaves from the middle at once. The links are in an
// array of their own: entries stay small, and the few flows that are in probation at a time share few lines.
#pragma once

#include <cstdint>

#include "dataplane/table/pages.h"

namespace sluice {

class ProbationLists {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr unsigned kLists = 2;

  struct Node {
    std::uint32_t older, newer;  // toward the oldest, toward the newest; a ring through the list's head
    std::uint32_t entry;
  };
  static constexpr std::uint64_t bytes_for(std::uint32_t limit_each) {
    return (std::uint64_t{limit_each} * kLists + kLists) * sizeof(Node);
  }

  ProbationLists() = default;
  ProbationLists(std::uint32_t limit_each, bool at_once)
      : pages_(bytes_for(limit_each), at_once), node_(pages_.as<Node>()), limit_(limit_each) {
    for (std::uint32_t head = 0; head < kLists; ++head) node_[head] = {head, head, kNone};
  }

  [[nodiscard]] bool full(unsigned list) const { return size_[list] == limit_; }
  [[nodiscard]] std::uint32_t size() const { return size_[0] + size_[1]; }
  // The entry that came first, or kNone.
  [[nodiscard]] std::uint32_t oldest(unsigned list) const { return node_[node_[list].newer].entry; }
  // The node after the oldest `steps` ones (or the head, whose entry is kNone), to look ahead from.
  [[nodiscard]] const Node& ahead(unsigned list, unsigned steps) const {
    const Node* node = &node_[node_[list].newer];
    for (; steps > 0 && node->entry != kNone; --steps) node = &node_[node->newer];
    return *node;
  }
  // A walk from the oldest to the newest: nodes, until is_end().
  [[nodiscard]] std::uint32_t first(unsigned list) const { return node_[list].newer; }
  [[nodiscard]] std::uint32_t newer(std::uint32_t node) const { return node_[node].newer; }
  [[nodiscard]] std::uint32_t entry(std::uint32_t node) const { return node_[node].entry; }
  [[nodiscard]] static bool is_end(unsigned list, std::uint32_t node) { return node == list; }
  [[nodiscard]] std::uint64_t bytes() const { return std::uint64_t{used_} * sizeof(Node); }

  // Not when full. The node, for remove().
  std::uint32_t push(unsigned list, std::uint32_t entry) {
    std::uint32_t node = free_;
    if (node != kNone) {
      free_ = node_[node].newer;
    } else {
      node = used_++;
    }
    const std::uint32_t newest = node_[list].older;
    node_[node] = {newest, list, entry};
    node_[newest].newer = node;
    node_[list].older = node;
    ++size_[list];
    return node;
  }
  void remove(unsigned list, std::uint32_t node) {
    const Node gone = node_[node];
    node_[gone.older].newer = gone.newer;
    node_[gone.newer].older = gone.older;
    node_[node].newer = free_;
    free_ = node;
    --size_[list];
  }

 private:
  Pages pages_;
  Node* node_ = nullptr;
  std::uint32_t limit_ = 0;
  std::uint32_t size_[kLists] = {};
  std::uint32_t free_ = kNone;   // chain of left nodes, through `newer`
  std::uint32_t used_ = kLists;  // nodes that were ever in use; the first ones are the heads
};

}  // namespace sluice
