// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/rpc/appliance.h"

namespace sluice::rpc {

using nlohmann::json;

void add_drop(Router& router, Appliance& appliance) {
  router.add({.name = "drop.list",
              .help = "Dropped packets by reason.",
              .handler = [&appliance](const json&) -> json {
                json rows = json::array();
                for (unsigned r = 0; r < kDropReasons; ++r) {
                  const auto reason = static_cast<DropReason>(r);
                  const auto packets =
                      appliance.totals.dropped(reason, static_cast<unsigned>(appliance.ports.size()));
                  rows.push_back({{"reason", describe(reason).word},
                                  {"text", describe(reason).text},
                                  {"packets", packets}});
                }
                return rows;
              }});
}

}  // namespace sluice::rpc
