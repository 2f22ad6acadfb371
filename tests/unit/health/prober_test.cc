// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Probes by TCP, UDP and ICMP: servers that are good, gone and silent; and trouble of our own.
#include "tests/unit/health/probers.h"

#include <boost/asio/ip/udp.hpp>

namespace sluice::health {
namespace {

using boost::asio::ip::udp;

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
