// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/health.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "control/http/ask.h"

namespace sluice::agent {
namespace {

constexpr std::size_t kLargestAnswer = 64 * 1024;

// Whether that answer is a good one, and what is to be said of it.
std::pair<bool, std::string> judge(const HealthCheck& check, http::Answer answer) {
  if (answer.status == 0) return {false, std::move(answer.text)};
  std::string status = "HTTP status " + std::to_string(answer.status);
  if (answer.status / 100 != 2) return {false, std::move(status)};
  if (answer.text.find(check.expect) == std::string::npos) return {false, "the answer lacks the word"};
  return {true, std::move(status)};
}

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
  const http::Question question{.server = check_.url.server,
                                .host = check_.url.host,
                                .path = check_.url.path,
                                .agent = "sluice-agent",
                                .timeout = std::chrono::milliseconds(check_.timeout_ms),
                                .longest = kLargestAnswer};
  http::ask(io_, question, [this](http::Answer answer) {
    auto [good, text] = judge(check_, std::move(answer));
    finish(good, std::move(text));
  });
}

void HealthProber::finish(bool good, std::string text) {
  if (state_.observe(good, std::move(text)))
    spdlog::log(good ? spdlog::level::info : spdlog::level::warn, "the server is {}: {}",
                good ? "well" : "ill", state_.text());
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) probe();
  });
}

}  // namespace sluice::agent
