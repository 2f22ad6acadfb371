// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// A server on loopback that does to its clients whatever a test wants, on the test's own event loop.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sluice::health {

using boost::asio::ip::tcp;
using boost::system::error_code;

// Runs the loop until `condition`; false when it does not come true in ten seconds.
template <class Condition>
bool run_until(boost::asio::io_context& io, Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition() && std::chrono::steady_clock::now() < deadline) {
    io.restart();
    io.run_one_for(std::chrono::milliseconds(50));
  }
  return condition();
}

// One connection, plain or TLS.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, boost::asio::ssl::context* tls) : socket_(std::move(socket)) {
    if (tls != nullptr) tls_ = std::make_unique<boost::asio::ssl::stream<tcp::socket&>>(socket_, *tls);
  }

  void send(const std::string& text) {
    auto bytes = std::make_shared<std::string>(text);
    with_stream([&](auto& stream) {
      boost::asio::async_write(stream, boost::asio::buffer(*bytes),
                               [self = shared_from_this(), bytes](error_code, std::size_t) {});
    });
  }
  void send_and_close(const std::string& text) {
    auto bytes = std::make_shared<std::string>(text);
    with_stream([&](auto& stream) {
      boost::asio::async_write(
          stream, boost::asio::buffer(*bytes),
          [self = shared_from_this(), bytes](error_code, std::size_t) { self->close(); });
    });
  }
  // As fast as the client reads.
  void send_forever(const std::string& text) {
    auto bytes = std::make_shared<std::string>(text);
    with_stream([&](auto& stream) {
      boost::asio::async_write(stream, boost::asio::buffer(*bytes),
                               [self = shared_from_this(), text](error_code error, std::size_t sent) {
                                 self->sent_ += sent;
                                 if (!error) self->send_forever(text);
                               });
    });
  }
  void close() {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_both, ignored);
    socket_.close(ignored);
  }
  void reset() {
    error_code ignored;
    socket_.set_option(tcp::socket::linger(true, 0), ignored);
    socket_.close(ignored);
  }
  [[nodiscard]] std::size_t sent() const { return sent_; }

 private:
  friend class Peer;
  template <class Use>
  void with_stream(Use use) {
    tls_ ? use(*tls_) : use(socket_);
  }

  tcp::socket socket_;
  std::unique_ptr<boost::asio::ssl::stream<tcp::socket&>> tls_;
  std::string received_;
  std::size_t sent_ = 0;
};

class Peer {
 public:
  // Called for each request (up to an empty line) with its text.
  using OnRequest = std::function<void(Session&, const std::string& request)>;
  // Called for each connection; by default nothing is sent.
  using OnConnect = std::function<void(Session&)>;

  explicit Peer(boost::asio::io_context& io, OnRequest on_request, OnConnect on_connect = {},
                boost::asio::ssl::context* tls = nullptr, const char* address = "127.0.0.1")
      : on_request_(std::move(on_request)), on_connect_(std::move(on_connect)), tls_(tls), acceptor_(io) {
    open(tcp::endpoint(boost::asio::ip::make_address(address), 0));
  }
  [[nodiscard]] std::uint16_t port() const { return endpoint_.port(); }
  // As a DIP is named.
  [[nodiscard]] std::string name() const {
    return endpoint_.address().to_string() + ":" + std::to_string(endpoint_.port());
  }
  // Like a server that is killed: nobody listens, connections are gone.
  void die() {
    error_code ignored;
    acceptor_.close(ignored);
    for (auto& session : sessions_) session->reset();
    sessions_.clear();
  }
  void come_back() { open(endpoint_); }
  void close_connections() {
    for (auto& session : sessions_) session->close();
    sessions_.clear();
  }

  int connections = 0, requests = 0;
  [[nodiscard]] const std::vector<std::shared_ptr<Session>>& sessions() const { return sessions_; }

 private:
  void open(const tcp::endpoint& endpoint) {
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(tcp::acceptor::reuse_address(true));
    acceptor_.bind(endpoint);
    acceptor_.listen(4096);
    endpoint_ = acceptor_.local_endpoint();
    accept();
  }
  void accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (error) return;
      ++connections;
      auto session = std::make_shared<Session>(std::move(socket), tls_);
      sessions_.push_back(session);
      if (tls_ != nullptr) {
        session->tls_->async_handshake(boost::asio::ssl::stream_base::server, [this, session](error_code e) {
          if (!e) begin(session);
        });
      } else {
        begin(session);
      }
      accept();
    });
  }
  void begin(const std::shared_ptr<Session>& session) {
    if (on_connect_) on_connect_(*session);
    read(session);
  }
  void read(const std::shared_ptr<Session>& session) {
    const auto bytes = std::make_shared<std::array<char, 4096>>();
    session->with_stream([&](auto& stream) {
      stream.async_read_some(
          boost::asio::buffer(*bytes), [this, session, bytes](error_code error, std::size_t got) {
            if (error) return;
            session->received_.append(bytes->data(), got);
            for (std::size_t end; (end = session->received_.find("\r\n\r\n")) != std::string::npos;) {
              const std::string request = session->received_.substr(0, end + 4);
              session->received_.erase(0, end + 4);
              ++requests;
              if (on_request_) on_request_(*session, request);
            }
            read(session);
          });
    });
  }

  OnRequest on_request_;
  OnConnect on_connect_;
  boost::asio::ssl::context* tls_;
  tcp::acceptor acceptor_;
  tcp::endpoint endpoint_;
  std::vector<std::shared_ptr<Session>> sessions_;
};

inline std::string http_answer(const std::string& body, const std::string& status = "200 OK",
                               const std::string& fields = "") {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + fields +
         "\r\n" + body;
}

// Answers each request with the same text.
inline Peer::OnRequest always(std::string text) {
  return [text = std::move(text)](Session& session, const std::string&) { session.send(text); };
}

}  // namespace sluice::health
