// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What has to be done to get from one model to another: start, reload and the live commands are all
// "diff, then apply". diff(x, x) is empty. Services are known by name, DIPs by address and port within their
// group; the order in which a file lists them means nothing.
//
// All functions are pure and may be called from any thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "control/config/model.h"

namespace sluice::config {

struct AddService {
  Service service;  // with its groups and DIPs
  [[nodiscard]] std::string describe() const;
};

struct RemoveService {
  std::string name;
  [[nodiscard]] std::string describe() const;
};

// The policy of a service: everything but name, VIP, protocol, port and groups. A service whose VIP, protocol
// or port changes is another service to every flow, so it is removed and added.
struct ChangeService {
  std::string name;
  std::vector<std::string> keys;  // as in the file: "scheduler", "health.interval_ms"
  Service to;                     // the new policy; its groups are empty
  [[nodiscard]] std::string describe() const;
};

struct AddGroup {
  std::string service;
  Group group;  // with its DIPs
  [[nodiscard]] std::string describe() const;
};

struct RemoveGroup {  // with all DIPs that are still in it
  std::string service, group;
  [[nodiscard]] std::string describe() const;
};

struct ReweightGroup {
  std::string service, group;
  std::uint32_t weight = 0;
  [[nodiscard]] std::string describe() const;
};

struct MoveGroup {  // to another tier-2 worker, with its flows
  std::string service, group;
  std::optional<unsigned> worker;  // its lcore; none: Sluice's choice
  [[nodiscard]] std::string describe() const;
};

struct AddDip {
  std::string service, group;
  Dip dip;
  [[nodiscard]] std::string describe() const;
};

struct RemoveDip {
  std::string service, group;
  IpAddress address;
  std::uint16_t port = 0;
  [[nodiscard]] std::string describe() const;
};

struct ReweightDip {
  std::string service, group;
  IpAddress address;
  std::uint16_t port = 0;
  std::uint32_t weight = 0;
  [[nodiscard]] std::string describe() const;
};

struct AddIip {  // also one that changes: what stays of it stays
  Iip iip;
  [[nodiscard]] std::string describe() const;
};

struct RemoveIip {
  IpAddress address;
  [[nodiscard]] std::string describe() const;
};

// The lists themselves; what it means for the groups that share them is in the actions above.
struct PutDipList {  // new, or in place of the one of that name
  DipList list;
  [[nodiscard]] std::string describe() const;
};

struct RemoveDipList {
  std::string name;
  [[nodiscard]] std::string describe() const;
};

struct ShareDips {
  std::string service, group, list;  // "" = DIPs of its own
  [[nodiscard]] std::string describe() const;
};

struct ChangeControl {
  std::string key;  // of the section control, without its name: "log_level"
  Control to;       // holds the new value; the other values are not to be used
  [[nodiscard]] std::string describe() const;
};

// What cannot change while packets flow. `apply` leaves the model's old value, which is what runs.
struct NeedsRestart {
  std::string key;       // "dataplane.slots", "dataplane.ports.uplink.mtu", "control.socket"
  std::string sentence;  // one, for the operator
  [[nodiscard]] std::string describe() const;
};

using Action = std::variant<RemoveService, RemoveDip, RemoveGroup, ChangeService, AddGroup, ReweightGroup,
                            MoveGroup, AddDip, ReweightDip, ShareDips, AddService, PutDipList, RemoveDipList,
                            RemoveIip, AddIip, ChangeControl, NeedsRestart>;

// The actions from `from` to `to`, what leaves before what joins. Both models are valid.
std::vector<Action> diff(const Model& from, const Model& to);

// `model` after `actions`. An action about something that is not there does nothing: `diff` makes none such.
// canonical(apply(a, diff(a, b))) equals canonical(b) in services and in control but for what needs a
// restart.
Model apply(Model model, std::span<const Action> actions);

// The same for a vector. Without it, argument-dependent lookup would rather take std::apply.
template <class Actions>
requires std::convertible_to<Actions, std::span<const Action>> Model apply(Model model, Actions&& actions) {
  return config::apply(std::move(model), std::span<const Action>(actions));
}

std::string describe(const Action& action);

// Services by name, groups by name, DIPs by address and port, IIPs by address: two models that mean the same
// compare equal.
Model canonical(Model model);

}  // namespace sluice::config
