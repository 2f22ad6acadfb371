// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Probes that keep their connection: renewed when the server closed it, and no failure then.
#include "tests/unit/health/probers.h"

namespace sluice::health {
namespace {

class Persistent : public Probers {
 protected:
  Spec kept(const Peer& peer) {
    Spec s = spec(HealthType::kHttp, peer.port());
    s.persistent = true;
    s.expect = "ok";
    return s;
  }
  void expect_good(Prober& prober) {
    const Answer answer = again(prober);
    EXPECT_EQ(answer.judgement, Judgement::kGood) << answer.text;
  }
};

TEST_F(Persistent, OneConnectionServesManyProbes) {
  Peer peer(io_, always(http_answer("ok")));
  const auto prober = make_prober(around_, kept(peer));
  for (int i = 0; i < 5; ++i) expect_good(*prober);
  EXPECT_EQ(peer.connections, 1);
  EXPECT_EQ(peer.requests, 5);
  EXPECT_EQ(around_.kept, 1u);
}

TEST_F(Persistent, OneThatThePeerClosedMeanwhileIsRenewedAndNoFailure) {
  Peer peer(io_, always(http_answer("ok")));
  const auto prober = make_prober(around_, kept(peer));
  for (int i = 0; i < 3; ++i) {
    expect_good(*prober);
    peer.close_connections();
  }
  expect_good(*prober);
  EXPECT_EQ(peer.connections, 4);
}

TEST_F(Persistent, OneThatThePeerClosesOnTheRequestIsRenewedAtOnce) {
  // The server's idle timer and our request cross: it closes without a word as the request arrives.
  int number = 0;
  Peer peer(io_, [&](Session& session, const std::string&) {
    if (++number == 2)
      session.close();
    else if (number == 4)
      session.reset();
    else
      session.send(http_answer("ok"));
  });
  const auto prober = make_prober(around_, kept(peer));
  for (int i = 0; i < 3; ++i) expect_good(*prober);
  EXPECT_EQ(peer.connections, 3);
  EXPECT_EQ(peer.requests, 5);
}

TEST_F(Persistent, AFreshOneThatIsClosedIsAFailure) {
  Peer peer(io_, [](Session& session, const std::string&) { session.close(); });
  const auto prober = make_prober(around_, kept(peer));
  EXPECT_EQ(again(*prober).judgement, Judgement::kBad);
  EXPECT_EQ(peer.connections, 1) << "asked once, not again and again";
}

TEST_F(Persistent, ACloseWithinTheAnswerIsAFailure) {
  int number = 0;
  Peer peer(io_, [&](Session& session, const std::string&) {
    if (++number == 2)
      session.send_and_close("HTTP/1.1 2");
    else
      session.send(http_answer("ok"));
  });
  const auto prober = make_prober(around_, kept(peer));
  expect_good(*prober);
  EXPECT_EQ(again(*prober).judgement, Judgement::kBad);
  expect_good(*prober);
}

TEST_F(Persistent, AServerThatWantsToCloseGetsANewConnection) {
  Peer peer(io_, always(http_answer("ok", "200 OK", "Connection: close\r\n")));
  const auto prober = make_prober(around_, kept(peer));
  for (int i = 0; i < 3; ++i) expect_good(*prober);
  EXPECT_EQ(peer.connections, 3);
  EXPECT_EQ(around_.kept, 0u);
}

TEST_F(Persistent, WhatIsSaidUnaskedIsNotTakenForAnAnswer) {
  Peer peer(io_, always(http_answer("ok")));
  const auto prober = make_prober(around_, kept(peer));
  expect_good(*prober);
  peer.sessions().front()->send(http_answer("", "408 Request Timeout"));
  io_.restart();
  io_.run_for(milliseconds(20));
  expect_good(*prober);
  EXPECT_EQ(peer.connections, 2);
}

TEST_F(Persistent, TwoAnswersToOneQuestionEndTheConnection) {
  Peer peer(io_, always(http_answer("ok") + http_answer("", "500 Late")));
  const auto prober = make_prober(around_, kept(peer));
  for (int i = 0; i < 3; ++i) expect_good(*prober);
  EXPECT_EQ(peer.connections, 3);
}

TEST_F(Persistent, KeptConnectionsAreBounded) {
  Peer peer(io_, always(http_answer("ok")));
  around_.most_kept = 2;
  std::vector<std::unique_ptr<Prober>> probers;
  for (int i = 0; i < 5; ++i) probers.push_back(make_prober(around_, kept(peer)));
  for (int round = 0; round < 2; ++round) {
    for (auto& prober : probers) expect_good(*prober);
    EXPECT_EQ(around_.kept, 2u);
  }
  probers.clear();
  EXPECT_EQ(around_.kept, 0u);
}

}  // namespace
}  // namespace sluice::health
