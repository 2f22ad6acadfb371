// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/metrics/http.h"

#include <stdexcept>
#include <utility>

namespace sluice::metrics {

MetricsServer::MetricsServer(boost::asio::io_context& io, const config::AddressPort& listen, Render render,
                             Healthy healthy, const http::Limits& limits)
    : render_(std::move(render)),
      healthy_(std::move(healthy)),
      server_(
          io, listen, [this](const http::Request& request) { return answer(request.path); }, limits,
          "set control.metrics to a free address, or to \"\"") {}

http::Response MetricsServer::answer(std::string_view path) const {
  if (path == "/healthz") {
    const bool well = !healthy_ || healthy_();
    return {.status = well ? 200u : 503u, .body = well ? "ok\n" : "not ready\n"};
  }
  if (path != "/metrics") return {.status = 404, .body = "There are /metrics and /healthz here.\n"};
  try {
    return {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = render_()};
  } catch (const std::exception& error) {
    return {.status = 500, .body = std::string(error.what()) + "\n"};
  }
}

}  // namespace sluice::metrics
