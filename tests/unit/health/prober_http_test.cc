// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// HTTP and HTTPS probes: servers that are good, wrong, slow, endless, compressed, malicious.
#include "tests/unit/health/certificate.h"
#include "tests/unit/health/probers.h"

namespace sluice::health {
namespace {

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

}  // namespace
}  // namespace sluice::health
