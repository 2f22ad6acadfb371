// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// The program against a server: what it prints, where, and how it ends.
#include "control/ctl/run.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "control/ctl/help.h"
#include "tests/unit/ctl/fixture.h"

namespace sluice::ctl {
namespace {

using nlohmann::json;

class RunTest : public CtlTest {
 protected:
  int type(const std::string& line) {
    out.str("");
    err.str("");
    std::vector<std::string> words = split_words(line);
    if (line.find("--socket") == std::string::npos) words.insert(words.begin(), {"--socket", socket});
    return run(words, out, err, [](Operator&) { return 99; });
  }
  int pipe(const std::string& text) {
    out.str("");
    err.str("");
    std::istringstream in(text);
    Operator user(socket, false, out, err);
    return user.execute_all(in);
  }
  std::ostringstream out, err;
};

TEST_F(RunTest, AResultIsPrintedForPeople) {
  start();
  EXPECT_EQ(type("status"), kDone);
  EXPECT_EQ(out.str(), "version  1.0\nready    yes\nuptime   2 h 5 min\n");
  EXPECT_EQ(err.str(), "");
}

TEST_F(RunTest, JsonPrintsTheResultAsOneDocument) {
  start();
  EXPECT_EQ(type("--json service list"), kDone);
  EXPECT_EQ(json::parse(out.str())[1]["name"], "dns");
  EXPECT_EQ(type("drop list --json"), kDone);
  EXPECT_EQ(out.str(), "[]\n");
  EXPECT_EQ(type("config show --json"), kDone);
  EXPECT_EQ(json::parse(out.str())["text"], "control: {};\n");
}

TEST_F(RunTest, AChangeReachesTheServer) {
  start();
  EXPECT_EQ(type("dip weight web 10.1.0.11 5"), kDone);
  EXPECT_EQ(out.str(), "done\n");
  EXPECT_EQ(type("dip weight web 10.1.0.11 0 --json"), kDone);
  EXPECT_EQ(out.str(), "null\n");
  stop();
  EXPECT_EQ(asked, (std::vector<std::string>{R"({"address":"10.1.0.11","service":"web","weight":5})",
                                             R"({"address":"10.1.0.11","service":"web","weight":0})"}));
}

TEST_F(RunTest, TheServersErrorIsOneLineAndEndsWithOne) {
  start();
  EXPECT_EQ(type("elephant list"), kFailed);
  EXPECT_EQ(out.str(), "");
  EXPECT_EQ(err.str(), "sluicectl: unknown method \"elephant.list\"; rpc.describe lists what there is\n");
  EXPECT_EQ(type("--json elephant list"), kFailed);
  EXPECT_EQ(out.str(), "");
}

TEST_F(RunTest, ABadConfigurationEndsWithTwo) {
  start();
  EXPECT_EQ(type("config check /etc/bad"), kWrongUsage);
  EXPECT_EQ(err.str(), "sluicectl: /etc/bad:3: slots is 4; write a prime\n");
}

TEST_F(RunTest, WrongUsageEndsWithTwoAndNeedsNoServer) {
  EXPECT_EQ(type("servce list"), kWrongUsage);
  EXPECT_EQ(err.str(), "sluicectl: unknown command \"servce\"; did you mean \"service\"?\n");
  EXPECT_EQ(out.str(), "");
}

TEST_F(RunTest, NoSocketNamesTheRemedy) {
  EXPECT_EQ(type("status"), kFailed);
  EXPECT_EQ(err.str(), "sluicectl: there is no socket at " + socket +
                           ": start sluiced, or name its socket with --socket PATH or SLUICE_SOCKET\n");
}

TEST_F(RunTest, ASocketWithoutAServerNamesTheRemedy) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
  const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ::close(dead);
  EXPECT_EQ(type("status"), kFailed);
  EXPECT_EQ(err.str(), "sluicectl: nobody answers at " + socket + ": sluiced has stopped; start it again\n");
}

TEST_F(RunTest, OtherPathsThatAreNoSocketAreNamed) {
  std::ofstream(directory + "/file") << "x";
  EXPECT_EQ(type("--socket " + directory + "/file status"), kFailed);
  EXPECT_NE(err.str().find(directory + "/file"), std::string::npos);
  EXPECT_EQ(type("--socket /" + std::string(200, 'x') + " status"), kFailed);
  EXPECT_EQ(err.str(), "sluicectl: the socket path must have 1 to 107 bytes, not 201\n");
}

TEST_F(RunTest, TheEnvironmentNamesTheSocketWhenTheOptionDoesNot) {
  ::setenv("SLUICE_SOCKET", "/from/environment", 1);
  EXPECT_EQ(socket_path(""), "/from/environment");
  EXPECT_EQ(socket_path("/from/option"), "/from/option");
  ::unsetenv("SLUICE_SOCKET");
  EXPECT_EQ(socket_path(""), "/run/sluice/sluice.sock");
}

TEST_F(RunTest, LinesFromAPipeAreExecutedOneByOne) {
  start();
  EXPECT_EQ(pipe("# weights\n\ndip weight web 10.1.0.11 5\n  dip weight web 10.2.0.12 6  \r\nexit\nstatus\n"),
            kDone);
  EXPECT_EQ(out.str(), "done\ndone\n");
}

TEST_F(RunTest, AnErrorInAPipeIsToldAndTheRestIsDone) {
  start();
  EXPECT_EQ(pipe("nonsense\nelephant list\ndrop list\ndip 'open\n"), kWrongUsage);
  EXPECT_EQ(out.str(), "nothing was dropped\n");
  EXPECT_EQ(
      err.str(),
      "sluicectl: unknown command \"nonsense\"; known: status, service, dip, transition, flow, elephant, "
      "explain, port, worker, drop, health, route, iip, mux, capture, config, top\n"
      "sluicectl: unknown method \"elephant.list\"; rpc.describe lists what there is\n"
      "sluicectl: a quote ' is left open\n");
  EXPECT_EQ(pipe("elephant list\nstatus\n"), kFailed);
  EXPECT_EQ(pipe("--socket /other status\n"), kWrongUsage) << "the socket is not changed half-way";
}

TEST_F(RunTest, AQuestionMarkExplainsTheLine) {
  start();
  EXPECT_EQ(pipe("dip weight web ?\n"), kDone);
  EXPECT_EQ(out.str(), "  10.1.0.11  ADDRESS: the server\n  10.2.0.12  ADDRESS: the server\n");
  EXPECT_EQ(pipe("help dip weight\n"), kDone);
  EXPECT_EQ(out.str(), help("dip", find_command("dip", "weight")));
}

TEST_F(RunTest, AbbreviationsAreForTerminalsOnly) {
  start();
  Operator user(socket, false, out, err);
  bool leave = false;
  EXPECT_EQ(user.execute_line("dr l", true, leave), kDone);
  EXPECT_EQ(out.str(), "nothing was dropped\n");
  EXPECT_EQ(user.execute_line("dr l", false, leave), kWrongUsage);
}

TEST_F(RunTest, LiveNamesComeFromTheServerAndNeverFail) {
  Operator user(socket, false, out, err);
  EXPECT_EQ(user.live_names(Live::kService, ""), std::vector<std::string>{});
  start();
  EXPECT_EQ(user.live_names(Live::kService, ""), (std::vector<std::string>{"dns", "web"}));
  EXPECT_EQ(user.live_names(Live::kDip, "web"), (std::vector<std::string>{"10.1.0.11", "10.2.0.12"}));
  EXPECT_EQ(err.str(), "");
}

TEST_F(RunTest, AConnectionLostBetweenCallsIsMadeAnew) {
  start();
  Client client(socket);
  EXPECT_EQ(client.call("status")["ready"], true);
  stop();
  EXPECT_THROW(client.call("status"), ConnectError);
  start();
  EXPECT_EQ(client.call("status")["ready"], true);
  stop();
  start();
  EXPECT_EQ(client.call("status")["ready"], true) << "a restart in between is not even noticed";
}

// Answers one connection with fixed bytes and closes it.
class FakeServer {
 public:
  FakeServer(const std::string& path, std::string bytes) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd_, 1), 0);
    thread_ = std::thread([this, bytes = std::move(bytes)] {
      const int client = ::accept(fd_, nullptr, nullptr);
      char buffer[4096];
      const bool asked = ::read(client, buffer, sizeof buffer) > 0;
      if (asked && !bytes.empty()) ::send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ::close(client);
    });
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;
  ~FakeServer() {
    thread_.join();
    ::close(fd_);
  }

 private:
  int fd_;
  std::thread thread_;
};

TEST_F(RunTest, AStrangersAnswerIsNotBelieved) {
  const FakeServer fake(socket, "HTTP/1.1 400 Bad Request\r\n\r\n");
  EXPECT_EQ(type("status"), kFailed);
  EXPECT_EQ(err.str(),
            "sluicectl: what answers at " + socket + " is not sluiced; name its socket with --socket PATH\n");
}

TEST_F(RunTest, AnAnswerToSomethingElseIsNotBelieved) {
  const FakeServer fake(socket, "{\"jsonrpc\":\"2.0\",\"id\":77,\"result\":1}\n");
  EXPECT_EQ(type("status"), kFailed);
  EXPECT_NE(err.str().find("is not sluiced"), std::string::npos);
}

TEST_F(RunTest, AConnectionThatEndsWithoutAnAnswerIsTold) {
  const FakeServer fake(socket, "");
  EXPECT_EQ(type("status"), kFailed);
  EXPECT_EQ(err.str(),
            "sluicectl: sluiced at " + socket + " closed the connection without an answer; see its log\n");
}

TEST_F(RunTest, AnErrorAboutTheConnectionIsShown) {
  const FakeServer fake(
      socket,
      "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32003,\"message\":\"full \\u001b[2J\"}}\n");
  EXPECT_EQ(type("status"), kFailed);
  EXPECT_EQ(err.str(), "sluicectl: full ?[2J\n");
}

TEST_F(RunTest, AServerThatDoesNotAnswerIsNotWaitedForForEver) {
  listen();  // but nobody runs its loop
  Client client(socket, std::chrono::milliseconds(50));
  try {
    client.call("status");
    ADD_FAILURE() << "there was an answer";
  } catch (const ConnectError& error) {
    EXPECT_EQ(std::string(error.what()),
              "sluiced at " + socket + " did not answer within 50 ms; see its log");
  }
  server.reset();
}

TEST_F(RunTest, HelpAndVersionNeedNoServer) {
  EXPECT_EQ(type("--version"), kDone);
  EXPECT_EQ(out.str(), std::string("sluicectl ") + SLUICE_VERSION + "\n");
  EXPECT_EQ(type("dip add --help"), kDone);
  EXPECT_EQ(out.str(),
            "usage: sluicectl dip add SERVICE ADDRESS [--group G] [--weight N]\n\n"
            "Adds a server to a service.\n\n"
            "  SERVICE     the service's name\n"
            "  ADDRESS     the new server\n"
            "  --group G   the group it joins\n"
            "  --weight N  its share of the slots, 1 if not given\n");
  EXPECT_EQ(type("iip --help"), kDone);
  EXPECT_NE(out.str().find("  iip announce ADDRESS           Tells the neighbours again who holds it.\n"),
            std::string::npos);
  EXPECT_EQ(type(""), 99) << "nothing to do: it talks";
}

TEST_F(RunTest, TopOutsideATerminalIsOneFrame) {
  start();
  EXPECT_EQ(type("top"), kDone);
  EXPECT_TRUE(out.str().starts_with("sluice 1.0  ready  up 2 h 5 min")) << out.str();
  EXPECT_NE(out.str().find("10.2.0.12"), std::string::npos);
  EXPECT_EQ(type("top --json"), kDone);
  EXPECT_EQ(json::parse(out.str())["services"].size(), 2U);
}

TEST_F(RunTest, OutputThatCannotBeWrittenIsAFailure) {
  start();
  std::ofstream full("/dev/full");
  EXPECT_EQ(run({"--socket", socket, "status"}, full, err, [](Operator&) { return 99; }), kFailed);
  EXPECT_EQ(err.str(), "sluicectl: the output cannot be written\n");
}

// The documents are written by the program; how, says control/ctl/help.h.
std::string file(const std::string& name) {
  std::ifstream in(std::string(SLUICE_DOCS) + "/" + name);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(Docs, TheCommandReferenceIsWhatTheProgramPrints) {
  EXPECT_EQ(file("commands.md"), markdown()) << "sluicectl --markdown > docs/commands.md";
}

TEST(Docs, TheManPageIsWhatTheProgramPrints) {
  EXPECT_EQ(file("sluicectl.8"), man_page()) << "sluicectl --man > docs/sluicectl.8";
}

}  // namespace
}  // namespace sluice::ctl
