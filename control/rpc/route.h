// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The routes of VIPs on the socket and on the page of metrics. Control thread.
#pragma once

#include <string>

#include "control/route/announcer.h"
#include "control/rpc/appliance.h"
#include "control/rpc/router.h"

namespace sluice::rpc {

// Registers `route.list`.
void add_route(Router& router, const route::Announcer& announcer);

// Gives the appliance its part `routes` of `status` and its part `route` of `explain`.
void add_route_parts(Appliance& appliance, const route::Announcer& announcer);

// The route by which packets to this address come here: of those that hold it the longest, or null.
nlohmann::json route_to(const route::Announcer& announcer, const IpAddress& destination);

// The part `routes` of `status`: how many VIPs are in which state.
nlohmann::json route_states(const route::Announcer& announcer);

// The families of routes of the page of /metrics.
std::string render_routes(const route::Announcer& announcer);

}  // namespace sluice::rpc
