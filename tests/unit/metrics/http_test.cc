// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// A real server on loopback, its loop in a thread; the test is the client, with plain system calls.
#include "control/metrics/http.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <stdexcept>
#include <thread>

namespace sluice::metrics {
namespace {

using namespace std::chrono_literals;

class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { ::close(fd_); }

  bool connected() const { return connected_; }
  void send(const std::string& bytes) const { ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }

  // All that comes until the server closes its side.
  std::string all() const {
    std::string out;
    char buffer[65536];
    for (;;) {
      const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
      if (n < 0 && errno != ECONNRESET) return out + "(nothing within 20 s)";
      if (n <= 0) return out;
      out.append(buffer, static_cast<std::size_t>(n));
    }
  }

 private:
  int fd_;
  bool connected_ = false;
};

class MetricsHttp : public testing::Test {
 protected:
  ~MetricsHttp() override {
    if (!loop.joinable()) return;
    boost::asio::post(io, [this] { server.reset(); });
    loop.join();
  }
  void start() {
    server = std::make_unique<MetricsServer>(
        io, config::AddressPort{*parse_address("127.0.0.1"), 0}, [this] { return render(); },
        [this] { return healthy.load(); }, limits);
    port = server->port();
    loop = std::thread([this] { io.run(); });
  }
  std::string exchange(const std::string& request) const {
    const Client client(port);
    client.send(request);
    return client.all();
  }
  static std::string status(const std::string& answer) { return answer.substr(0, answer.find("\r\n")); }
  static std::string body(const std::string& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }

  boost::asio::io_context io;
  http::Limits limits = page_limits();
  std::atomic<bool> healthy{true};
  std::function<std::string()> render = [] { return "sluice_flows 3\n"; };
  std::unique_ptr<MetricsServer> server;
  std::uint16_t port = 0;
  std::thread loop;
};

TEST_F(MetricsHttp, ThePageIsServedAsPrometheusText) {
  start();
  const std::string answer = exchange("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(status(answer), "HTTP/1.1 200 OK");
  EXPECT_NE(answer.find("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), std::string::npos);
  EXPECT_NE(answer.find("Content-Length: 15\r\n"), std::string::npos);
  EXPECT_EQ(body(answer), "sluice_flows 3\n");
  EXPECT_EQ(body(exchange("GET /metrics?name[]=x HTTP/1.1\r\nHost: x\r\n\r\n")), "sluice_flows 3\n");
  EXPECT_EQ(body(exchange("GET /metrics HTTP/1.0\r\n\r\n")), "sluice_flows 3\n");
}

TEST_F(MetricsHttp, HealthFollowsWhatItWasTold) {
  start();
  EXPECT_EQ(body(exchange("GET /healthz HTTP/1.1\r\n\r\n")), "ok\n");
  healthy = false;
  EXPECT_EQ(status(exchange("GET /healthz HTTP/1.1\r\n\r\n")), "HTTP/1.1 503 Service Unavailable");
}

TEST_F(MetricsHttp, OtherPathsAndMethodsAreRefused) {
  start();
  EXPECT_EQ(status(exchange("GET / HTTP/1.1\r\n\r\n")), "HTTP/1.1 404 Not Found");
  EXPECT_EQ(status(exchange("GET /metrics/../x HTTP/1.1\r\n\r\n")), "HTTP/1.1 404 Not Found");
  const std::string put = exchange("DELETE /metrics HTTP/1.1\r\n\r\n");
  EXPECT_EQ(status(put), "HTTP/1.1 405 Method Not Allowed");
  EXPECT_NE(put.find("Allow: GET, HEAD\r\n"), std::string::npos);
  EXPECT_EQ(status(exchange("POST /healthz HTTP/1.1\r\nContent-Length: 0\r\n\r\n")),
            "HTTP/1.1 405 Method Not Allowed");
}

TEST_F(MetricsHttp, NonsenseIsABadRequest) {
  start();
  EXPECT_EQ(status(exchange(std::string("\0\xff\x01 nonsense\r\n\r\n", 15))), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(status(exchange("GET /metrics HTTP/9.9\r\n\r\n")), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(status(exchange("GET /metrics HTTP/1.1\r\nContent-Length: x\r\n\r\n")),
            "HTTP/1.1 400 Bad Request");
}

TEST_F(MetricsHttp, ALongHeadAndABodyAreRefused) {
  start();
  EXPECT_EQ(status(exchange("GET /metrics HTTP/1.1\r\nX: " + std::string(9000, 'x') + "\r\n\r\n")),
            "HTTP/1.1 431 Request Header Fields Too Large");
  EXPECT_EQ(status(exchange("GET /" + std::string(100'000, 'x') + " HTTP/1.1\r\n\r\n")),
            "HTTP/1.1 431 Request Header Fields Too Large");
  EXPECT_EQ(status(exchange("GET /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello")),
            "HTTP/1.1 413 Payload Too Large");
}

TEST_F(MetricsHttp, ARendererThatThrowsIsAServerError) {
  render = []() -> std::string { throw std::runtime_error("counters are away"); };
  start();
  const std::string answer = exchange("GET /metrics HTTP/1.1\r\n\r\n");
  EXPECT_EQ(status(answer), "HTTP/1.1 500 Internal Server Error");
  EXPECT_EQ(body(answer), "counters are away\n");
}

TEST_F(MetricsHttp, AClientThatDawdlesIsCutOff) {
  limits.request = 100ms;
  start();
  EXPECT_EQ(exchange("GET /metrics HT"), "");
}

TEST_F(MetricsHttp, AClientThatNeverReadsIsCutOffAndHoldsNobodyUp) {
  limits.answer = 100ms;
  limits.connections = 1;
  const auto big = std::make_shared<std::string>(std::size_t{32} << 20, 'x');
  render = [big] { return *big; };
  start();
  const Client deaf(port);
  deaf.send("GET /metrics HTTP/1.1\r\n\r\n");
  // The only place is free again when the deaf one was cut off.
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (status(exchange("GET /healthz HTTP/1.1\r\n\r\n")) != "HTTP/1.1 200 OK") {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  }
  EXPECT_LT(deaf.all().size(), big->size()) << "it has what the socket buffers held, and no more";
}

TEST_F(MetricsHttp, ConnectionsAreCounted) {
  limits.connections = 2;
  limits.request = 20s;
  start();
  const Client first(port), second(port);
  first.send("GET /hea");
  second.send("GET /hea");
  EXPECT_EQ(status(exchange("GET /healthz HTTP/1.1\r\n\r\n")), "HTTP/1.1 503 Service Unavailable");
  first.send("lthz HTTP/1.1\r\n\r\n");
  EXPECT_EQ(body(first.all()), "ok\n") << "who was there before is served";
  second.send("lthz HTTP/1.1\r\n\r\n");
  EXPECT_EQ(body(second.all()), "ok\n");
}

TEST_F(MetricsHttp, AnAddressThatCannotBeHadIsRefusedWithASentence) {
  start();
  try {
    const MetricsServer second(io, {*parse_address("127.0.0.1"), port}, render);
    FAIL() << "two pages at one address";
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(std::string(error.what()),
              "cannot listen on 127.0.0.1:" + std::to_string(port) +
                  ": Address already in use, set control.metrics to a free address, or to \"\"");
  }
}

}  // namespace
}  // namespace sluice::metrics
