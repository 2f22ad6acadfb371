// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What runs now: the model in force, the state of its DIPs, and the snapshot that the workers see. Every
// change, by command, reload, health or a neighbour's new address, ends in one rebuild and one publication.
// Control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/config/model.h"
#include "control/maps/build.h"
#include "control/maps/ids.h"
#include "control/maps/paths.h"
#include "dataplane/door/publish.h"

namespace sluice::maps {

class Live {
 public:
  struct Surroundings {
    std::vector<PortFacts> ports;
    PathTo path_to;
    std::function<std::vector<IpAddress>()> own_addresses;
    ToeplitzKey toeplitz;
    KeyedHash slot_hash;
  };

  Live(config::Model model, Surroundings surroundings);

  // The first snapshot, before there is a publisher; afterwards every change is published through it.
  std::unique_ptr<const Snapshot> first_snapshot();
  void publish_through(Publisher& publisher) { publisher_ = &publisher; }
  // Called after each change, with the model in force: what follows the DIPs (watching next hops) hooks in
  // here.
  void on_change(std::function<void()> listener) { listener_ = std::move(listener); }

  [[nodiscard]] const config::Model& model() const { return model_; }
  // Brings `next` into force; one sentence when it cannot, and then nothing changed.
  std::optional<std::string> replace(config::Model next);
  // Paths or own addresses may have changed.
  void refresh();

  [[nodiscard]] bool is_up(const config::Service& service, const config::Dip& dip) const;
  // Slots that a DIP holds in its group's map now.
  [[nodiscard]] std::uint32_t slots_of(const std::string& service, const std::string& group,
                                       const config::Dip& dip) const;
  [[nodiscard]] std::optional<std::uint32_t> service_id(const std::string& name) const {
    return service_ids_.find(name);
  }
  [[nodiscard]] std::optional<std::uint32_t> target_id(const config::Service& service,
                                                       const config::Group& group,
                                                       const config::Dip& dip) const {
    return target_ids_.find(target_name(service, group, dip));
  }
  // Ids with new owners since the last call (see Ids).
  std::set<std::uint32_t> take_reused_services() { return service_ids_.take_reused(); }
  std::set<std::uint32_t> take_reused_targets() { return target_ids_.take_reused(); }

  [[nodiscard]] const std::vector<std::string>& unreachable() const { return unreachable_; }
  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  [[nodiscard]] const Surroundings& surroundings() const { return around_; }
  // What the snapshot of `generation` calls service number `index`; nothing when another one is in force.
  struct Place {
    const config::Service* service = nullptr;
    const config::Group* group = nullptr;
    const config::Dip* dip = nullptr;
  };
  [[nodiscard]] Place place_of_service(std::uint32_t service_index) const;
  [[nodiscard]] Place place_of_group(std::uint32_t group_index) const;
  [[nodiscard]] Place place_of_target(std::uint32_t target_index) const;
  [[nodiscard]] const Snapshot& snapshot() const { return publisher_->current(); }

 private:
  std::unique_ptr<const Snapshot> build(const config::Model& model);
  void publish(std::unique_ptr<const Snapshot> snapshot);

  config::Model model_;
  Surroundings around_;
  Ids service_ids_, target_ids_;
  MapCache cache_;
  Publisher* publisher_ = nullptr;
  std::function<void()> listener_;
  std::vector<std::string> unreachable_;
  std::uint64_t generation_ = 0;
};

}  // namespace sluice::maps
