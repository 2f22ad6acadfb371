// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// The one page that a Prometheus server fetches, and a health answer for whoever watches us, on the control
// loop. One request a connection; what a scraper gone wrong costs is bounded (control/http/server.h).
//
//   GET /metrics   what `render` returns, as Prometheus text
//   GET /healthz   200 "ok", or 503 when `healthy` is given and says no
//   else           404, or 405 for another method
//
// Single-threaded: construct, use and destroy on the thread that runs the io_context.
#pragma once

#include <functional>
#include <string>

#include "control/http/server.h"

namespace sluice::metrics {

using Render = std::function<std::string()>;  // may throw: then 500 with the sentence
using Healthy = std::function<bool()>;

// A page may have megabytes, and is for few.
constexpr http::Limits page_limits() {
  return {.post = false,
          .keep_alive = false,
          .connections = 32,
          .body_bytes = 0,
          .answer = std::chrono::seconds(10)};
}

class MetricsServer {
 public:
  // Throws std::runtime_error with one sentence when the address cannot be had.
  MetricsServer(boost::asio::io_context& io, const config::AddressPort& listen, Render render,
                Healthy healthy = {}, const http::Limits& limits = page_limits());

  // Where it listens.
  [[nodiscard]] std::uint16_t port() const { return server_.port(); }

 private:
  [[nodiscard]] http::Response answer(std::string_view path) const;

  const Render render_;
  const Healthy healthy_;
  http::Server server_;
};

}  // namespace sluice::metrics
