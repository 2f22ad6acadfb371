// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Where an IIP belongs: its port and the length of its subnet, when the operator left them out. Pure; any
// thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "control/config/model.h"

namespace sluice::config {

struct IipPlace {
  std::size_t port = 0;      // index into Dataplane::ports; it has a kernel_interface
  InterfaceAddress address;  // with a length
  friend bool operator==(const IipPlace&, const IipPlace&) = default;
};

// The port that is named, else the first one with the address's subnet, else the only one with a
// kernel_interface. A length that was left out is that of the port's subnet with the address, else the whole
// address. Nothing, and one sentence in `why`, when there is no such port.
std::optional<IipPlace> place_of(const Dataplane& dataplane, const Iip& iip, std::string& why);

}  // namespace sluice::config
