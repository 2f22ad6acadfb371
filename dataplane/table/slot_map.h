// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// An array of N slots, each naming a member by its index: a DIP of a group (tier 2) or a group of a service
// (tier 1). Immutable; built by control/maps; shared by all services whose members and weights are the same.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "dataplane/wire/fast_mod.h"

namespace sluice {

// A slot that no live member holds.
inline constexpr std::uint16_t kNoMember = 0xffff;

class SlotMap {
 public:
  // `slots` has at least one element; its values are member indices or kNoMember.
  explicit SlotMap(std::vector<std::uint16_t> slots)
      : slots_(std::move(slots)), mod_(static_cast<std::uint32_t>(slots_.size())) {}

  [[nodiscard]] std::uint32_t size() const { return mod_.divisor(); }
  [[nodiscard]] std::uint16_t operator[](std::uint32_t slot) const { return slots_[slot]; }
  // slot = hash mod N (A2).
  [[nodiscard]] std::uint32_t slot(std::uint32_t hash) const { return mod_(hash); }
  [[nodiscard]] std::uint16_t pick(std::uint32_t hash) const { return slots_[slot(hash)]; }
  [[nodiscard]] const std::uint16_t* data() const { return slots_.data(); }
  [[nodiscard]] const FastMod& mod() const { return mod_; }

  friend bool operator==(const SlotMap& a, const SlotMap& b) { return a.slots_ == b.slots_; }

 private:
  std::vector<std::uint16_t> slots_;
  FastMod mod_;
};

}  // namespace sluice
