// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A small HTTP/1.1 server for monitors, scrapers and MUXes, with a bound on everything that a peer can make
// it hold: connections, bytes of a request, seconds of waiting. Belongs to the io_context's thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "control/config/address_port.h"

namespace sluice::http {

struct Request {
  bool post = false;      // else GET or HEAD
  std::string_view path;  // without query
  std::string_view body;
  IpAddress peer;
};

struct Response {
  unsigned status = 200;
  std::string content_type = "text/plain";
  std::string body;
};

// May not throw. An answer to a POST that is an error (400 and above) is the last one of its connection.
using Handler = std::function<Response(const Request&)>;

struct Limits {
  bool post = true;               // false: GET and HEAD, none with a body
  bool keep_alive = true;         // false: one request a connection
  std::size_t connections = 256;  // as many again are told 503, further ones are closed at once
  std::uint32_t header_bytes = 8192;
  std::size_t body_bytes = 1024;
  std::chrono::milliseconds idle{15'000};    // until a request begins: monitors keep their connections
  std::chrono::milliseconds request{5'000};  // from its first byte to its last
  std::chrono::milliseconds answer{5'000};   // for the peer to take it
  std::chrono::milliseconds linger{1'000};   // for the peer to close after its last answer
};

class Server {
 public:
  // Binds and listens; port 0 is any free one. Throws std::runtime_error with one sentence, which ends with
  // `remedy`: what would be right.
  Server(boost::asio::io_context& io, const config::AddressPort& listen, Handler handler,
         const Limits& limits, const std::string& remedy);
  // Closes all connections; the handler is not called any more.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void close();  // listens no more; those who are connected are served on
  [[nodiscard]] std::uint16_t port() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sluice::http
