// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <utility>

#include "control/health/prober.h"
#include "control/http/beast.h"
#include "control/load/drain_teller.h"

namespace sluice::load {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::asio::ip::tcp;
using boost::system::error_code;

// One order on a connection of its own.
class Sending : public std::enable_shared_from_this<Sending> {
 public:
  Sending(boost::asio::io_context& io, const AgentOrder& order, std::function<void(AgentAnswer)> done)
      : stream_(io), to_(health::to_asio(order.agent.address), order.agent.port), done_(std::move(done)) {
    parser_.body_limit(kLongestAnswer);
    parser_.header_limit(kLongestAnswer);
    request_ = {http::verb::post, order.path, 11};
    request_.set(http::field::host, config::to_string(order.agent));
    request_.set(http::field::user_agent, "sluiced");
    request_.set(http::field::content_type, "application/json");
    request_.keep_alive(false);
    request_.body() = order.body;
    request_.prepare_payload();
  }

  void start() {
    stream_.expires_after(kOrderTimeout);
    stream_.async_connect(to_, [self = shared_from_this()](error_code error) {
      if (error) return self->fail("no connection: ", error);
      http::async_write(self->stream_, self->request_, [self](error_code e, std::size_t) {
        if (e) return self->fail("cannot ask: ", e);
        http::async_read(self->stream_, self->buffer_, self->parser_,
                         [self](error_code e2, std::size_t) { self->judge(e2); });
      });
    });
  }

 private:
  void fail(const char* what, error_code error) { done_({false, what + health::one_line(error.message())}); }

  void judge(error_code error) {
    if (error) return fail("no answer: ", error);
    auto& response = parser_.get();
    if (response.result() == http::status::ok) return done_({true, std::move(response.body())});
    std::string body = response.body();
    if (body.ends_with('\n')) body.pop_back();
    done_({false, "HTTP status " + std::to_string(response.result_int()) + ": " + health::one_line(body)});
  }

  beast::tcp_stream stream_;
  tcp::endpoint to_;
  beast::flat_buffer buffer_{2 * kLongestAnswer};
  http::request<http::string_body> request_;
  http::response_parser<http::string_body> parser_;
  std::function<void(AgentAnswer)> done_;
};

}  // namespace

void send_order(boost::asio::io_context& io, const AgentOrder& order, std::function<void(AgentAnswer)> done) {
  std::make_shared<Sending>(io, order, std::move(done))->start();
}

}  // namespace sluice::load
