// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// A real server on a real socket, its loop in a thread; the test is the client, with plain system calls.
#include "control/rpc/server.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <thread>

namespace sluice::rpc {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

int connected(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = address_of(path);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

class Client {
 public:
  explicit Client(const std::string& path) : fd_(connected(path)) {
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { ::close(fd_); }

  bool send(const std::string& bytes) const {
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t n = ::send(fd_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
      if (n <= 0) return false;
      done += static_cast<std::size_t>(n);
    }
    return true;
  }
  void finish_sending() const { ::shutdown(fd_, SHUT_WR); }

  // The next line without its newline; "(end)" when the server closed.
  std::string line() {
    for (;;) {
      const auto end = in_.find('\n');
      if (end != std::string::npos) {
        const std::string line = in_.substr(0, end);
        in_.erase(0, end + 1);
        return line;
      }
      char buffer[65536];
      const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
      if (n == 0 || (n < 0 && errno == ECONNRESET)) return "(end)";
      if (n < 0) return "(nothing within 10 s)";
      in_.append(buffer, static_cast<std::size_t>(n));
    }
  }

  json ask(const std::string& request) {
    send(request + "\n");
    return json::parse(line(), nullptr, false);
  }

 private:
  int fd_;
  std::string in_;
};

class ServerTest : public testing::Test {
 protected:
  ServerTest() {
    char name[] = "/tmp/sluice-rpc-XXXXXX";
    directory = ::mkdtemp(name);
    ::chmod(directory.c_str(), 0755);
    options.path = directory + "/run/sluice.sock";
    options.log = [this](const std::string& sentence) {
      const std::lock_guard lock(mutex);
      log.push_back(sentence);
    };
    router.add({.name = "ping", .handler = [](const json&) -> json { return "pong"; }});
    router.add(
        {.name = "set", .access = Access::kChange, .handler = [](const json&) -> json { return "done"; }});
    router.add({.name = "big", .handler = [](const json&) -> json { return std::string(8 << 20, 'x'); }});
    router.add({.name = "never", .later = [this](const json&, Reply reply) { kept.push_back(reply); }});
  }
  ~ServerTest() override {
    stop();
    std::filesystem::remove_all(directory);
  }

  template <typename F>
  auto on_loop(F f) {
    std::packaged_task<decltype(f())()> task(f);
    auto result = task.get_future();
    boost::asio::post(io, [&task] { task(); });
    return result.get();
  }
  void start() {
    server = std::make_unique<Server>(io, router, options);
    loop = std::thread([this] { io.run(); });
  }
  void stop() {
    if (!loop.joinable()) return;
    on_loop([this] {
      server.reset();
      kept.clear();
    });
    loop.join();
  }
  // Whether all clients go within 10 s; asks once per turn of the loop.
  bool empties() {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (on_loop([this] { return server->clients(); }) != 0) {
      if (std::chrono::steady_clock::now() > deadline) return false;
    }
    return true;
  }
  std::string refusal() {
    try {
      const Server second(io, router, options);
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "(started)";
  }

  boost::asio::io_context io;
  Router router;
  ServerOptions options;
  std::unique_ptr<Server> server;
  std::thread loop;
  std::string directory;
  std::vector<Reply> kept;
  std::mutex mutex;
  std::vector<std::string> log;
};

const char* const kPing = R"({"jsonrpc":"2.0","id":1,"method":"ping"})";

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

TEST_F(ServerTest, TheSocketAndItsDirectoryGetModeAndGroup) {
  options.mode = 0640;
  options.group = "12345";
  start();
  struct stat file {
  }, folder{};
  ASSERT_EQ(::stat(options.path.c_str(), &file), 0);
  ASSERT_EQ(::stat((directory + "/run").c_str(), &folder), 0);
  EXPECT_EQ(file.st_mode & 07777, 0640U);
  EXPECT_EQ(file.st_gid, 12345U);
  EXPECT_EQ(folder.st_mode & 07777, 0750U);
  EXPECT_EQ(folder.st_gid, 12345U);
  stop();
  EXPECT_FALSE(std::filesystem::exists(directory + "/run")) << "what was made is removed";
}

TEST_F(ServerTest, ADirectoryThatWasThereIsLeftAsItIs) {
  options.path = directory + "/sluice.sock";
  options.group = "12345";
  start();
  struct stat folder {};
  ASSERT_EQ(::stat(directory.c_str(), &folder), 0);
  EXPECT_EQ(folder.st_mode & 07777, 0755U);
  EXPECT_EQ(folder.st_gid, ::getegid());
  stop();
  EXPECT_TRUE(std::filesystem::exists(directory));
  EXPECT_FALSE(std::filesystem::exists(options.path));
}

TEST_F(ServerTest, AnUnknownGroupKeepsTheSocketClosedAndSaysHowToCreateIt) {
  options.group = "no-such-group-1";
  start();
  ASSERT_EQ(log.size(), 1U);
  EXPECT_NE(log[0].find("there is no group \"no-such-group-1\""), std::string::npos) << log[0];
  EXPECT_NE(log[0].find("`groupadd --system no-such-group-1`"), std::string::npos) << log[0];
  Client client(options.path);
  EXPECT_EQ(client.ask(kPing)["result"], "pong");
}

TEST_F(ServerTest, TheSocketOfADeadProcessIsReplaced) {
  options.path = directory + "/sluice.sock";
  const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
  const sockaddr_un address = address_of(options.path);
  ASSERT_EQ(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(dead, 1), 0);
  ::close(dead);
  ASSERT_TRUE(std::filesystem::exists(options.path));
  start();
  Client client(options.path);
  EXPECT_EQ(client.ask(kPing)["result"], "pong");
}

TEST_F(ServerTest, TheSocketOfALiveProcessIsRespected) {
  start();
  EXPECT_EQ(refusal(), "control socket " + options.path +
                           ": another program answers there; stop it, or give this one a path of its own");
  Client client(options.path);
  EXPECT_EQ(client.ask(kPing)["result"], "pong") << "the first one is untouched";
}

TEST_F(ServerTest, ALiveProcessWithAFullQueueCountsAsLive) {
  options.path = directory + "/sluice.sock";
  const int busy = ::socket(AF_UNIX, SOCK_STREAM, 0);
  const sockaddr_un address = address_of(options.path);
  ASSERT_EQ(::bind(busy, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(busy, 0), 0);
  const int first = connected(options.path);
  EXPECT_NE(refusal().find("another program answers there"), std::string::npos);
  ::close(first);
  ::close(busy);
}

TEST_F(ServerTest, AFileInTheWayIsNotTouched) {
  options.path = directory + "/precious";
  std::ofstream(options.path) << "data";
  EXPECT_EQ(refusal(), "control socket " + options.path +
                           ": something that is no socket lies there; move it away or choose another path");
  EXPECT_EQ(std::filesystem::file_size(options.path), 4U);
}

TEST_F(ServerTest, PathsThatCannotWorkAreRefusedWithASentence) {
  options.path = directory + "/" + std::string(120, 'x');
  EXPECT_NE(refusal().find("at most 107 fit"), std::string::npos);
  options.path = "";
  EXPECT_NE(refusal().find("the path is empty"), std::string::npos);
  std::ofstream(directory + "/file") << "x";
  options.path = directory + "/file/sub/sluice.sock";
  EXPECT_NE(refusal().find("cannot make its directory"), std::string::npos) << refusal();
}

TEST_F(ServerTest, ASocketThatIsNoLongerOursIsLeft) {
  options.path = directory + "/sluice.sock";
  start();
  std::filesystem::remove(options.path);
  std::ofstream(options.path) << "somebody else's";
  stop();
  EXPECT_TRUE(std::filesystem::exists(options.path));
}

// What a process of that user and those groups gets for the request, "(cannot connect)" if the mode forbids
// it. The child calls nothing but system calls, since this process has threads.
std::string ask_as(uid_t uid, gid_t gid, const std::vector<gid_t>& groups, const std::string& path,
                   const std::string& request) {
  int back[2];
  EXPECT_EQ(::pipe2(back, O_CLOEXEC), 0);
  const sockaddr_un address = address_of(path);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgroups(groups.size(), groups.data()) != 0 || ::setgid(gid) != 0 || ::setuid(uid) != 0)
      ::_exit(1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) ::_exit(2);
    if (::write(fd, request.data(), request.size()) < 0) ::_exit(3);
    char buffer[4096];
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n > 0 && ::write(back[1], buffer, static_cast<std::size_t>(n)) < 0) ::_exit(4);
    ::_exit(0);
  }
  ::close(back[1]);
  char buffer[4096];
  const ssize_t n = ::read(back[0], buffer, sizeof buffer);
  ::close(back[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_NE(WEXITSTATUS(status), 1) << "this test gives up root's rights, so it must run as root";
  if (WEXITSTATUS(status) == 2) return "(cannot connect)";
  return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : "(nothing)";
}

class Rights : public ServerTest {
 protected:
  Rights() {
    options.mode = 0666;
    options.directory_mode = 0755;
    options.admin_group = "54321";
  }
  int code_as(uid_t uid, gid_t gid, const std::vector<gid_t>& groups, const std::string& method) {
    const std::string answer =
        ask_as(uid, gid, groups, options.path, R"({"jsonrpc":"2.0","id":1,"method":")" + method + "\"}\n");
    const json parsed = json::parse(answer, nullptr, false);
    EXPECT_TRUE(parsed.is_object()) << answer;
    return parsed.contains("error") ? parsed["error"]["code"].get<int>() : 0;
  }
};

TEST_F(Rights, AnybodyWhoCanConnectMayRead) {
  start();
  EXPECT_EQ(code_as(4000, 4000, {}, "ping"), 0);
}

TEST_F(Rights, AStrangerMayNotChange) {
  start();
  EXPECT_EQ(code_as(4000, 4000, {}, "set"), kDenied);
  EXPECT_EQ(code_as(4000, 4000, {4001, 4002}, "set"), kDenied);
}

TEST_F(Rights, RootMayChange) {
  start();
  EXPECT_EQ(code_as(0, 0, {}, "set"), 0);
}

TEST_F(Rights, TheAdminGroupMayChangeAsPrimaryAndAsSupplementaryGroup) {
  start();
  EXPECT_EQ(code_as(4000, 54321, {}, "set"), 0);
  EXPECT_EQ(code_as(4000, 4000, {4001, 54321, 4002}, "set"), 0);
}

TEST_F(Rights, WithoutAnAdminGroupOnlyRootMayChange) {
  options.admin_group = "";
  start();
  EXPECT_EQ(code_as(4000, 0, {0}, "set"), kDenied);
  EXPECT_EQ(code_as(0, 0, {}, "set"), 0);
}

TEST_F(Rights, TheModeKeepsStrangersOut) {
  options.mode = 0660;
  options.group = "12345";
  options.directory_mode = 0750;
  start();
  EXPECT_EQ(ask_as(4000, 4000, {}, options.path, std::string(kPing) + "\n"), "(cannot connect)");
  EXPECT_EQ(code_as(4000, 4000, {12345}, "ping"), 0);
}

}  // namespace
}  // namespace sluice::rpc
