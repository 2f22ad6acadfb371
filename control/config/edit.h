// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The live commands as pure functions: a model in, the changed model out, or one sentence that says what is
// wrong and what would be right. The result is held against the same rules as a file (validate.h). To bring a
// result into force, give diff(running, *edit.model) to whoever applies a reload.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "control/config/address_port.h"
#include "control/config/model.h"

namespace sluice::config {

struct Edit {
  std::optional<Model> model;  // the changed model, or
  std::string error;           // why nothing changes: `no group named "blue"; groups of service web: a, b`
  explicit operator bool() const { return model.has_value(); }
};

Edit add_service(Model model, Service service);
Edit remove_service(Model model, std::string_view name);

// An empty `group` means the only one of the service; a service without groups gets one named "default".
Edit add_dip(Model model, std::string_view service, std::string_view group, const Dip& dip);

// An empty `group` means every group of the service that holds the DIP (B17). A DIP without a port also means
// the one that has a port, when the service knows that address with one port only.
Edit remove_dip(Model model, std::string_view service, std::string_view group, const AddressPort& dip);
Edit set_weight(Model model, std::string_view service, std::string_view group, const AddressPort& dip,
                std::uint32_t weight);

// An IIP that is there already is refused; so is the removal of one that is not.
Edit add_iip(Model model, const Iip& iip);
Edit remove_iip(Model model, const IpAddress& address);

}  // namespace sluice::config
