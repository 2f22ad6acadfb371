// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/load/desk.h"

#include <algorithm>
#include <utility>

#include "control/maps/live.h"

namespace sluice::load {

Desk::Desk(boost::asio::io_context& io, maps::Live& live, std::function<void(const std::string&)> log)
    : live_(live),
      keeper_(
          [this](maps::Loads loads, const maps::ChangeOptions& options) {
            return live_.set_loads(std::move(loads), options);
          },
          log),
      teller_([&io](const AgentOrder& order,
                    std::function<void(AgentAnswer)> done) { send_order(io, order, std::move(done)); },
              log) {}

void Desk::report(const std::string& service, const std::string& dip, const health::Report& report) {
  keeper_.report(service, dip, report, Clock::now());
}

std::optional<health::Report> Desk::last(const std::string& service, const std::string& dip) const {
  const auto& services = live_.model().services;
  const auto at = std::ranges::find(services, service, &config::Service::name);
  return at == services.end() ? std::nullopt : keeper_.last(*at, dip, Clock::now());
}

bool Desk::says_empty(const std::string& service, const std::string& dip) const {
  return teller_.says_empty(service, dip);
}

void Desk::tick() {
  const TimePoint now = Clock::now();
  keeper_.tick({live_.model(), live_.effective(), live_.loads(), live_.directory()}, now);
  std::vector<DrainTeller::Leaving> leaving;
  for (maps::Live::LeavingDip& dip : live_.leaving())
    leaving.push_back({std::move(dip.service), std::move(dip.dip), dip.since, dip.deadline});
  teller_.tick(live_.effective(), leaving, now);
}

}  // namespace sluice::load
