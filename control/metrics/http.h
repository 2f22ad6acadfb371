// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// The one page that a Prometheus server fetches, and a health answer for whoever watches us. HTTP/1.1 by
// Boost.Beast on the control loop. One request a connection; its head is bounded in bytes, the whole exchange
// in time, and connections in number, so that a scraper gone wrong costs a known amount.
//
//   GET /metrics   what `render` returns, as Prometheus text
//   GET /healthz   200 "ok", or 503 when `healthy` is given and says no
//   else           404, or 405 for another method
//
// Single-threaded: construct, use and destroy on the thread that runs the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace sluice::metrics {

struct HttpLimits {
  std::size_t max_connections = 32;  // as many again are told 503, the rest are closed at once
  std::uint32_t max_head_bytes = 8 * 1024;
  std::chrono::milliseconds read_timeout{5'000};    // for the client's whole request
  std::chrono::milliseconds write_timeout{10'000};  // for it to take the page
  std::chrono::milliseconds linger{1'000};          // for it to close after that
};

class MetricsServer {
 public:
  using Render = std::function<std::string()>;  // may throw: then 500 with the sentence
  using Healthy = std::function<bool()>;

  // Listens on the numeric `address` (IPv4 or IPv6) and `port` (0: any free one). An empty address disables
  // it: nothing listens. Throws std::runtime_error with one sentence when the address is none or cannot be
  // had.
  MetricsServer(boost::asio::io_context& io, const std::string& address, std::uint16_t port, Render render,
                Healthy healthy = {}, HttpLimits limits = {});
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // Where it listens; 0 when disabled.
  std::uint16_t port() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sluice::metrics
