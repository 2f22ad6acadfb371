// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/doors.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "control/config/address_port.h"
#include "control/rpc/health.h"
#include "control/rpc/iip.h"
#include "control/rpc/mux.h"
#include "control/rpc/route.h"

namespace sluice {

Doors::Doors(boost::asio::io_context& io, const config::Control& control, const Behind& behind) {
  add_objects(behind);
  open_socket(io, control);
  if (!control.metrics.empty()) open_page(io, control, behind);
}

void Doors::add_objects(const Behind& behind) {
  rpc::Appliance& appliance = behind.appliance;
  rpc::add_status(router_, appliance);
  rpc::add_service(router_, appliance);
  rpc::add_dip(router_, appliance);
  rpc::add_port(router_, appliance);
  rpc::add_worker(router_, appliance);
  rpc::add_drop(router_, appliance);
  rpc::add_explain(router_, appliance);
  rpc::add_config(router_, appliance);
  rpc::add_transition(router_, appliance);
  rpc::add_flow(router_, appliance);
  rpc::add_elephant(router_, appliance);
  rpc::add_health(router_, [&health = behind.health] { return health.rows(); });
  rpc::add_health_check(router_, appliance,
                        [&doctor = behind.doctor](const auto& service, const auto& dip, auto done) {
                          return doctor.check(service, dip, std::move(done));
                        });
  rpc::add_iip(router_, appliance, behind.announcer, behind.pool);
  rpc::add_mux(router_, behind.pool);
  rpc::add_route(router_, behind.routes);
  rpc::add_route_parts(appliance, behind.routes);
}

void Doors::open_socket(boost::asio::io_context& io, const config::Control& control) {
  rpc::ServerOptions options;
  options.path = control.socket;
  options.owner = control.user;
  options.group = control.socket_group;
  options.admin_group = control.admin_group;
  options.mode = control.socket_mode;
  options.log = [](const std::string& sentence) { spdlog::warn("{}", sentence); };
  server_ = std::make_unique<rpc::Server>(io, router_, std::move(options));
}

void Doors::open_page(boost::asio::io_context& io, const config::Control& control, const Behind& behind) {
  const auto at = config::parse_address_port(control.metrics);
  page_ = std::make_unique<metrics::MetricsServer>(
      io, *at,
      [behind] {
        return rpc::render_metrics(behind.appliance) +
               rpc::render_health(behind.health.rows(), behind.health.stats()) +
               rpc::render_routes(behind.routes) +
               rpc::render_iips(behind.appliance.live.model(), behind.announcer, behind.pool) +
               rpc::render_pool(behind.pool);
      },
      [&appliance = behind.appliance] { return appliance.ready; });
}

void Doors::reload() {
  router_.call("config.reload", nlohmann::json::object(), {.may_change = true});
}

}  // namespace sluice
