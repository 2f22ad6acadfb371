// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/http_server.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>

#include "control/http/beast.h"

namespace sluice::agent {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::asio::ip::tcp;
using boost::system::error_code;

// An IPv4 address that comes by an IPv6 socket is the IPv4 address.
IpAddress from_asio(const boost::asio::ip::address& address) {
  if (address.is_v6()) {
    IpAddress out;
    const auto bytes = address.to_v6().to_bytes();
    std::copy(bytes.begin(), bytes.end(), out.byte.begin());
    return out;
  }
  return IpAddress::v4(Big32(address.to_v4().to_uint()));
}

// One client. Lives as long as an operation of it is pending.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, const HttpHandler& handler, const HttpLimits& limits,
          std::shared_ptr<std::size_t> open)
      : stream_(std::move(socket)),
        buffer_(limits.header_bytes),
        handler_(handler),
        limits_(limits),
        open_(std::move(open)) {
    ++*open_;
  }
  ~Session() { --*open_; }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Waits, for as long as a connection may idle, until a request begins.
  void wait() {
    if (buffer_.size() > 0) return read();
    stream_.expires_after(limits_.idle);
    stream_.async_read_some(buffer_.prepare(1024),
                            [self = shared_from_this()](error_code error, std::size_t bytes) {
                              if (error) return;
                              self->buffer_.commit(bytes);
                              self->read();
                            });
  }

 private:
  void read() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(limits_.header_bytes));
    parser_->body_limit(limits_.body_bytes);
    stream_.expires_after(limits_.request);
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](error_code error, std::size_t) {
      if (!error) return self->answer();
      if (error == http::error::header_limit || error == http::error::buffer_overflow)
        return self->refuse(http::status::request_header_fields_too_large,
                            "The request header is too long.\n");
      if (error == http::error::body_limit)
        return self->refuse(http::status::payload_too_large, "The request body is too long.\n");
      if (error.category() == http::make_error_code(http::error::bad_method).category() &&
          error != http::error::end_of_stream && error != http::error::partial_message)
        self->refuse(http::status::bad_request, "This is no HTTP request.\n");
    });
  }

  void answer() {
    const auto& request = parser_->get();
    const bool post = request.method() == http::verb::post, head = request.method() == http::verb::head;
    if (!post && !head && request.method() != http::verb::get)
      return refuse(http::status::method_not_allowed, "GET, HEAD and POST are served here.\n");
    const std::string_view target(request.target().data(), request.target().size());
    error_code gone;
    const auto peer = stream_.socket().remote_endpoint(gone);
    if (gone) return;
    HttpResponse response =
        handler_({post, target.substr(0, target.find('?')), request.body(), from_asio(peer.address())});
    const bool keep = request.keep_alive() && !(post && response.status >= 400);
    send(http::int_to_status(response.status), response.content_type, std::move(response.body), keep, head);
  }

  void refuse(http::status status, const char* sentence) {
    send(status, "text/plain", sentence, false, false);
  }

  void send(http::status status, const std::string& type, std::string body, bool keep, bool head_only) {
    response_ = {status, 11};
    response_.set(http::field::content_type, type);
    response_.set(http::field::cache_control, "no-store");
    if (status == http::status::method_not_allowed) response_.set(http::field::allow, "GET, HEAD, POST");
    response_.keep_alive(keep);
    response_.content_length(body.size());
    if (!head_only) response_.body() = std::move(body);
    http::async_write(stream_, response_, [self = shared_from_this(), keep](error_code error, std::size_t) {
      if (error) return;
      if (keep) return self->wait();
      self->stream_.socket().shutdown(tcp::socket::shutdown_send, error);
    });
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  const HttpHandler& handler_;
  const HttpLimits& limits_;
  std::shared_ptr<std::size_t> open_;
};

}  // namespace

tcp::endpoint to_asio(const AddressPort& endpoint) {
  namespace ip = boost::asio::ip;
  if (endpoint.address.is_v4()) {
    ip::address_v4::bytes_type bytes;
    std::copy_n(endpoint.address.byte.begin() + 12, 4, bytes.begin());
    return {ip::address_v4(bytes), endpoint.port};
  }
  return {ip::address_v6(endpoint.address.byte), endpoint.port};
}

HttpServer::HttpServer(boost::asio::io_context& io, const AddressPort& listen, HttpHandler handler,
                       HttpLimits limits)
    : acceptor_(io), parked_(io), handler_(std::move(handler)), limits_(limits) {
  const tcp::endpoint endpoint = to_asio(listen);
  try {
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(tcp::acceptor::reuse_address(true));
    acceptor_.bind(endpoint);
    acceptor_.listen();
  } catch (const boost::system::system_error& e) {
    throw std::runtime_error("cannot listen on " + config::to_string(listen) + ": " + e.code().message() +
                             ", give `listen` an address of this host and a free port");
  }
  accept();
}

void HttpServer::accept() {
  acceptor_.async_accept(parked_, [this](error_code error) {
    if (error == boost::asio::error::operation_aborted) return;
    if (error) spdlog::warn("cannot accept a connection: {}", error.message());
    if (!error && *open_ < limits_.connections)
      std::make_shared<Session>(std::move(parked_), handler_, limits_, open_)->wait();
    parked_ = tcp::socket(acceptor_.get_executor());
    accept();
  });
}

void HttpServer::close() {
  acceptor_.close();
}

}  // namespace sluice::agent
