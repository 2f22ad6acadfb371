// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/metrics/http.h"

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <set>
#include <stdexcept>
#include <utility>

#include "control/http/beast.h"

namespace sluice::metrics {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using Response = http::response<http::string_body>;

constexpr const char* kPlain = "text/plain; charset=utf-8";
constexpr const char* kExposition = "text/plain; version=0.0.4; charset=utf-8";

Response page(http::status status, std::string body, const char* type = kPlain) {
  Response response(status, 11);
  response.set(http::field::content_type, type);
  response.set(http::field::connection, "close");
  response.set(http::field::cache_control, "no-store");
  response.body() = std::move(body);
  response.prepare_payload();
  return response;
}

// What an unreadable request is answered with.
Response complaint(const ErrorCode& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return page(http::status::request_header_fields_too_large, "the request's head is too long\n");
  }
  if (error == http::error::unexpected_body || error == http::error::body_limit) {
    return page(http::status::payload_too_large, "a request here carries no body\n");
  }
  return page(http::status::bad_request, "this is no HTTP request\n");
}

// One exchange: read a request, write a page, wait for the other end to close.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  using Answer = std::function<Response(const http::request<http::empty_body>&)>;
  using Gone = std::function<void(const std::shared_ptr<Exchange>&)>;

  Exchange(Tcp::socket socket, const HttpLimits& limits, Answer answer, Gone gone)
      : stream_(std::move(socket)),
        limits_(limits),
        buffer_(limits.max_head_bytes + trash_.size()),
        answer_(std::move(answer)),
        gone_(std::move(gone)) {
    parser_.header_limit(limits_.max_head_bytes);
  }

  void start() {
    stream_.expires_after(limits_.read_timeout);
    http::async_read(
        stream_, buffer_, parser_,
        [self = shared_from_this()](const ErrorCode& error, std::size_t) { self->on_read(error); });
  }

  void close() {
    if (std::exchange(closed_, true)) return;
    ErrorCode ignored;
    stream_.socket().close(ignored);
    if (const Gone gone = std::exchange(gone_, nullptr)) gone(shared_from_this());
  }

 private:
  void on_read(const ErrorCode& error) {
    if (closed_) return;
    // Errors of the connection, a timeout among them, leave nobody to tell; those of the parser do.
    const bool unreadable = error && error.category() == make_error_code(http::error::bad_method).category();
    if ((error && !unreadable) || error == http::error::end_of_stream) return close();
    response_ = unreadable ? complaint(error) : answer_(parser_.get());
    stream_.expires_after(limits_.write_timeout);
    http::async_write(stream_, response_, [self = shared_from_this()](const ErrorCode& failed, std::size_t) {
      if (self->closed_) return;
      if (failed) return self->close();
      // Closing over unread bytes would send a reset that may overtake the page: let the client close first.
      ErrorCode ignored;
      self->stream_.socket().shutdown(Tcp::socket::shutdown_send, ignored);
      self->stream_.expires_after(self->limits_.linger);
      self->linger();
    });
  }

  void linger() {
    stream_.async_read_some(asio::buffer(trash_),
                            [self = shared_from_this()](const ErrorCode& error, std::size_t) {
                              if (self->closed_) return;
                              error ? self->close() : self->linger();
                            });
  }

  beast::tcp_stream stream_;
  const HttpLimits limits_;
  std::array<char, 4096> trash_{};
  beast::flat_buffer buffer_;
  http::request_parser<http::empty_body> parser_;
  Response response_;
  Answer answer_;
  Gone gone_;
  bool closed_ = false;
};

Tcp::endpoint endpoint_of(const std::string& address, std::uint16_t port) {
  ErrorCode error;
  const auto parsed = asio::ip::make_address(address, error);
  if (error) {
    throw std::runtime_error("metrics: \"" + address +
                             "\" is no address; write a number, as in 127.0.0.1:9107");
  }
  return {parsed, port};
}

}  // namespace

struct MetricsServer::Impl : std::enable_shared_from_this<MetricsServer::Impl> {
  Impl(asio::io_context& io, Render r, Healthy h, HttpLimits l)
      : acceptor(io), pause(io), render(std::move(r)), healthy(std::move(h)), limits(l) {}

  void listen(const std::string& address, std::uint16_t port) {
    const Tcp::endpoint endpoint = endpoint_of(address, port);
    try {
      acceptor.open(endpoint.protocol());
      acceptor.set_option(asio::socket_base::reuse_address(true));
      acceptor.bind(endpoint);
      acceptor.listen();
    } catch (const boost::system::system_error& error) {
      throw std::runtime_error("metrics: cannot listen on " + address + " port " + std::to_string(port) +
                               ": " + error.code().message() +
                               "; set control.metrics to a free address, or to \"\"");
    }
    accept();
  }

  void accept() {
    acceptor.async_accept([self = shared_from_this()](const ErrorCode& error, Tcp::socket socket) {
      if (!self->acceptor.is_open()) return;
      if (!error) {
        self->take(std::move(socket));
        return self->accept();
      }
      // Most likely out of file descriptors: wait for some to come back instead of spinning on it.
      self->pause.expires_after(std::chrono::milliseconds(100));
      self->pause.async_wait([self](const ErrorCode& stopped) {
        if (!stopped && self->acceptor.is_open()) self->accept();
      });
    });
  }

  void take(Tcp::socket socket) {
    const bool full = served.size() >= limits.max_connections;
    auto& home = full ? refused : served;
    if (home.size() >= limits.max_connections) return;
    const auto exchange = std::make_shared<Exchange>(
        std::move(socket), limits,
        [weak = weak_from_this(), full](const http::request<http::empty_body>& request) {
          const auto self = weak.lock();
          if (!self || full) return page(http::status::service_unavailable, "too many connections\n");
          return self->answer(request);
        },
        [weak = weak_from_this(), &home](const std::shared_ptr<Exchange>& gone) {
          if (const auto self = weak.lock()) home.erase(gone);
        });
    home.insert(exchange);
    exchange->start();
  }

  Response answer(const http::request<http::empty_body>& request) const {
    const std::string target(request.target());
    const std::string path = target.substr(0, target.find('?'));
    if (path != "/metrics" && path != "/healthz") {
      return page(http::status::not_found, "there are /metrics and /healthz here\n");
    }
    if (request.method() != http::verb::get) {
      Response refusal = page(http::status::method_not_allowed, "only GET is answered here\n");
      refusal.set(http::field::allow, "GET");
      return refusal;
    }
    if (path == "/healthz") {
      const bool well = !healthy || healthy();
      return page(well ? http::status::ok : http::status::service_unavailable, well ? "ok\n" : "not ready\n");
    }
    try {
      return page(http::status::ok, render(), kExposition);
    } catch (const std::exception& error) {
      return page(http::status::internal_server_error, std::string(error.what()) + "\n");
    }
  }

  void stop() {
    ErrorCode ignored;
    acceptor.close(ignored);
    pause.cancel();
    for (auto* home : {&served, &refused}) {
      for (const auto& exchange : std::exchange(*home, {})) exchange->close();
    }
  }

  Tcp::acceptor acceptor;
  asio::steady_timer pause;
  const Render render;
  const Healthy healthy;
  const HttpLimits limits;
  std::set<std::shared_ptr<Exchange>> served, refused;
};

MetricsServer::MetricsServer(asio::io_context& io, const std::string& address, std::uint16_t port,
                             Render render, Healthy healthy, HttpLimits limits)
    : impl_(std::make_shared<Impl>(io, std::move(render), std::move(healthy), limits)) {
  if (!address.empty()) impl_->listen(address, port);
}

MetricsServer::~MetricsServer() {
  impl_->stop();
}

std::uint16_t MetricsServer::port() const {
  ErrorCode error;
  const auto endpoint = impl_->acceptor.local_endpoint(error);
  return error ? 0 : endpoint.port();
}

}  // namespace sluice::metrics
