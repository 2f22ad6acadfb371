// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include <utility>

#include "control/health/prober.h"
#include "control/http/ask.h"
#include "control/load/drain_teller.h"

namespace sluice::load {

void send_order(boost::asio::io_context& io, const AgentOrder& order, std::function<void(AgentAnswer)> done) {
  const http::Question question{.server = order.agent,
                                .host = config::to_string(order.agent),
                                .path = order.path,
                                .agent = "sluiced",
                                .order = order.body,
                                .timeout = kOrderTimeout,
                                .longest = kLongestAnswer};
  http::ask(io, question, [done = std::move(done)](http::Answer answer) {
    if (answer.status == 200) return done({true, std::move(answer.text)});
    if (answer.status == 0) return done({false, health::one_line(answer.text)});
    if (answer.text.ends_with('\n')) answer.text.pop_back();
    done({false, "HTTP status " + std::to_string(answer.status) + ": " + health::one_line(answer.text)});
  });
}

}  // namespace sluice::load
