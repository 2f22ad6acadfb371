// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The room as the appliance sees it: what agents say comes in here, and what follows from it goes out to
// maps::Live and to the agents. Control thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <optional>
#include <string>

#include "control/load/drain_teller.h"
#include "control/load/keeper.h"

namespace sluice::maps {
class Live;
}

namespace sluice::load {

class Desk {
 public:
  // `live` is used from the first tick() on.
  Desk(boost::asio::io_context& io, maps::Live& live, std::function<void(const std::string&)> log);

  void report(const std::string& service, const std::string& dip, const health::Report& report);
  [[nodiscard]] std::optional<health::Report> last(const std::string& service, const std::string& dip) const;
  [[nodiscard]] bool says_empty(const std::string& service, const std::string& dip) const;
  void tick();

 private:
  maps::Live& live_;
  Keeper keeper_;
  DrainTeller teller_;
};

}  // namespace sluice::load
