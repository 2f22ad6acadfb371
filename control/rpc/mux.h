// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The pool on the socket. Control thread.
#pragma once

#include "control/pool/pool.h"
#include "control/rpc/appliance.h"

namespace sluice::rpc {

// Registers `mux.list` and `mux.handover`. `pool` may be null: then they say that there is none.
void add_mux(Router& router, pool::Pool* pool);

// The families of the pool of the page of /metrics; "" when there is no pool.
std::string render_pool(const pool::Pool* pool);

// Of the busiest worker, 0 to 100, and what all services together get; between the last two samples.
unsigned busiest_percent(const Appliance& appliance);
double service_packets_per_s(const Appliance& appliance);

}  // namespace sluice::rpc
