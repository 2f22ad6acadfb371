// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Sockets of probes that take the clients' way: bound to the right address, interface and port, and given
// back. Loopback stands for the port's kernel interface, 127.0.0.2 for a VIP.
#include "control/health/data_path.h"

#include <gtest/gtest.h>

#include <boost/asio/ip/udp.hpp>

#include "control/health/prober.h"
#include "tests/unit/health/peer.h"

namespace sluice::health {
namespace {

using boost::asio::ip::udp;
using config::HealthType;

constexpr const char* kVip = "127.0.0.2";

class DataPaths : public testing::Test {
 protected:
  Spec spec(HealthType type, std::uint16_t port) {
    Spec s;
    s.type = type;
    s.address = *parse_address("192.0.2.1");  // nobody: only the VIP is spoken to
    s.port = port;
    s.path = "/";
    s.through = config::ProbeWay::kVip;
    s.vip = *parse_address(kVip);
    s.service = "web";
    s.dip = "192.0.2.1";
    return s;
  }
  Answer ask(Prober& prober) {
    std::optional<Answer> answer;
    prober.ask([&](Answer a) { answer = std::move(a); });
    EXPECT_TRUE(run_until(io_, [&] { return answer.has_value(); }));
    return answer.value_or(Answer{});
  }
  Answer ask(const Spec& spec) { return ask(*make_prober(around_, spec)); }
  std::variant<Way, std::string> find(const std::string& service, const std::string& dip) {
    asked_.push_back(service + ' ' + dip);
    return way_;
  }

  boost::asio::io_context io_;
  ProbePorts ports_;
  std::variant<Way, std::string> way_ = Way{*parse_address("127.0.0.3"), "lo", 7};
  std::vector<std::string> asked_;
  std::shared_ptr<DataPath> path_ = std::make_shared<DataPath>(
      ports_, [this](const std::string& s, const std::string& d) { return find(s, d); });
  Surroundings around_{.io = io_, .pinger = nullptr, .tls = nullptr, .data_path = path_};
};

TEST_F(DataPaths, AConnectionComesFromAPortThatStandsForTheDip) {
  std::string from;
  std::uint16_t port = 0;
  tcp::acceptor vip(io_, tcp::endpoint(boost::asio::ip::make_address(kVip), 0));
  vip.async_accept([&](error_code, tcp::socket socket) {
    from = socket.remote_endpoint().address().to_string();
    port = socket.remote_endpoint().port();
  });
  const auto prober = make_prober(around_, spec(HealthType::kTcp, vip.local_endpoint().port()));
  EXPECT_EQ(ask(*prober).text, "connected");
  ASSERT_TRUE(run_until(io_, [&] { return port != 0; }));
  EXPECT_EQ(from, "127.0.0.3");
  EXPECT_GE(port, ProbePorts::kFirst);
  EXPECT_EQ(ports_.target_of(port), 7u);
  EXPECT_EQ(asked_, std::vector<std::string>{"web 192.0.2.1"});
}

TEST_F(DataPaths, HttpAndUdpTakeTheSameWay) {
  Peer peer(
      io_, [](auto& s, const std::string&) { s.send_and_close("HTTP/1.1 200 OK\r\n\r\n"); }, {}, nullptr,
      kVip);
  EXPECT_EQ(ask(spec(HealthType::kHttp, peer.port())).text, "HTTP status 200");

  udp::socket server(io_, udp::endpoint(boost::asio::ip::make_address(kVip), 0));
  std::array<char, 64> bytes;
  udp::endpoint asker;
  server.async_receive_from(boost::asio::buffer(bytes), asker, [&](error_code, std::size_t n) {
    server.send_to(boost::asio::buffer(bytes.data(), n), asker);
  });
  Spec question = spec(HealthType::kUdp, server.local_endpoint().port());
  question.payload = question.expect = "who";
  const Answer answer = ask(question);
  EXPECT_EQ(answer.text, "an answer of 3 bytes");
  EXPECT_TRUE(answer.heard);
  EXPECT_EQ(ports_.target_of(asker.port()), 7u);
}

TEST_F(DataPaths, AFullSizeQuestionIsLongAndTheSame) {
  std::size_t longest = 0;
  Peer peer(
      io_,
      [&](auto& s, const std::string& request) {
        longest = request.size();
        s.send_and_close("HTTP/1.1 431 Too Long\r\n\r\n");
      },
      {}, nullptr, kVip);
  Spec question = spec(HealthType::kHttp, peer.port());
  question.fill_bytes = 2900;
  const Answer answer = ask(question);
  EXPECT_EQ(answer.judgement, Judgement::kBad);
  EXPECT_TRUE(answer.heard) << "whatever was said, it arrived";
  EXPECT_GT(longest, 2900u);
}

TEST_F(DataPaths, ARefusalIsToldApartFromSilence) {
  tcp::acceptor gone(io_, tcp::endpoint(boost::asio::ip::make_address(kVip), 0));
  const std::uint16_t port = gone.local_endpoint().port();
  gone.close();
  const Answer answer = ask(spec(HealthType::kTcp, port));
  EXPECT_TRUE(answer.refused);
  EXPECT_FALSE(answer.heard);
}

TEST_F(DataPaths, WithoutAWayNothingIsHeldAgainstTheDip) {
  way_ = std::string("no port has an IPv6 address to send from");
  const Answer none = ask(spec(HealthType::kTcp, 80));
  EXPECT_EQ(none.judgement, Judgement::kNone);
  EXPECT_EQ(none.text, "not asked: no port has an IPv6 address to send from");
  around_.data_path = nullptr;
  EXPECT_EQ(ask(spec(HealthType::kTcp, 80)).text, "not asked: no port has a kernel interface");
}

TEST_F(DataPaths, PortsAreUsedInTurnAndGivenBack) {
  std::vector<DataPath::Lease> leases(ProbePorts::kCount);
  std::vector<tcp::socket> sockets;
  const Spec probe = spec(HealthType::kTcp, 80);
  const auto bind = [&](DataPath::Lease& lease) {
    tcp::socket socket(io_, tcp::v4());
    const auto wrong = path_->bind(socket.native_handle(), probe, lease);
    return wrong ? wrong->text : std::string();
  };
  for (DataPath::Lease& lease : leases) ASSERT_EQ(bind(lease), "");
  EXPECT_EQ(leases.front().port(), ProbePorts::kFirst);
  EXPECT_EQ(leases.back().port(), 65535);
  DataPath::Lease further;
  EXPECT_EQ(bind(further), "not asked: all 4096 source ports are in use");
  leases[100] = {};
  EXPECT_EQ(ports_.target_of(ProbePorts::kFirst + 100), 7u) << "the last packets still find their way";
  way_ = Way{*parse_address("127.0.0.3"), "lo", 8};
  EXPECT_EQ(bind(further), "");
  EXPECT_EQ(further.port(), ProbePorts::kFirst + 100);
  EXPECT_EQ(ports_.target_of(further.port()), 8u);
}

TEST_F(DataPaths, APortThatSomebodyHoldsIsPassedOver) {
  tcp::acceptor somebody(io_, tcp::endpoint(boost::asio::ip::make_address("127.0.0.3"), ProbePorts::kFirst));
  tcp::socket socket(io_, tcp::v4());
  DataPath::Lease lease;
  EXPECT_FALSE(path_->bind(socket.native_handle(), spec(HealthType::kTcp, 80), lease).has_value());
  EXPECT_EQ(lease.port(), ProbePorts::kFirst + 1);
}

TEST_F(DataPaths, OtherPortsStandForNobody) {
  for (const unsigned port : {0u, 80u, ProbePorts::kFirst - 1u, ProbePorts::kFirst + 0u, 65535u})
    EXPECT_EQ(ports_.target_of(static_cast<std::uint16_t>(port)), kNoTarget) << port;
}

}  // namespace
}  // namespace sluice::health
