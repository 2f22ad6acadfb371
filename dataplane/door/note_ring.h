// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Short notes between two workers about elephants: one ring for each pair and direction, one producer, one
// consumer, bounded.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "dataplane/wire/flow_key.h"

namespace sluice {

struct Note {
  enum class Kind : std::uint8_t {
    kPromote,  // tier 2 -> tier 1: take this flow
    kAlive,    // tier 1 -> tier 2: it is still big
    kDemoted,  // tier 1 -> tier 2: it goes through tier 2 again
  } kind = Kind::kPromote;
  std::uint8_t from = 0;  // the writer's index
  FlowKey key;
  std::uint32_t target = 0, service = 0;  // stable ids
};

class NoteRing {
 public:
  static constexpr std::uint32_t kDepth = 1024;

  // Producer. False: full.
  bool put(const Note& note) {
    const std::uint32_t at = head_.load(std::memory_order_relaxed);
    if (at - tail_.load(std::memory_order_acquire) == kDepth) return false;
    notes_[at % kDepth] = note;
    head_.store(at + 1, std::memory_order_release);
    return true;
  }
  // Consumer. False: empty.
  bool take(Note& note) {
    const std::uint32_t at = tail_.load(std::memory_order_relaxed);
    if (at == head_.load(std::memory_order_acquire)) return false;
    note = notes_[at % kDepth];
    tail_.store(at + 1, std::memory_order_release);
    return true;
  }

 private:
  alignas(64) std::atomic<std::uint32_t> head_{0};  // producer writes
  alignas(64) std::atomic<std::uint32_t> tail_{0};  // consumer writes
  std::unique_ptr<Note[]> notes_ = std::make_unique<Note[]>(kDepth);
};

}  // namespace sluice
