// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The words that the file, the command line and JSON use for the model's choices: one list for each.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "control/config/model.h"

namespace sluice::config {

template <class E>
struct Word {
  E value;
  std::string_view word;
};

// All words of a choice, the default first. Defined for Idle, FlowMemory, Protocol, Stickiness, HashFields,
// Scheduler, Encapsulation, OuterSource, FlowTypes, FlowStart, UnknownFlow, AtDeadline, HealthType, ProbeWay,
// Admit, Announce, OnStall, OnStop and Seccomp.
template <class E>
std::span<const Word<E>> words();

template <>
std::span<const Word<Idle>> words();
template <>
std::span<const Word<FlowMemory>> words();
template <>
std::span<const Word<Protocol>> words();
template <>
std::span<const Word<Stickiness>> words();
template <>
std::span<const Word<HashFields>> words();
template <>
std::span<const Word<Scheduler>> words();
template <>
std::span<const Word<Encapsulation>> words();
template <>
std::span<const Word<OuterSource>> words();
template <>
std::span<const Word<FlowTypes>> words();
template <>
std::span<const Word<FlowStart>> words();
template <>
std::span<const Word<UnknownFlow>> words();
template <>
std::span<const Word<AtDeadline>> words();
template <>
std::span<const Word<HealthType>> words();
template <>
std::span<const Word<Announce>> words();
template <>
std::span<const Word<OnStall>> words();
template <>
std::span<const Word<OnStop>> words();
template <>
std::span<const Word<Seccomp>> words();
template <>
std::span<const Word<ProbeWay>> words();
template <>
std::span<const Word<Admit>> words();

template <class E>
std::string_view to_word(E value) {
  for (const Word<E>& w : words<E>())
    if (w.value == value) return w.word;
  return "?";
}

template <class E>
std::optional<E> from_word(std::string_view text) {
  for (const Word<E>& w : words<E>())
    if (w.word == text) return w.value;
  return std::nullopt;
}

// "hash, round-robin, random": for sentences and usage texts.
template <class E>
std::string list_words() {
  std::string all;
  for (const Word<E>& w : words<E>()) (all += all.empty() ? "" : ", ") += w.word;
  return all;
}

}  // namespace sluice::config
