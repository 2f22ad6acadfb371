// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What agents say: Sluice's own status, and HAProxy's agent-check.
#include "tests/unit/health/probers.h"

namespace sluice::health {
namespace {

TEST_F(Probers, AgentReadsTheStatus) {
  Peer peer(io_, always(http_answer(R"({"state": "draining", "connections": 7})")));
  const Result result = ask(spec(HealthType::kAgent, peer.port()));
  EXPECT_EQ(result.judgement, Judgement::kGood);
  EXPECT_EQ(result.text, "state draining");
  ASSERT_TRUE(report_);
  EXPECT_EQ(report_->life, Life::kDraining);
  EXPECT_EQ(report_->connections, 7u);
}

TEST_F(Probers, AgentWithAStatusWithoutEndIsNotReadOn) {
  Peer peer(io_, [](Session& session, const std::string&) {
    session.send("HTTP/1.1 200 OK\r\n\r\n{\"state\": \"alive\", \"x\": \"");
    session.send_forever(std::string(10000, 'x'));
  });
  const Result result = ask(spec(HealthType::kAgent, peer.port()));
  EXPECT_EQ(result.judgement, Judgement::kBad);
  EXPECT_EQ(result.text, "the status is longer than 262144 bytes");
}

TEST_F(Probers, AgentCheckReadsALine) {
  Peer peer(io_, {}, [](Session& session) { session.send_and_close("up 50%\n"); });
  EXPECT_EQ(ask(spec(HealthType::kAgentCheck, peer.port())).judgement, Judgement::kGood);
  ASSERT_TRUE(report_);
  EXPECT_EQ(report_->weight_percent, 50.0);
}

TEST_F(Probers, AgentCheckSendsWhatTheOperatorWants) {
  Peer peer(io_, [](Session& session, const std::string& request) {
    session.send_and_close(request == "state?\r\n\r\n" ? "down#asked\n" : "up\n");
  });
  Spec s = spec(HealthType::kAgentCheck, peer.port());
  s.payload = "state?\r\n\r\n";
  EXPECT_EQ(ask(s).text, "agent-check says down: asked");
}

TEST_F(Probers, AgentCheckWithoutEndOfLineIsBounded) {
  Peer peer(io_, {}, [](Session& session) { session.send_forever("up "); });
  EXPECT_EQ(ask(spec(HealthType::kAgentCheck, peer.port())).text, "no end of line in the first 256 bytes");
}

TEST_F(Probers, AgentCheckThatClosesSilentlyIsAFailure) {
  Peer peer(io_, {}, [](Session& session) { session.close(); });
  EXPECT_EQ(ask(spec(HealthType::kAgentCheck, peer.port())).judgement, Judgement::kBad);
}

}  // namespace
}  // namespace sluice::health
