// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/http/server.h"

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>

#include "control/config/to_asio.h"
#include "control/http/beast.h"

namespace sluice::http {
namespace {

namespace beast = boost::beast;
namespace bh = boost::beast::http;
using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds kPause{100};  // after accepting failed

// What is wrong with a request, or nothing when the connection is: then there is nobody to tell.
std::optional<Response> complaint(const error_code& error) {
  if (error == bh::error::header_limit || error == bh::error::buffer_overflow)
    return Response{.status = 431, .body = "The request header is too long.\n"};
  if (error == bh::error::body_limit)
    return Response{.status = 413, .body = "The request body is too long.\n"};
  const bool of_the_parser = error.category() == bh::make_error_code(bh::error::bad_method).category();
  if (!of_the_parser || error == bh::error::end_of_stream || error == bh::error::partial_message) return {};
  return Response{.status = 400, .body = "This is no HTTP request.\n"};
}

}  // namespace

class Server::Impl : public std::enable_shared_from_this<Server::Impl> {
 public:
  Impl(boost::asio::io_context& io, Handler handler, const Limits& limits)
      : acceptor_(io), pause_(io), handler_(std::move(handler)), limits_(limits) {}

  void listen(const tcp::endpoint& at) {
    acceptor_.open(at.protocol());
    acceptor_.set_option(tcp::acceptor::reuse_address(true));
    acceptor_.bind(at);
    acceptor_.listen();
    accept();
  }
  void close() {
    error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel(ignored);
  }
  void stop();
  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  class Session;

  void accept();
  void take(tcp::socket socket);

  tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  const Handler handler_;
  const Limits limits_;
  std::set<Session*> served_, refused_;
};

// One client. Lives as long as an operation of it is pending, and longer than none of them.
class Server::Impl::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, std::shared_ptr<Impl> server, std::set<Session*>& home)
      : server_(std::move(server)),
        home_(home),
        stream_(std::move(socket)),
        buffer_(server_->limits_.header_bytes + server_->limits_.body_bytes) {
    home_.insert(this);
  }
  ~Session() { home_.erase(this); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Until a request begins.
  void wait() {
    if (buffer_.size() > 0) return read();
    stream_.expires_after(limits().idle);
    stream_.async_read_some(buffer_.prepare(1024),
                            [self = this->shared_from_this()](error_code error, std::size_t bytes) {
                              if (error || self->closed_) return;
                              self->buffer_.commit(bytes);
                              self->read();
                            });
  }
  void close() {
    closed_ = true;
    error_code ignored;
    stream_.socket().close(ignored);
  }

 private:
  [[nodiscard]] const Limits& limits() const { return server_->limits_; }

  void read() {
    parser_.emplace();
    parser_->header_limit(limits().header_bytes);
    parser_->body_limit(limits().post ? limits().body_bytes : 0);
    stream_.expires_after(limits().request);
    bh::async_read(stream_, buffer_, *parser_,
                   [self = this->shared_from_this()](error_code error, std::size_t) {
                     if (self->closed_) return;
                     if (!error) return self->answer();
                     if (auto wrong = complaint(error)) self->send(std::move(*wrong), false, false);
                   });
  }

  void answer() {
    const auto& request = parser_->get();
    const bool post = request.method() == bh::verb::post, head = request.method() == bh::verb::head;
    if (&home_ == &server_->refused_)
      return send({.status = 503, .body = "There are too many connections.\n"}, false, head);
    if (!head && request.method() != bh::verb::get && !(post && limits().post))
      return send({.status = 405, .body = methods() + " are served here.\n"}, false, false);
    error_code gone;
    const auto peer = stream_.socket().remote_endpoint(gone);
    if (gone) return;
    const std::string_view target(request.target().data(), request.target().size());
    Response response = server_->handler_(
        {post, target.substr(0, target.find('?')), request.body(), config::from_asio(peer.address())});
    const bool refused = post && response.status >= 400;
    send(std::move(response), limits().keep_alive && request.keep_alive() && !refused, head);
  }

  void send(Response response, bool keep, bool head_only) {
    response_ = {bh::int_to_status(response.status), 11};
    response_.set(bh::field::content_type, response.content_type);
    response_.set(bh::field::cache_control, "no-store");
    if (response.status == 405) response_.set(bh::field::allow, methods());
    response_.keep_alive(keep);
    response_.content_length(response.body.size());
    if (!head_only) response_.body() = std::move(response.body);
    stream_.expires_after(limits().answer);
    bh::async_write(stream_, response_,
                    [self = this->shared_from_this(), keep](error_code error, std::size_t) {
                      if (error || self->closed_) return;
                      if (keep) return self->wait();
                      self->stream_.socket().shutdown(tcp::socket::shutdown_send, error);
                      self->stream_.expires_after(self->limits().linger);
                      self->linger();
                    });
  }

  // Closing over unread bytes would send a reset that may overtake the answer: let the client close first.
  void linger() {
    stream_.async_read_some(boost::asio::buffer(trash_),
                            [self = this->shared_from_this()](error_code error, std::size_t) {
                              if (!error && !self->closed_) self->linger();
                            });
  }

  [[nodiscard]] std::string methods() const { return limits().post ? "GET, HEAD, POST" : "GET, HEAD"; }

  const std::shared_ptr<Impl> server_;
  std::set<Session*>& home_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::array<char, 4096> trash_;
  std::optional<bh::request_parser<bh::string_body>> parser_;
  bh::response<bh::string_body> response_;
  bool closed_ = false;
};

void Server::Impl::accept() {
  acceptor_.async_accept([self = shared_from_this()](error_code error, tcp::socket socket) {
    if (!self->acceptor_.is_open()) return;
    if (!error) {
      self->take(std::move(socket));
      return self->accept();
    }
    // Most likely out of file descriptors: wait for some to come back instead of spinning on it.
    self->pause_.expires_after(kPause);
    self->pause_.async_wait([self](error_code stopped) {
      if (!stopped && self->acceptor_.is_open()) self->accept();
    });
  });
}

void Server::Impl::take(tcp::socket socket) {
  auto& home = served_.size() < limits_.connections ? served_ : refused_;
  if (home.size() >= limits_.connections) return;
  std::make_shared<Session>(std::move(socket), shared_from_this(), home)->wait();
}

void Server::Impl::stop() {
  close();
  for (const auto* home : {&served_, &refused_})
    for (Session* session : *home) session->close();
}

Server::Server(boost::asio::io_context& io, const config::AddressPort& listen, Handler handler,
               const Limits& limits, const std::string& remedy)
    : impl_(std::make_shared<Impl>(io, std::move(handler), limits)) {
  try {
    impl_->listen(config::to_asio(listen));
  } catch (const boost::system::system_error& e) {
    throw std::runtime_error("cannot listen on " + config::to_string(listen) + ": " + e.code().message() +
                             ", " + remedy);
  }
}

Server::~Server() {
  impl_->stop();
}

void Server::close() {
  impl_->close();
}

std::uint16_t Server::port() const {
  return impl_->port();
}

}  // namespace sluice::http
