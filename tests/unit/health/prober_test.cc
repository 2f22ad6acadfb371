// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Probers against real sockets: servers that are good, gone, slow, endless, wrong, compressed, malicious.
#include "control/health/prober.h"

#include <gtest/gtest.h>

#include <boost/asio/ip/udp.hpp>

#include "control/health/probe.h"
#include "tests/unit/health/certificate.h"
#include "tests/unit/health/peer.h"

namespace sluice::health {
namespace {

using boost::asio::ip::udp;
using config::HealthType;
using std::chrono::milliseconds;

class Probers : public testing::Test {
 protected:
  Spec spec(HealthType type, std::uint16_t port, const char* address = "127.0.0.1") {
    Spec s;
    s.type = type;
    s.address = *parse_address(address);
    s.port = port;
    if (type != HealthType::kTcp && type != HealthType::kUdp && type != HealthType::kIcmp)
      s.path = "/healthz";
    s.timeout = milliseconds(2000);
    s.interval = std::chrono::hours(1);  // one result is enough
    return s;
  }

  // The result of one probe, timeout included.
  Result ask(const Spec& spec) {
    Gate gate(1);
    std::optional<Result> result;
    const auto probe = std::make_shared<Probe>(around_, gate, spec, Clock::duration::zero(),
                                               [&](const Answer& answer, const Result& r) {
                                                 report_ = answer.report;
                                                 result = r;
                                                 return std::optional<unsigned>();
                                               });
    probe->start_at(Clock::now());
    EXPECT_TRUE(run_until(io_, [&] { return result.has_value(); }));
    EXPECT_EQ(gate.inside(), 0u);
    return result.value_or(Result{});
  }

  // Asks the same prober again and again, as the monitor does.
  Answer again(Prober& prober) {
    std::optional<Answer> answer;
    prober.ask([&](Answer a) { answer = std::move(a); });
    EXPECT_FALSE(answer) << "called before ask() returned";
    EXPECT_TRUE(run_until(io_, [&] { return answer.has_value(); }));
    return answer.value_or(Answer{});
  }

  boost::asio::io_context io_;
  Surroundings around_{.io = io_, .pinger = nullptr, .tls = nullptr};
  std::optional<Report> report_;
};

// A port that was free a moment ago.
std::uint16_t closed_port() {
  boost::asio::io_context io;
  return Peer(io, {}).port();
}

// --- tcp -----------------------------------------------------------------------------------------------

TEST_F(Probers, TcpIsGoodWhenTheConnectionIsAccepted) {
  Peer peer(io_, {});
  const Result result = ask(spec(HealthType::kTcp, peer.port()));
  EXPECT_EQ(result.judgement, Judgement::kGood);
  EXPECT_EQ(result.text, "connected");
  EXPECT_GT(result.took.count(), 0);
  EXPECT_LT(result.took, milliseconds(1000));
}

TEST_F(Probers, TcpOverIpv6) {
  Peer peer(io_, {}, {}, nullptr, "::1");
  EXPECT_EQ(ask(spec(HealthType::kTcp, peer.port(), "::1")).judgement, Judgement::kGood);
}

TEST_F(Probers, TcpSaysThatNobodyListens) {
  const Result result = ask(spec(HealthType::kTcp, closed_port()));
  EXPECT_EQ(result.judgement, Judgement::kBad);
  EXPECT_EQ(result.text, "connection refused");
}

TEST_F(Probers, TcpGivesUpAtTheTimeout) {
  // A listener whose queue is full takes no further connection: its kernel drops the SYN.
  tcp::acceptor full(io_, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0), true);
  full.listen(0);
  std::vector<tcp::socket> fill;
  for (int i = 0; i < 4; ++i) {
    fill.emplace_back(io_);
    fill.back().async_connect(full.local_endpoint(), [](error_code) {});
  }
  io_.run_for(milliseconds(20));
  Spec silent = spec(HealthType::kTcp, full.local_endpoint().port());
  silent.timeout = milliseconds(60);
  const Result result = ask(silent);
  EXPECT_EQ(result.judgement, Judgement::kBad);
  EXPECT_EQ(result.text, "waited 60 ms for the connection");
  EXPECT_GE(result.took, milliseconds(60));
}

TEST_F(Probers, AProbeThatIsStoppedSaysNothingAndFreesItsSocket) {
  Peer peer(io_, {});
  {
    const auto prober = make_prober(around_, spec(HealthType::kHttp, peer.port()));
    bool called = false;
    prober->ask([&](const Answer&) { called = true; });
    ASSERT_TRUE(run_until(io_, [&] { return peer.requests == 1; }));
    prober->stop();
    io_.restart();
    io_.run_for(milliseconds(20));
    EXPECT_FALSE(called);
    prober->ask([&](const Answer&) { called = true; });
  }
  io_.restart();
  io_.run_for(milliseconds(20));
}

// --- http ----------------------------------------------------------------------------------------------

struct HttpCase {
  const char* what;
  std::string answer;  // and then the connection is closed
  std::string expect;
  Judgement judgement;
  std::string text;
};

class HttpAnswers : public Probers, public testing::WithParamInterface<HttpCase> {};

TEST_P(HttpAnswers, AreJudged) {
  const HttpCase& c = GetParam();
  Peer peer(io_, [&](Session& session, const std::string&) { session.send_and_close(c.answer); });
  Spec s = spec(HealthType::kHttp, peer.port());
  s.expect = c.expect;
  const Result result = ask(s);
  EXPECT_EQ(result.judgement, c.judgement) << c.what;
  EXPECT_EQ(result.text, c.text) << c.what;
}

void PrintTo(const HttpCase& c, std::ostream* out) {
  *out << c.what;
}

INSTANTIATE_TEST_SUITE_P(
    Http, HttpAnswers,
    testing::Values(
        HttpCase{"200 is good", http_answer("hello"), "", Judgement::kGood, "HTTP status 200"},
        HttpCase{"and 204", "HTTP/1.1 204 No Content\r\n\r\n", "", Judgement::kGood, "HTTP status 204"},
        HttpCase{"the word is there", http_answer("all sluice-ok here"), "sluice-ok", Judgement::kGood,
                 "HTTP status 200, the word is there"},
        HttpCase{"the word in two chunks",
                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nsluice\r\n3\r\n-ok\r\n0\r\n\r\n",
                 "sluice-ok", Judgement::kGood, "HTTP status 200, the word is there"},
        HttpCase{"HTTP/1.0 and the end of the connection", "HTTP/1.0 200 OK\r\n\r\nsluice-ok", "sluice-ok",
                 Judgement::kGood, "HTTP status 200, the word is there"},
        HttpCase{"another word", http_answer("sluice-off"), "sluice-ok", Judgement::kBad,
                 "HTTP status 200, the word is not there"},
        HttpCase{"the word in a header is not in the body", http_answer("", "200 OK", "X: sluice-ok\r\n"),
                 "sluice-ok", Judgement::kBad, "HTTP status 200, the word is not there"},
        HttpCase{"503", http_answer("sluice-ok", "503 Service Unavailable"), "sluice-ok", Judgement::kBad,
                 "HTTP status 503"},
        HttpCase{"a redirect is no answer", http_answer("", "302 Found", "Location: /\r\n"), "",
                 Judgement::kBad, "HTTP status 302"},
        HttpCase{"compressed", http_answer("\x1f\x8b\x08", "200 OK", "Content-Encoding: gzip\r\n"),
                 "sluice-ok", Judgement::kBad,
                 "HTTP status 200, the answer is compressed (gzip), the word cannot be seen"},
        HttpCase{"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", "", Judgement::kBad, "no HTTP answer: bad version"},
        HttpCase{"closed at once", "", "", Judgement::kBad, "the connection was closed without an answer"},
        HttpCase{"closed within the header", "HTTP/1.1 200 OK\r\nX: ", "", Judgement::kBad,
                 "no HTTP answer: partial message"},
        HttpCase{"closed within the body", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsluice",
                 "sluice-ok", Judgement::kBad, "the answer broke off: partial message"},
        HttpCase{"a header of a megabyte", "HTTP/1.1 200 OK\r\nX: " + std::string(1 << 20, 'x') + "\r\n\r\n",
                 "", Judgement::kBad, "the header is longer than 8192 bytes"},
        HttpCase{"ten thousand header lines",
                 "HTTP/1.1 200 OK\r\n" +
                     [] {
                       std::string lines;
                       for (int i = 0; i < 10000; ++i) lines += "X: y\r\n";
                       return lines;
                     }() +
                     "\r\n",
                 "", Judgement::kBad, "the header is longer than 8192 bytes"},
        HttpCase{"a length that no memory holds",
                 "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nsluice-ok", "sluice-ok",
                 Judgement::kGood, "HTTP status 200, the word is there"},
        HttpCase{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "", Judgement::kBad,
                 "no HTTP answer: bad Content-Length"},
        HttpCase{"a chunk size that is none",
                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nsluice-ok", "sluice-ok",
                 Judgement::kBad, "the answer broke off: bad chunk"},
        HttpCase{"a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", "", Judgement::kBad,
                 "no HTTP answer: bad status"}));

TEST_F(Probers, HttpAsksPlainlyForThePathAndTheHost) {
  std::string request;
  Peer peer(io_, [&](Session& session, const std::string& text) {
    request = text;
    session.send_and_close(http_answer(""));
  });
  Spec s = spec(HealthType::kHttp, peer.port());
  s.path = "/up?deep=1";
  s.host = "www.example.net";
  ask(s);
  EXPECT_EQ(request,
            "GET /up?deep=1 HTTP/1.1\r\nHost: www.example.net\r\nUser-Agent: sluice-health/" SLUICE_VERSION
            "\r\nAccept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n");
}

TEST_F(Probers, AnEndlessBodyIsReadToItsBoundOnly) {
  Peer peer(io_, [](Session& session, const std::string&) {
    session.send("HTTP/1.1 200 OK\r\n\r\n");
    session.send_forever(std::string(10000, 'x'));
  });
  Spec s = spec(HealthType::kHttp, peer.port());
  s.expect = "sluice-ok";
  const Result result = ask(s);
  EXPECT_EQ(result.judgement, Judgement::kBad);
  EXPECT_EQ(result.text, "HTTP status 200, the word is not in the first 65536 bytes");
}

TEST_F(Probers, TheWordAtTheFrontOfAnEndlessBodyIsEnough) {
  Peer peer(io_, [](Session& session, const std::string&) {
    session.send("HTTP/1.1 200 OK\r\n\r\nsluice-ok");
    session.send_forever(std::string(10000, 'x'));
  });
  for (const bool persistent : {false, true}) {
    Spec s = spec(HealthType::kHttp, peer.port());
    s.expect = "sluice-ok";
    s.persistent = persistent;
    EXPECT_EQ(ask(s).judgement, Judgement::kGood) << persistent;
  }
}

TEST_F(Probers, ASlowAnswerIsNotWaitedFor) {
  struct Slow {
    std::string sent, waited_for;
  };
  for (const Slow& slow :
       {Slow{"", "an answer"}, Slow{"HTTP/1.1 200 OK\r\nX", "an answer"},
        Slow{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsluice-", "the end of the answer"}}) {
    Peer peer(io_, always(slow.sent));
    Spec s = spec(HealthType::kHttp, peer.port());
    s.expect = "sluice-ok";
    s.timeout = milliseconds(50);
    const Result result = ask(s);
    EXPECT_EQ(result.judgement, Judgement::kBad);
    EXPECT_EQ(result.text, "waited 50 ms for " + slow.waited_for);
  }
}

TEST_F(Probers, AnEndlessChunkHeaderIsBounded) {
  Peer peer(io_, [](Session& session, const std::string&) {
    session.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;");
    session.send_forever(std::string(10000, 'x'));
  });
  Spec s = spec(HealthType::kHttp, peer.port());
  s.expect = "sluice-ok";
  const Result result = ask(s);
  EXPECT_EQ(result.judgement, Judgement::kBad);
  EXPECT_EQ(result.text, "the answer broke off: buffer overflow");
}

// --- persistent connections ----------------------------------------------------------------------------

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

// --- https ---------------------------------------------------------------------------------------------

TEST_F(Probers, HttpsFindsTheWordBehindAnyCertificate) {
  const auto tls = server_context();
  Peer peer(io_, always(http_answer("sluice-ok")), {}, tls.get());
  Spec s = spec(HealthType::kHttps, peer.port());
  s.host = "www.example.net";
  s.expect = "sluice-ok";
  const Result result = ask(s);
  EXPECT_EQ(result.judgement, Judgement::kGood) << result.text;
}

TEST_F(Probers, HttpsSaysWhichHostItWants) {
  const auto tls = server_context();
  std::string name;
  SSL_CTX_set_tlsext_servername_arg(tls->native_handle(), &name);
  SSL_CTX_set_tlsext_servername_callback(
      tls->native_handle(), +[](SSL* connection, int*, void* out) {
        const char* asked = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name);
        *static_cast<std::string*>(out) = asked != nullptr ? asked : "none";
        return SSL_TLSEXT_ERR_OK;
      });
  Peer peer(io_, always(http_answer("")), {}, tls.get());
  Spec s = spec(HealthType::kHttps, peer.port());
  constexpr std::array<std::pair<const char*, const char*>, 3> kHosts = {
      {{"www.example.net", "www.example.net"}, {"203.0.113.10", "none"}, {"[2001:db8::1]", "none"}}};
  for (const auto& [host, sni] : kHosts) {
    s.host = host;
    EXPECT_EQ(ask(s).judgement, Judgement::kGood);
    EXPECT_EQ(name, sni);
  }
}

TEST_F(Probers, HttpsAgainstAServerWithoutTlsFails) {
  Peer peer(io_, {}, [](Session& session) { session.send(http_answer("sluice-ok")); });
  const Result result = ask(spec(HealthType::kHttps, peer.port()));
  EXPECT_EQ(result.judgement, Judgement::kBad);
  EXPECT_TRUE(result.text.starts_with("TLS handshake: ")) << result.text;
}

TEST_F(Probers, HttpsGivesUpOnAHandshakeThatDoesNotCome) {
  Peer peer(io_, {});
  Spec s = spec(HealthType::kHttps, peer.port());
  s.timeout = milliseconds(50);
  EXPECT_EQ(ask(s).text, "waited 50 ms for the TLS handshake");
}

TEST_F(Probers, HttpsConnectionsArePersistentTooAndRenewed) {
  const auto tls = server_context();
  Peer peer(io_, always(http_answer("ok")), {}, tls.get());
  Spec s = spec(HealthType::kHttps, peer.port());
  s.persistent = true;
  const auto prober = make_prober(around_, s);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(again(*prober).judgement, Judgement::kGood);
  EXPECT_EQ(peer.requests, 3);
  const int before = peer.connections;
  peer.close_connections();
  EXPECT_EQ(again(*prober).judgement, Judgement::kGood);
  EXPECT_EQ(peer.connections, before + 1);
}

// --- agent and agent-check -----------------------------------------------------------------------------

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

// --- udp -----------------------------------------------------------------------------------------------

// Answers each datagram by what `answer` makes of it; an empty text is silence.
struct UdpPeer {
  UdpPeer(boost::asio::io_context& io, std::function<std::string(const std::string&)> answer)
      : socket(io, udp::endpoint(boost::asio::ip::address_v4::loopback(), 0)), answers(std::move(answer)) {
    receive();
  }
  void receive() {
    socket.async_receive_from(boost::asio::buffer(bytes), from, [this](error_code error, std::size_t got) {
      if (error) return;
      const std::string text = answers(std::string(bytes.data(), got));
      if (!text.empty()) socket.send_to(boost::asio::buffer(text), from);
      receive();
    });
  }
  std::uint16_t port() const { return socket.local_endpoint().port(); }

  udp::socket socket;
  udp::endpoint from;
  std::array<char, 2048> bytes;
  std::function<std::string(const std::string&)> answers;
};

TEST_F(Probers, UdpSendsThePayloadAndExpectsTheAnswer) {
  UdpPeer peer(
      io_, [](const std::string& asked) { return asked == std::string("\x00q", 2) ? "an answer" : "what?"; });
  Spec s = spec(HealthType::kUdp, peer.port());
  s.payload = std::string("\x00q", 2);
  s.expect = "answer";
  Result result = ask(s);
  EXPECT_EQ(result.judgement, Judgement::kGood);
  EXPECT_EQ(result.text, "an answer of 9 bytes");
  s.payload = "other";
  result = ask(s);
  EXPECT_EQ(result.judgement, Judgement::kBad);
  EXPECT_EQ(result.text, "the answer of 5 bytes is not the expected one");
  s.expect = "";
  EXPECT_EQ(ask(s).judgement, Judgement::kGood) << "any answer will do";
}

TEST_F(Probers, UdpSaysThatNobodyListens) {
  std::uint16_t port = 0;
  {
    UdpPeer peer(io_, [](const std::string&) { return ""; });
    port = peer.port();
  }
  EXPECT_EQ(ask(spec(HealthType::kUdp, port)).text, "connection refused");
}

TEST_F(Probers, UdpTakesSilenceForAFailure) {
  UdpPeer peer(io_, [](const std::string&) { return ""; });
  Spec s = spec(HealthType::kUdp, peer.port());
  s.timeout = milliseconds(50);
  EXPECT_EQ(ask(s).text, "waited 50 ms for an answer");
}

// --- icmp ----------------------------------------------------------------------------------------------

TEST_F(Probers, IcmpIsGoodWhenTheEchoComesBack) {
  for (const char* address : {"127.0.0.1", "127.5.6.7", "::1"}) {
    const Result result = ask(spec(HealthType::kIcmp, 0, address));
    EXPECT_EQ(result.judgement, Judgement::kGood) << address << ": " << result.text;
    EXPECT_EQ(result.text, "echo reply");
  }
}

TEST_F(Probers, IcmpSharesOneSocketAmongManyAndTellsThemApart) {
  std::vector<std::unique_ptr<Prober>> probers;
  int good = 0;
  for (int i = 1; i <= 200; ++i)
    probers.push_back(
        make_prober(around_, spec(HealthType::kIcmp, 0, ("127.1.1." + std::to_string(i)).c_str())));
  for (auto& prober : probers)
    prober->ask([&](const Answer& answer) { good += answer.judgement == Judgement::kGood; });
  EXPECT_TRUE(run_until(io_, [&] { return good == 200; })) << good;
}

TEST_F(Probers, IcmpGivesUpAtTheTimeout) {
  // RFC 6666's discard prefix is routed nowhere; without any route the kernel says so itself.
  Spec s = spec(HealthType::kIcmp, 0, "100::1");
  s.timeout = milliseconds(50);
  EXPECT_EQ(ask(s).judgement, Judgement::kBad);
}

// --- trouble of our own --------------------------------------------------------------------------------

TEST(Trouble, OfOurOwnIsNotHeldAgainstTheDip) {
  using namespace boost::system::errc;
  for (const auto code :
       {too_many_files_open, too_many_files_open_in_system, no_buffer_space, not_enough_memory,
        address_not_available, permission_denied, operation_not_permitted, resource_unavailable_try_again})
    EXPECT_EQ(trouble(make_error_code(code)).judgement, Judgement::kNone) << code;
  for (const auto code :
       {connection_refused, host_unreachable, network_unreachable, connection_reset, timed_out})
    EXPECT_EQ(trouble(make_error_code(code)).judgement, Judgement::kBad) << code;
}

TEST_F(Probers, ALoopThatWasHeldUpDoesNotBlameTheServerOnceButDoesTwice) {
  Peer peer(io_, {});  // accepts and is silent
  Spec s = spec(HealthType::kHttp, peer.port());
  s.timeout = milliseconds(20);
  s.interval = milliseconds(40);
  Gate gate(1);
  std::vector<Result> results;
  const auto probe = std::make_shared<Probe>(around_, gate, s, Clock::duration::zero(),
                                             [&](const Answer&, const Result& result) {
                                               results.push_back(result);
                                               return std::optional<unsigned>();
                                             });
  probe->start_at(Clock::now());
  for (std::size_t i = 1; i <= 2; ++i) {
    ASSERT_TRUE(run_until(io_, [&] { return gate.inside() == 1; }));
    const auto resume = Clock::now() + milliseconds(300);
    while (Clock::now() < resume) {
    }
    ASSERT_TRUE(run_until(io_, [&] { return results.size() == i; }));
  }
  EXPECT_EQ(results[0].judgement, Judgement::kNone);
  EXPECT_TRUE(results[0].text.starts_with("not counted: the monitor was held up for ")) << results[0].text;
  EXPECT_EQ(results[1].judgement, Judgement::kBad);
  probe->stop();
}

}  // namespace
}  // namespace sluice::health
