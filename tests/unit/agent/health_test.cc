// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
#include "control/agent/health.h"

#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>

namespace sluice::agent::test {
namespace {

using boost::asio::ip::tcp;

// A server that takes the question and never answers.
TEST(HealthProber, CountsSilenceAsABadAnswerInTime) {
  boost::asio::io_context io{1};
  tcp::acceptor silent(io, {boost::asio::ip::make_address("127.0.0.1"), 0});
  HealthCheck check;
  check.url = {{*parse_address("127.0.0.1"), silent.local_endpoint().port()}, "127.0.0.1", "/"};
  check.timeout_ms = 50;
  HealthProber prober(io, check);
  while (prober.state().text() == "not asked yet" && io.run_one() > 0) {
  }
  EXPECT_FALSE(prober.state().healthy());
  EXPECT_EQ(prober.state().text().find("no answer: "), 0u) << prober.state().text();
}

}  // namespace
}  // namespace sluice::agent::test
