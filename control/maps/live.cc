// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/maps/live.h"

#include <stdexcept>
#include <utility>

#include "dataplane/door/counters.h"

namespace sluice::maps {

Live::Live(config::Model model, Surroundings surroundings)
    : model_(std::move(model)),
      around_(std::move(surroundings)),
      service_ids_(kMaxServices),
      target_ids_(kMaxTargets) {}

std::unique_ptr<const Snapshot> Live::build(const config::Model& model) {
  const Inputs inputs{
      .model = model,
      .ports = around_.ports,
      .path_to = around_.path_to,
      .is_up = [this](const config::Service& service, const config::Dip& dip) { return is_up(service, dip); },
      .own_addresses = around_.own_addresses(),
      .toeplitz = around_.toeplitz,
      .slot_hash = around_.slot_hash,
      .generation = ++generation_,
  };
  Built built = build_snapshot(inputs, service_ids_, target_ids_, cache_);
  unreachable_ = std::move(built.unreachable);
  return std::move(built.snapshot);
}

std::unique_ptr<const Snapshot> Live::first_snapshot() {
  return build(model_);
}

void Live::publish(std::unique_ptr<const Snapshot> snapshot) {
  publisher_->publish(std::move(snapshot));
  publisher_->reclaim();
  if (listener_) listener_();
}

std::optional<std::string> Live::replace(config::Model next) {
  std::unique_ptr<const Snapshot> snapshot;
  try {
    snapshot = build(next);
  } catch (const std::length_error& full) {
    build(model_);  // gives the ids back to those who run
    return std::string("not applied: ") + full.what();
  }
  model_ = std::move(next);
  publish(std::move(snapshot));
  return {};
}

void Live::refresh() {
  publish(build(model_));
}

bool Live::is_up(const config::Service&, const config::Dip& dip) const {
  return dip.weight > 0;
}

Live::Place Live::place_of_service(std::uint32_t index) const {
  return index < model_.services.size() ? Place{&model_.services[index]} : Place{};
}

// Groups and targets lie in the snapshot in the order of the model; a service without groups has an empty
// one.
Live::Place Live::place_of_group(std::uint32_t index) const {
  for (const config::Service& service : model_.services) {
    if (service.groups.empty() && index-- == 0) return {&service};
    for (const config::Group& group : service.groups) {
      if (index-- == 0) return {&service, &group};
    }
  }
  return {};
}

Live::Place Live::place_of_target(std::uint32_t index) const {
  for (const config::Service& service : model_.services) {
    for (const config::Group& group : service.groups) {
      if (index < group.dips.size()) return {&service, &group, &group.dips[index]};
      index -= static_cast<std::uint32_t>(group.dips.size());
    }
  }
  return {};
}

std::uint32_t Live::slots_of(const std::string& service, const std::string& group,
                             const config::Dip& dip) const {
  std::uint32_t target = 0, group_index = 0;
  for (const config::Service& s : model_.services) {
    if (s.groups.empty()) ++group_index;
    for (const config::Group& g : s.groups) {
      for (std::uint32_t m = 0; m < g.dips.size(); ++m, ++target) {
        if (s.name != service || g.name != group || !(g.dips[m] == dip)) continue;
        const SlotView& view = snapshot().groups[group_index].dips;
        std::uint32_t held = 0;
        for (std::uint32_t slot = 0; slot < view.mod.divisor(); ++slot) held += view.slots[slot] == m;
        return held;
      }
      ++group_index;
    }
  }
  return 0;
}

}  // namespace sluice::maps
