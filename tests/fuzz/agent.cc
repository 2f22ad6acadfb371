// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What anybody may send to sluice-agent's port: bytes over a real connection, with its orders read as the
// agent reads them. Whoever it is, the connection ends, and what is said back is HTTP. (A14.)
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <string>

#include "control/agent/config.h"
#include "control/agent/drains.h"
#include "control/http/server.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/must.h"

namespace sluice::fuzz {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr unsigned kMostSteps = 100'000;

const agent::Config& configuration() {
  static const agent::Config config = [] {
    agent::Config c;
    for (const char* text : {"203.0.113.10/32", "2001:db8:cb::/48"}) {
      agent::Vip vip;
      vip.prefix = *parse_prefix(text);
      vip.services.push_back({.protocol = agent::Protocol::kTcp, .port = 80, .dip_port = 8080});
      vip.services.push_back({.protocol = agent::Protocol::kAny, .port = 0, .dip_port = 0});
      c.vips.push_back(vip);
    }
    return c;
  }();
  return config;
}

http::Response answer(agent::Drains& drains, const http::Request& request) {
  std::string error;
  const auto now = agent::DrainClock::now();
  const auto order = agent::read_drain(request.body, configuration(), error);
  must(order.has_value() == error.empty(), "neither an order nor a sentence, or both");
  if (!order) return {400, "text/plain", error};
  if (request.path == "/undrain") {
    drains.end(order->key, request.peer);
  } else {
    drains.begin(*order, request.peer, now);
  }
  drains.count(order->key, 3, now);
  return {200, "application/json", agent::describe(order->key)};
}

// Sends its text, half-closes, and reads to the end.
class Client {
 public:
  Client(boost::asio::io_context& io, std::uint16_t port, std::string text, std::size_t piece)
      : socket_(io), text_(std::move(text)), piece_(piece) {
    socket_.connect({boost::asio::ip::address_v4::loopback(), port});
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    socket_.set_option(tcp::socket::linger(true, 0), ignored);
    write(0);
    read();
  }
  [[nodiscard]] const bool& done() const { return done_; }
  [[nodiscard]] const std::string& heard() const { return heard_; }

 private:
  void write(std::size_t from) {
    if (from >= text_.size()) {
      error_code ignored;
      socket_.shutdown(tcp::socket::shutdown_send, ignored);
      return;
    }
    const std::size_t bytes = std::min(piece_, text_.size() - from);
    boost::asio::async_write(socket_, boost::asio::buffer(text_.data() + from, bytes),
                             [this, from, bytes](error_code error, std::size_t) {
                               if (!error) write(from + bytes);
                             });
  }
  void read() {
    socket_.async_read_some(boost::asio::buffer(buffer_), [this](error_code error, std::size_t bytes) {
      heard_.append(buffer_, bytes);
      if (error) {
        done_ = true;
        return;
      }
      read();
    });
  }

  tcp::socket socket_;
  std::string text_, heard_;
  std::size_t piece_;
  char buffer_[4096];
  bool done_ = false;
};

}  // namespace
}  // namespace sluice::fuzz

// First the size of the pieces, then all that is sent. 0xff: the rest is the agent's own configuration.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  fuzz::Input input(data, size);
  const unsigned how = input.number8();
  if (how == 0xff) {
    const agent::Parsed parsed = agent::read_config_text(input.text(size), "fuzz.conf");
    fuzz::must(parsed.config.has_value() == parsed.errors.empty(), "neither a configuration nor errors");
    return 0;
  }
  const std::size_t piece = 1 + how * 16u;
  boost::asio::io_context io;
  agent::Drains drains;
  http::Server server(
      io, {*parse_address("127.0.0.1"), 0},
      [&](const http::Request& request) { return fuzz::answer(drains, request); }, {}, "");
  fuzz::Client client(io, server.port(), std::string(input.text(size)), piece);
  for (unsigned steps = 0; !client.done(); ++steps) {
    fuzz::must(steps < fuzz::kMostSteps, "a connection that never ends");
    io.run_one();
  }
  fuzz::must(client.heard().empty() || client.heard().starts_with("HTTP/1.1 "), "what is said is not HTTP");
  server.close();
  io.restart();
  io.poll();
  return 0;
}
