// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/health.h"

#include <spdlog/spdlog.h>

#include <functional>

#include "control/agent/http_server.h"
#include "control/http/beast.h"

namespace sluice::agent {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::size_t kLargestAnswer = 64 * 1024;

// One question on a connection of its own.
class Probe : public std::enable_shared_from_this<Probe> {
 public:
  using Done = std::function<void(bool good, std::string text)>;

  Probe(boost::asio::io_context& io, const HealthCheck& check, Done done)
      : stream_(io), check_(check), done_(std::move(done)) {
    parser_.body_limit(kLargestAnswer);
    request_ = {http::verb::get, check.url.path, 11};
    request_.set(http::field::host, check.url.host);
    request_.set(http::field::user_agent, "sluice-agent");
    request_.keep_alive(false);
  }

  void start() {
    stream_.expires_after(std::chrono::milliseconds(check_.timeout_ms));
    stream_.async_connect(to_asio(check_.url.server), [self = shared_from_this()](error_code error) {
      if (error) return self->done_(false, "no connection: " + error.message());
      http::async_write(self->stream_, self->request_, [self](error_code e, std::size_t) {
        if (e) return self->done_(false, "cannot ask: " + e.message());
        http::async_read(self->stream_, self->buffer_, self->parser_,
                         [self](error_code e2, std::size_t) { self->judge(e2); });
      });
    });
  }

 private:
  void judge(error_code error) {
    if (error) return done_(false, "no answer: " + error.message());
    const auto& response = parser_.get();
    const std::string status = "HTTP status " + std::to_string(response.result_int());
    if (response.result_int() / 100 != 2) return done_(false, status);
    if (response.body().find(check_.expect) == std::string::npos)
      return done_(false, "the answer lacks the word");
    done_(true, status);
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_{kLargestAnswer};
  http::request<http::empty_body> request_;
  http::response_parser<http::string_body> parser_;
  const HealthCheck& check_;
  Done done_;
};

}  // namespace

bool HealthState::observe(bool good, std::string text) {
  text_ = std::move(text);
  asked_ = true;
  bad_in_a_row_ = good ? 0 : bad_in_a_row_ + 1;
  const bool before = healthy_;
  if (good) healthy_ = true;
  if (bad_in_a_row_ >= failures_) healthy_ = false;
  return healthy_ != before;
}

HealthProber::HealthProber(boost::asio::io_context& io, const HealthCheck& check)
    : io_(io), check_(check), state_(check.failures), timer_(io) {
  probe();
}

void HealthProber::probe() {
  timer_.expires_after(std::chrono::milliseconds(check_.interval_ms));
  std::make_shared<Probe>(io_, check_, [this](bool good, std::string text) {
    finish(good, std::move(text));
  })->start();
}

void HealthProber::finish(bool good, std::string text) {
  if (state_.observe(good, std::move(text)))
    spdlog::log(good ? spdlog::level::info : spdlog::level::warn, "the server is {}: {}",
                good ? "well" : "ill", state_.text());
  timer_.async_wait([this](error_code error) {
    if (!error) probe();
  });
}

}  // namespace sluice::agent
