// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A small HTTP/1.1 server for monitors and MUXes: GET, HEAD and POST, keep-alive, and a bound on everything a
// peer can make it hold: connections, bytes of a request, seconds of waiting. Single-threaded: all on the
// io_context's thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "control/agent/config.h"

namespace sluice::agent {

struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "text/plain";
  std::string body;
};

struct HttpRequest {
  bool post = false;      // else GET or HEAD
  std::string_view path;  // without query
  std::string_view body;
  IpAddress peer;
};

// An answer to a POST that is an error (400 and above) is the last one of its connection.
using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

struct HttpLimits {
  std::size_t connections = 256;  // a further one is closed at once
  std::size_t header_bytes = 8192;
  std::size_t body_bytes = 1024;    // an order of a MUX has a hundred
  std::chrono::seconds idle{15};    // between two requests of one connection: monitors keep theirs
  std::chrono::seconds request{5};  // from the first byte of a request to the last of its answer
};

class HttpServer {
 public:
  // Binds and listens; throws std::runtime_error with one sentence.
  HttpServer(boost::asio::io_context& io, const AddressPort& listen, HttpHandler handler,
             HttpLimits limits = {});
  void close();  // stops listening; connections end with the io_context
  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  void accept();

  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::ip::tcp::socket parked_;  // the connection being accepted
  HttpHandler handler_;
  HttpLimits limits_;
  std::shared_ptr<std::size_t> open_ = std::make_shared<std::size_t>(0);
};

boost::asio::ip::tcp::endpoint to_asio(const AddressPort& endpoint);

}  // namespace sluice::agent
