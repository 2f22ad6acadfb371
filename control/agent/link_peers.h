// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Who is on a link of this host: no router stands between, so whoever it is could take the host's traffic
// anyway. The default for who may tell the agent of drains. Any thread.
#pragma once

#include <span>
#include <string>

#include "dataplane/wire/address.h"

namespace sluice::agent {

// Whether `peer` is on a subnet of one of these interfaces, as their addresses tell now, and is not this host
// itself: its users are no MUX. Link-local subnets do not count, being the same on every link. False when the
// kernel does not tell.
bool on_link(std::span<const std::string> interfaces, const IpAddress& peer);

}  // namespace sluice::agent
