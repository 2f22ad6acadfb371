// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What servers and their agents answer: each input is the answer to one question of a prober, or of control's
// orders to an agent, over a real connection, in the pieces that the input says. The question ends with one
// judgement, always.
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <string>

#include "control/health/prober.h"
#include "control/load/drain_teller.h"
#include "control/load/figure.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/must.h"

namespace sluice::fuzz {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kMostTexts = 400;  // bytes of an answer's sentence
constexpr unsigned kMostSteps = 100'000;

// A server that says one thing to whoever connects, and then has no more to say.
class Server {
 public:
  explicit Server(boost::asio::io_context& io) : acceptor_(io, tcp::endpoint(tcp::v4(), 0)), peer_(io) {}

  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  void say(std::string text, std::size_t piece) {
    text_ = std::move(text);
    piece_ = std::max<std::size_t>(piece, 1);
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (error) return;
      peer_ = std::move(socket);
      peer_.set_option(tcp::no_delay(true), error);
      write(0);
    });
  }
  void stop() {
    error_code ignored;
    acceptor_.cancel(ignored);
    peer_.close(ignored);
  }

 private:
  void write(std::size_t from) {
    if (from >= text_.size()) {
      error_code ignored;
      peer_.shutdown(tcp::socket::shutdown_send, ignored);
      return;
    }
    const std::size_t bytes = std::min(piece_, text_.size() - from);
    boost::asio::async_write(peer_, boost::asio::buffer(text_.data() + from, bytes),
                             [this, from, bytes](error_code error, std::size_t) {
                               if (!error) write(from + bytes);
                             });
  }

  tcp::acceptor acceptor_;
  tcp::socket peer_;
  std::string text_;
  std::size_t piece_ = 1;
};

template <typename Done>
void turn_until(boost::asio::io_context& io, Done done) {
  for (unsigned steps = 0; !done(); ++steps) {
    must(steps < kMostSteps, "a question that never ends");
    io.restart();
    io.run_one();
  }
}

void look_at(const health::Answer& answer) {
  must(answer.text.size() <= kMostTexts && answer.text.find('\n') == std::string::npos,
       "a judgement that is no short line");
  if (!answer.report) return;
  for (const char* vip : {"203.0.113.10/32", "2001:db8::/32"}) {
    const load::Figure figure = load::figure_of(*answer.report, *parse_prefix(vip));
    must(!figure.utilisation || (*figure.utilisation >= 0 && *figure.utilisation <= 1), "more than all");
  }
}

void ask(boost::asio::io_context& io, Server& server, config::HealthType type, bool persistent) {
  health::Surroundings around{.io = io, .pinger = nullptr, .tls = nullptr};
  health::Spec spec;
  spec.type = type;
  spec.address = *parse_address("127.0.0.1");
  spec.port = server.port();
  spec.path = "/healthz";
  spec.expect = "sluice-ok";
  spec.persistent = persistent;
  const auto prober = health::make_prober(around, spec);
  bool done = false;
  prober->ask([&](health::Answer answer) {
    look_at(answer);
    done = true;
  });
  turn_until(io, [&] { return done; });
  server.stop();
}

void order(boost::asio::io_context& io, Server& server) {
  bool done = false;
  const load::AgentOrder drain{
      {*parse_address("127.0.0.1"), server.port()}, "/drain", R"({"vip":"203.0.113.10"})"};
  load::send_order(io, drain, [&](const load::AgentAnswer& answer) {
    must(answer.good || answer.text.size() <= kMostTexts, "a refusal that is no short line");
    if (answer.good) static_cast<void>(load::connections_in(answer.text));
    done = true;
  });
  turn_until(io, [&] { return done; });
  server.stop();
}

}  // namespace
}  // namespace sluice::fuzz

// First what is asked, then the size of the pieces, then the answer.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  using config::HealthType;
  fuzz::Input input(data, size);
  const unsigned what = input.number8();
  const std::size_t piece = 1 + input.number8() * 64u;
  const std::string_view text = input.text(size);
  // Without a connection, for speed.
  if (what % 8 == 0) fuzz::look_at(health::read_status(text));
  if (what % 8 == 1) fuzz::look_at(health::read_agent_check(text));
  if (what % 8 == 2) static_cast<void>(load::connections_in(text));
  if (what % 8 < 3) return 0;
  boost::asio::io_context io;
  fuzz::Server server(io);
  server.say(std::string(text), piece);
  switch (what % 8) {
    case 3:
      fuzz::ask(io, server, HealthType::kHttp, what & 0x80);
      break;
    case 4:
      fuzz::ask(io, server, HealthType::kAgent, what & 0x80);
      break;
    case 5:
      fuzz::ask(io, server, HealthType::kAgentCheck, false);
      break;
    case 6:
      fuzz::order(io, server);
      break;
    default:
      fuzz::ask(io, server, HealthType::kTcp, false);
  }
  io.restart();
  io.poll();
  return 0;
}
