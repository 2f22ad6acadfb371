// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// IIPs on the socket. Control thread.
#pragma once

#include "control/announce/announcer.h"
#include "control/pool/pool.h"
#include "control/rpc/appliance.h"

namespace sluice::rpc {

// Registers `iip.list`, `iip.add`, `iip.remove` and `iip.announce`. `pool` may be null.
void add_iip(Router& router, Appliance& appliance, announce::Announcer& announcer, pool::Pool* pool);

// The families of IIPs of the page of /metrics. `pool` may be null.
std::string render_iips(const config::Model& model, const announce::Announcer& announcer,
                        const pool::Pool* pool);

}  // namespace sluice::rpc
