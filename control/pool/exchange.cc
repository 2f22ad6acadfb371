// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/pool/exchange.h"

#include <algorithm>

namespace sluice::pool {

std::optional<std::string> ExchangePolicy::observe(unsigned busy_percent, const std::vector<Spare>& spares,
                                                   TimePoint now) {
  if (rule_.busy_percent == 0 || busy_percent <= rule_.busy_percent) {
    busy_since_.reset();
    return {};
  }
  if (!busy_since_) busy_since_ = now;
  if (now - *busy_since_ < rule_.after || (moved_ && now - *moved_ < rule_.pause)) return {};
  const auto idlest = std::ranges::min_element(
      spares, {}, [](const Spare& spare) { return std::pair(spare.busy_percent, spare.name); });
  if (idlest == spares.end() || idlest->busy_percent + kWorthPercent > busy_percent) return {};
  return idlest->name;
}

void ExchangePolicy::moved(TimePoint now) {
  moved_ = now;
  busy_since_.reset();
}

}  // namespace sluice::pool
