// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// The bounds of the HTTP server, over loopback and with limits small enough to reach.
#include "control/http/server.h"

#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <thread>

namespace sluice::http {
namespace {

using boost::asio::ip::tcp;
using namespace std::chrono_literals;

const config::AddressPort kAnyPort{*parse_address("127.0.0.1"), 0};

class HttpServer : public testing::Test {
 protected:
  void serve(Limits limits) {
    server_.emplace(
        io_, kAnyPort,
        [](const Request& request) {
          if (request.post && request.body.empty()) return Response{400, "text/plain", "no body"};
          if (request.post)
            return Response{200, "text/plain",
                            std::string(request.body) + " from " + to_string(request.peer)};
          return request.path == "/big" ? Response{200, "text/plain", std::string(1 << 20, 'x')}
                                        : Response{200, "text/plain", "hello"};
        },
        limits, "give another one");
    thread_ = std::thread([this] { io_.run(); });
  }
  void TearDown() override {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  tcp::socket connect() {
    tcp::socket socket(client_io_);
    socket.connect({boost::asio::ip::make_address("127.0.0.1"), server_->port()});
    return socket;
  }
  // All that the server says until it closes.
  static std::string rest(tcp::socket& socket) {
    std::string text;
    boost::system::error_code ignored;
    boost::asio::read(socket, boost::asio::dynamic_buffer(text), ignored);
    return text;
  }
  static std::string ask(tcp::socket& socket, const std::string& request) {
    boost::asio::write(socket, boost::asio::buffer(request));
    return rest(socket);
  }

  boost::asio::io_context io_{1}, client_io_{1};
  std::optional<Server> server_;
  std::thread thread_;
};

TEST_F(HttpServer, AnswersPipelinedRequestsInTheirOrder) {
  serve({});
  auto socket = connect();
  const std::string answer =
      ask(socket, "GET /a HTTP/1.1\r\n\r\nGET /b?x=1 HTTP/1.1\r\nConnection: close\r\n\r\n");
  const auto first = answer.find("hello");
  EXPECT_NE(answer.find("hello", first + 1), std::string::npos) << answer;
}

TEST_F(HttpServer, HandsOnTheBodyOfAPostAndWhoSentIt) {
  serve({});
  auto socket = connect();
  const std::string answer =
      ask(socket, "POST /x HTTP/1.1\r\nContent-Length: 5\r\nConnection: close\r\n\r\norder");
  EXPECT_NE(answer.find("order from 127.0.0.1"), std::string::npos) << answer;
}

TEST_F(HttpServer, ClosesTheConnectionAfterAPostThatItRefuses) {
  serve({});
  auto socket = connect();
  EXPECT_NE(ask(socket, "POST /x HTTP/1.1\r\nContent-Length: 0\r\n\r\n").find("400"), std::string::npos);
}

TEST_F(HttpServer, RefusesABodyBeyondItsBound) {
  serve({});
  auto socket = connect();
  EXPECT_NE(ask(socket, "POST /x HTTP/1.1\r\nContent-Length: 2000\r\n\r\n").find("413"), std::string::npos);
}

TEST_F(HttpServer, TellsConnectionsBeyondTheLimitAndClosesFurtherOnesAtOnce) {
  Limits limits;
  limits.connections = 2;
  serve(limits);
  auto a = connect(), b = connect();
  // Both are accepted for sure once both were answered.
  for (auto* s : {&a, &b}) {
    boost::asio::write(*s, boost::asio::buffer(std::string("GET / HTTP/1.1\r\n\r\n")));
    char byte;
    boost::asio::read(*s, boost::asio::buffer(&byte, 1));
  }
  auto c = connect(), d = connect(), e = connect();
  EXPECT_EQ(rest(e), "");
  EXPECT_NE(ask(c, "GET / HTTP/1.1\r\n\r\n").find("503"), std::string::npos);
  EXPECT_NE(ask(d, "GET / HTTP/1.1\r\n\r\n").find("503"), std::string::npos);
  a.close();
  // The place is free when the server saw the end; a new client gets it then.
  for (std::string answer; answer.find("hello") == std::string::npos;) {
    auto other = connect();
    boost::system::error_code refused;
    boost::asio::write(other, boost::asio::buffer(std::string("GET / HTTP/1.0\r\n\r\n")), refused);
    answer = rest(other);
  }
}

TEST_F(HttpServer, DropsAClientThatSendsItsRequestTooSlowly) {
  Limits limits;
  limits.request = 1s;
  serve(limits);
  auto socket = connect();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(ask(socket, "GET / HT"), "");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

TEST_F(HttpServer, DropsAClientThatIdles) {
  Limits limits;
  limits.idle = 1s;
  serve(limits);
  auto socket = connect();
  EXPECT_EQ(rest(socket), "");
}

TEST_F(HttpServer, DropsAClientThatDoesNotReadItsAnswer) {
  Limits limits;
  limits.answer = 1s;
  limits.connections = 1;
  serve(limits);
  auto deaf = connect();
  deaf.set_option(tcp::socket::receive_buffer_size(4096));
  std::string many;
  for (int i = 0; i < 20; ++i) many += "GET /big HTTP/1.1\r\n\r\n";
  boost::asio::write(deaf, boost::asio::buffer(many));
  const auto begin = std::chrono::steady_clock::now();
  for (std::string answer; answer.find("hello") == std::string::npos;) {  // its place becomes free
    ASSERT_LT(std::chrono::steady_clock::now() - begin, 20s);
    auto other = connect();
    boost::system::error_code refused;
    boost::asio::write(other, boost::asio::buffer(std::string("GET / HTTP/1.0\r\n\r\n")), refused);
    answer = rest(other);
  }
}

TEST_F(HttpServer, SaysWhyItCannotListen) {
  serve({});
  try {
    Server second(io_, {*parse_address("127.0.0.1"), server_->port()}, nullptr, {}, "give another one");
    FAIL() << "two servers on one port";
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("cannot listen on 127.0.0.1:" + std::to_string(server_->port())),
              std::string::npos)
        << e.what();
  }
}

}  // namespace
}  // namespace sluice::http
