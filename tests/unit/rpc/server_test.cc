// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// What a client of the control socket may do, and what becomes of one that does too much.
#include "tests/unit/rpc/fixture.h"

namespace sluice::rpc {
namespace {

TEST_F(ServerTest, RequestsOnOneConnectionAreAnsweredInOrder) {
  start();
  Client client(options.path);
  std::string burst;
  for (int i = 0; i < 1000; ++i) {
    burst +=
        R"({"jsonrpc":"2.0","id":)" + std::to_string(i) + R"(,"method":"ping"})" + (i % 2 ? "\n" : "\r\n");
  }
  std::thread writer([&] { client.send(burst); });
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(client.line(), R"({"jsonrpc":"2.0","id":)" + std::to_string(i) + R"(,"result":"pong"})");
  }
  writer.join();
}

TEST_F(ServerTest, ARequestMayArriveByteByByte) {
  start();
  Client client(options.path);
  for (const char c : std::string(kPing) + "\n") client.send(std::string(1, c));
  EXPECT_EQ(json::parse(client.line())["result"], "pong");
}

TEST_F(ServerTest, NotificationsAndBlankLinesGetNoAnswer) {
  start();
  Client client(options.path);
  client.send("\n  \r\n{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}\n");
  EXPECT_EQ(client.ask(kPing)["id"], 1) << "the first answer is the one to the request";
}

TEST_F(ServerTest, TheLastLineNeedsNoNewlineAndTheServerThenCloses) {
  start();
  Client client(options.path);
  client.send(kPing);
  client.finish_sending();
  EXPECT_EQ(json::parse(client.line())["result"], "pong");
  EXPECT_EQ(client.line(), "(end)");
}

TEST_F(ServerTest, ErrorsKeepTheConnection) {
  start();
  Client client(options.path);
  EXPECT_EQ(client.ask("garbage")["error"]["code"], kParseError);
  EXPECT_EQ(client.ask("[" + std::string(kPing) + "]")["error"]["code"], kInvalidRequest);
  EXPECT_EQ(client.ask(std::string(60000, '['))["error"]["code"], kInvalidRequest);
  EXPECT_EQ(client.ask(std::string("\0\xff\x80", 3))["error"]["code"], kParseError);
  EXPECT_EQ(client.ask(kPing)["result"], "pong");
}

TEST_F(ServerTest, ALineOfTheFullLengthIsTakenAndOneByteMoreIsNot) {
  start();
  std::string line = R"({"jsonrpc":"2.0","id":1,"method":"ping"})";
  line.insert(1, std::string(options.max_line_bytes - line.size(), ' '));
  Client fits(options.path);
  EXPECT_EQ(fits.ask(line)["result"], "pong");
  Client over(options.path);
  const json answer = over.ask(" " + line);
  EXPECT_EQ(answer["error"]["code"], kInvalidRequest);
  EXPECT_EQ(answer["error"]["message"],
            "a request has at most 65536 bytes in one line; the connection is closed");
  EXPECT_EQ(over.line(), "(end)");
}

TEST_F(ServerTest, AnEndlessLineIsCutOffAndTheSenderStillReadsWhy) {
  start();
  Client client(options.path);
  EXPECT_TRUE(client.send(std::string(1 << 20, 'x'))) << "what follows is thrown away, not refused";
  EXPECT_EQ(json::parse(client.line())["error"]["code"], kInvalidRequest);
  client.finish_sending();
  EXPECT_EQ(client.line(), "(end)");
  EXPECT_TRUE(empties()) << "its place is free again";
}

TEST_F(ServerTest, ThePlacesForClientsAreCounted) {
  start();
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t i = 0; i < options.max_clients; ++i) {
    clients.push_back(std::make_unique<Client>(options.path));
    ASSERT_EQ(clients.back()->ask(kPing)["result"], "pong");
  }
  Client extra(options.path);
  const json answer = extra.ask(kPing);
  EXPECT_EQ(answer["error"]["code"], kBusy);
  EXPECT_EQ(answer["error"]["message"], "all 64 places for clients are taken; close one and try again");
  extra.finish_sending();
  EXPECT_EQ(extra.line(), "(end)");

  clients.front()->finish_sending();
  ASSERT_EQ(clients.front()->line(), "(end)");
  Client next(options.path);
  EXPECT_EQ(next.ask(kPing)["result"], "pong") << "a place that was freed is given again";
}

TEST_F(ServerTest, TheLongestIdleMakesRoomWhenAllPlacesAreTaken) {
  options.spare_idle = 100ms;
  start();
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t i = 0; i < options.max_clients; ++i) {
    clients.push_back(std::make_unique<Client>(options.path));
    ASSERT_EQ(clients.back()->ask(kPing)["result"], "pong");
  }
  std::this_thread::sleep_for(options.spare_idle);  // it is about idle time
  ASSERT_EQ(clients.front()->ask(kPing)["result"], "pong");
  Client next(options.path);
  EXPECT_EQ(next.ask(kPing)["result"], "pong");
  EXPECT_EQ(clients[1]->line(), "(end)");
  EXPECT_EQ(clients.front()->ask(kPing)["result"], "pong") << "it asked something since";
}

TEST_F(ServerTest, AClientThatNeverReadsIsDroppedAndHoldsNobodyUp) {
  options.write_timeout = 200ms;
  std::promise<std::string> dropped;
  options.log = [&](const std::string& sentence) { dropped.set_value(sentence); };
  start();
  Client deaf(options.path);
  ASSERT_TRUE(deaf.send(R"({"jsonrpc":"2.0","id":1,"method":"big"})"
                        "\n"));
  Client other(options.path);
  EXPECT_EQ(other.ask(kPing)["result"], "pong");
  auto sentence = dropped.get_future();
  ASSERT_EQ(sentence.wait_for(10s), std::future_status::ready);
  EXPECT_NE(sentence.get().find("did not take its answer within 200 ms and was dropped"), std::string::npos);
  EXPECT_EQ(on_loop([this] { return server->clients(); }), 1U);
}

TEST_F(ServerTest, AClientThatAsksWithoutReadingIsNotReadFurther) {
  options.write_timeout = 200ms;
  start();
  Client deaf(options.path);
  // The requests outgrow both socket buffers, so that send blocks until the server drops the connection.
  std::string many;
  for (int i = 0; i < 100'000; ++i) many += std::string(kPing) + "\n";
  EXPECT_FALSE(deaf.send(many));
}

TEST_F(ServerTest, ABigAnswerArrivesWhole) {
  start();
  Client client(options.path);
  EXPECT_EQ(client.ask(R"({"jsonrpc":"2.0","id":1,"method":"big"})")["result"].get<std::string>().size(),
            std::size_t{8} << 20);
  EXPECT_EQ(client.ask(kPing)["result"], "pong");
}

TEST_F(ServerTest, AnAnswerThatDoesNotFitIsRefusedWithItsId) {
  options.max_answer_bytes = 1000;
  start();
  Client client(options.path);
  const json answer = client.ask(R"({"jsonrpc":"2.0","id":5,"method":"big"})");
  EXPECT_EQ(answer["id"], 5);
  EXPECT_EQ(answer["error"]["code"], kTooLarge);
}

TEST_F(ServerTest, ARequestWithoutAnAnswerInTimeEndsTheConnection) {
  options.answer_timeout = 50ms;
  start();
  Client client(options.path);
  const json answer = client.ask(R"({"jsonrpc":"2.0","id":5,"method":"never"})");
  EXPECT_EQ(answer["error"]["code"], kBusy);
  client.finish_sending();
  EXPECT_EQ(client.line(), "(end)");
  on_loop([this] {
    kept.front().result("late");  // reaches nobody, harms nobody
    return 0;
  });
}

TEST_F(ServerTest, AClientThatLeavesBeforeItsAnswerIsForgotten) {
  start();
  {
    Client client(options.path);
    client.send(R"({"jsonrpc":"2.0","id":5,"method":"never"})"
                "\n");
    Client barrier(options.path);
    while (on_loop([this] { return kept.empty(); })) barrier.ask(kPing);
  }
  on_loop([this] {
    kept.front().result("for nobody");
    return 0;
  });
  Client after(options.path);
  EXPECT_EQ(after.ask(kPing)["result"], "pong");
}

}  // namespace
}  // namespace sluice::rpc
