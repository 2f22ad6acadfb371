// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The doors of a running appliance: the command-line socket with one object a line, and the page of metrics.
// Control thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>

#include "control/announce/announcer.h"
#include "control/health/doctor.h"
#include "control/health/monitor.h"
#include "control/metrics/http.h"
#include "control/pool/pool.h"
#include "control/route/announcer.h"
#include "control/rpc/appliance.h"
#include "control/rpc/server.h"

namespace sluice {

class Doors {
 public:
  // What is behind them; all of it outlives the doors.
  struct Behind {
    rpc::Appliance& appliance;
    health::Monitor& health;
    health::Doctor& doctor;
    announce::Announcer& announcer;
    pool::Pool* pool;  // null: not in one
    route::Announcer& routes;
  };

  // Opens both as configured. Throws std::runtime_error with one sentence: who else has the address, which
  // group there is not.
  Doors(boost::asio::io_context& io, const config::Control& control, const Behind& behind);

  // As `config reload` on the socket. Throws rpc::Error.
  void reload();
  // No more commands; scrapes end with the object.
  void close() { server_.reset(); }

 private:
  void add_objects(const Behind& behind);
  void open_socket(boost::asio::io_context& io, const config::Control& control);
  void open_page(boost::asio::io_context& io, const config::Control& control, const Behind& behind);

  rpc::Router router_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<metrics::MetricsServer> page_;
};

}  // namespace sluice
