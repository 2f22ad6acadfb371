// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// What is POSTed to agents when DIPs leave and return, on a clock of the test's own; and the order itself
// over loopback, to agents that do not behave.
#include "control/load/drain_teller.h"

#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <nlohmann/json.hpp>
#include <thread>

namespace sluice::load {
namespace {

using std::chrono::seconds;

TimePoint at(double s) {
  return TimePoint(std::chrono::milliseconds(static_cast<long>(s * 1000)));
}
config::Dip dip(const std::string& address) {
  return {.address = *parse_address(address)};
}
config::Model model(const std::vector<std::string>& dips,
                    config::HealthType type = config::HealthType::kAgent,
                    config::Protocol protocol = config::Protocol::kTcp) {
  config::Service service;
  service.name = "web";
  service.vip = *parse_prefix("203.0.113.10");
  service.protocol = protocol;
  service.port = 80;
  service.health.type = type;
  service.groups = {{.name = "default", .weight = 0, .dips = {}}};
  for (const std::string& d : dips) service.groups[0].dips.push_back(dip(d));
  config::Model made;
  made.services = {service};
  return made;
}
const std::vector<DrainTeller::Leaving> kNobody;

class Teller : public testing::Test {
 protected:
  struct Sent {
    AgentOrder order;
    std::function<void(AgentAnswer)> done;
    [[nodiscard]] nlohmann::json body() const { return nlohmann::json::parse(order.body); }
  };
  static std::vector<DrainTeller::Leaving> leaving(const std::string& address, double since = 0,
                                                   double deadline = 100) {
    return {{"web", dip(address), at(since), at(deadline)}};
  }
  // The oldest order that waits for its answer gets this one.
  void answer(const std::string& text, bool good = true) {
    ASSERT_FALSE(sent_.empty());
    const auto done = sent_.front().done;
    sent_.pop_front();
    done({good, text});
  }
  void answer_connections(unsigned count) { answer(R"({"connections": )" + std::to_string(count) + "}"); }

  std::deque<Sent> sent_;
  std::vector<std::string> log_;
  std::optional<DrainTeller> teller_{std::in_place,
                                     [this](const AgentOrder& order, std::function<void(AgentAnswer)> done) {
                                       sent_.push_back({order, std::move(done)});
                                     },
                                     [this](const std::string& sentence) { log_.push_back(sentence); }};
  const config::Model without_ = model({"10.1.0.11"}), with_ = model({"10.1.0.11", "10.1.0.12"});
};

TEST_F(Teller, TellsTheAgentWhatDrainsAndForHowLong) {
  teller_->tick(without_, leaving("10.1.0.12"), at(1));
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(config::to_string(sent_[0].order.agent), "10.1.0.12:9110");
  EXPECT_EQ(sent_[0].order.path, "/drain");
  EXPECT_EQ(sent_[0].body(),
            (nlohmann::json{{"vip", "203.0.113.10"}, {"protocol", "tcp"}, {"port", 80}, {"deadline_s", 99}}));
}

TEST_F(Teller, AsksAgainEveryTwoSecondsAndOneAtATime) {
  for (const double s : {1.0, 2.0, 3.0, 4.0}) teller_->tick(without_, leaving("10.1.0.12"), at(s));
  EXPECT_EQ(sent_.size(), 1u) << "the first is not answered yet";
  answer_connections(5);
  teller_->tick(without_, leaving("10.1.0.12"), at(5));
  ASSERT_EQ(sent_.size(), 1u);
  answer_connections(5);
  teller_->tick(without_, leaving("10.1.0.12"), at(6));
  EXPECT_TRUE(sent_.empty());
  teller_->tick(without_, leaving("10.1.0.12"), at(7));
  EXPECT_EQ(sent_.size(), 1u);
}

TEST_F(Teller, BelievesInTheEndWhenItWasToldTwiceAndNotTooEarly) {
  const auto ask = [&](double s, unsigned connections) {
    teller_->tick(without_, leaving("10.1.0.12"), at(s));
    answer_connections(connections);
    return teller_->says_empty("web", "10.1.0.12");
  };
  EXPECT_FALSE(ask(0, 0));
  EXPECT_FALSE(ask(2, 0)) << "the first that counts";
  EXPECT_FALSE(ask(4, 1)) << "one came meanwhile";
  EXPECT_FALSE(ask(6, 0));
  EXPECT_TRUE(ask(8, 0));
  EXPECT_FALSE(teller_->says_empty("web", "10.1.0.11"));
}

TEST_F(Teller, DoesNotBelieveFiguresThatAreNone) {
  for (const char* lie :
       {"", "{}", "[]", R"({"connections": -1})", R"({"connections": null})", R"({"connections": 1e99})",
        R"({"connections": 0.5})", R"({"connections": "0"})", R"({"connections": 99999999999999})"}) {
    EXPECT_FALSE(connections_in(lie)) << lie;
  }
  EXPECT_FALSE(connections_in(std::string(3000, '[')));
  EXPECT_EQ(connections_in(R"({"state": "draining", "connections": 0})"), 0u);
}

TEST_F(Teller, UdpHasNoConnectionsToCount) {
  const config::Model udp = model({"10.1.0.11"}, config::HealthType::kAgent, config::Protocol::kUdp);
  for (double s = 3; s < 20; s += 2) {
    teller_->tick(udp, leaving("10.1.0.12"), at(s));
    answer_connections(0);
  }
  EXPECT_FALSE(teller_->says_empty("web", "10.1.0.12"));
}

TEST_F(Teller, ServicesWithoutAnAgentAreNotTold) {
  teller_->tick(model({"10.1.0.11"}, config::HealthType::kHttp), leaving("10.1.0.12"), at(1));
  EXPECT_TRUE(sent_.empty());
}

TEST_F(Teller, TakesTheOrderBackWhenTheDipIsWantedAgain) {
  teller_->tick(without_, leaving("10.1.0.12"), at(1));
  answer_connections(5);
  teller_->tick(with_, kNobody, at(3));
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].order.path, "/undrain");
  EXPECT_EQ(sent_[0].body(), (nlohmann::json{{"vip", "203.0.113.10"}, {"protocol", "tcp"}, {"port", 80}}));
  answer(R"({"state": "alive"})");
  for (double s = 4; s < 30; ++s) teller_->tick(with_, kNobody, at(s));
  EXPECT_TRUE(sent_.empty());
}

TEST_F(Teller, RemembersWhomItToldUntilTheDeadline) {
  teller_->tick(without_, leaving("10.1.0.12"), at(1));
  answer_connections(0);
  teller_->tick(without_, kNobody, at(50));  // it left early
  EXPECT_TRUE(sent_.empty());
  teller_->tick(with_, kNobody, at(60));  // and is added again
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].order.path, "/undrain");
}

TEST_F(Teller, AfterTheDeadlineTheAgentHasForgottenToo) {
  teller_->tick(without_, leaving("10.1.0.12"), at(1));
  answer_connections(0);
  teller_->tick(without_, kNobody, at(100));
  teller_->tick(with_, kNobody, at(101));
  EXPECT_TRUE(sent_.empty());
}

TEST_F(Teller, TriesToTakeItBackAFewTimes) {
  teller_->tick(without_, leaving("10.1.0.12", 0, 10'000), at(1));
  answer_connections(5);
  unsigned tries = 0;
  for (double s = 3; s < 500; ++s) {
    teller_->tick(with_, kNobody, at(s));
    if (sent_.empty()) continue;
    ++tries;
    answer("no connection: Connection refused", false);
  }
  EXPECT_EQ(tries, DrainTeller::kUndrainTries);
}

TEST_F(Teller, NamesAnAgentThatCannotBeToldOnceAndAsksLessOften) {
  unsigned asked = 0;
  for (double s = 1; s < 62; ++s) {
    teller_->tick(without_, leaving("10.1.0.12"), at(s));
    if (sent_.empty()) continue;
    ++asked;
    answer("HTTP status 403: 10.0.0.10 is no MUX of this server", false);
  }
  EXPECT_LE(asked, 7u);
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_EQ(log_[0],
            "the agent at 10.1.0.12:9110 cannot be told that service web drains its DIP: HTTP status 403: "
            "10.0.0.10 "
            "is no MUX of this server");
  EXPECT_FALSE(teller_->says_empty("web", "10.1.0.12"));
}

TEST_F(Teller, HasABoundOnWhatItAsksAtOnce) {
  std::vector<DrainTeller::Leaving> many;
  for (int n = 1; n < 200; ++n) many.push_back({"web", dip("10.2.0." + std::to_string(n)), at(0), at(100)});
  teller_->tick(without_, many, at(1));
  EXPECT_EQ(sent_.size(), DrainTeller::kMostAtOnce);
  while (!sent_.empty()) answer_connections(1);
  teller_->tick(without_, many, at(2));
  EXPECT_EQ(sent_.size(), DrainTeller::kMostAtOnce) << "those who waited";
}

TEST_F(Teller, AnAnswerAfterItsEndIsDropped) {
  teller_->tick(without_, leaving("10.1.0.12"), at(1));
  const auto done = sent_[0].done;
  teller_.reset();
  done({true, R"({"connections": 0})"});
}

// --- the order itself ---

// An agent on loopback that reads a request and answers as it is told.
class SendOrder : public testing::Test {
 protected:
  AgentAnswer send(const std::string& response, bool close = true) {
    boost::asio::ip::tcp::acceptor acceptor(peer_io_, {boost::asio::ip::make_address("127.0.0.1"), 0});
    std::thread peer([&] {
      auto socket = acceptor.accept();
      boost::system::error_code ignored;
      boost::asio::read_until(socket, boost::asio::dynamic_buffer(request_), "}", ignored);
      boost::asio::write(socket, boost::asio::buffer(response), ignored);
      if (close) return;
      std::string rest;
      boost::asio::read_until(socket, boost::asio::dynamic_buffer(rest), "never", ignored);
    });
    std::optional<AgentAnswer> got;
    boost::asio::io_context io{1};
    send_order(io,
               {{*parse_address("127.0.0.1"), acceptor.local_endpoint().port()}, "/drain", R"({"port": 80})"},
               [&](AgentAnswer answer) { got = std::move(answer); });
    io.run();
    peer.join();
    EXPECT_TRUE(got);
    return got.value_or(AgentAnswer{});
  }
  boost::asio::io_context peer_io_{1};
  std::string request_;
};

TEST_F(SendOrder, PostsAndHandsBackTheBody) {
  const AgentAnswer answer = send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
  EXPECT_TRUE(answer.good);
  EXPECT_EQ(answer.text, "{}");
  EXPECT_TRUE(request_.starts_with("POST /drain HTTP/1.1\r\n")) << request_;
  EXPECT_TRUE(request_.ends_with(R"({"port": 80})")) << request_;
}

TEST_F(SendOrder, SaysWhatTheAgentSaid) {
  const AgentAnswer answer = send("HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nno!\n");
  EXPECT_FALSE(answer.good);
  EXPECT_EQ(answer.text, "HTTP status 403: no!");
}

TEST_F(SendOrder, DoesNotReadOnForEver) {
  const AgentAnswer answer =
      send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + std::string(100'000, 'x'));
  EXPECT_FALSE(answer.good);
  EXPECT_EQ(answer.text.find("no answer: "), 0u) << answer.text;
}

TEST_F(SendOrder, DoesNotWaitForEver) {
  const auto begin = Clock::now();
  const AgentAnswer answer = send("HTTP/1.1 200", false);
  EXPECT_FALSE(answer.good);
  EXPECT_LT(Clock::now() - begin, kOrderTimeout + seconds(3));
}

TEST(SendOrderToNobody, SaysSo) {
  boost::asio::io_context io{1};
  boost::asio::ip::tcp::acceptor closed(io, {boost::asio::ip::make_address("127.0.0.1"), 0});
  const std::uint16_t port = closed.local_endpoint().port();
  closed.close();
  std::string text;
  send_order(io, {{*parse_address("127.0.0.1"), port}, "/drain", "{}"},
             [&](const AgentAnswer& answer) { text = answer.text; });
  io.run();
  EXPECT_EQ(text, "no connection: Connection refused");
}

}  // namespace
}  // namespace sluice::load
