// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// The control socket as a file, and who may do what through it.
#include <grp.h>
#include <sys/wait.h>

#include <fstream>

#include "tests/unit/rpc/fixture.h"

namespace sluice::rpc {
namespace {

class SocketFile : public ServerTest {};

TEST_F(SocketFile, TheSocketAndItsDirectoryGetModeAndGroup) {
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

TEST_F(SocketFile, ADirectoryThatWasThereIsLeftAsItIs) {
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

TEST_F(SocketFile, AnUnknownGroupKeepsTheSocketClosedAndSaysHowToCreateIt) {
  options.group = "no-such-group-1";
  start();
  ASSERT_EQ(log.size(), 1U);
  EXPECT_NE(log[0].find("there is no group \"no-such-group-1\""), std::string::npos) << log[0];
  EXPECT_NE(log[0].find("`groupadd --system no-such-group-1`"), std::string::npos) << log[0];
  Client client(options.path);
  EXPECT_EQ(client.ask(kPing)["result"], "pong");
}

TEST_F(SocketFile, TheSocketOfADeadProcessIsReplaced) {
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

TEST_F(SocketFile, TheSocketOfALiveProcessIsRespected) {
  start();
  EXPECT_EQ(refusal(), "control socket " + options.path +
                           ": another program answers there; stop it, or give this one a path of its own");
  Client client(options.path);
  EXPECT_EQ(client.ask(kPing)["result"], "pong") << "the first one is untouched";
}

TEST_F(SocketFile, ALiveProcessWithAFullQueueCountsAsLive) {
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

TEST_F(SocketFile, AFileInTheWayIsNotTouched) {
  options.path = directory + "/precious";
  std::ofstream(options.path) << "data";
  EXPECT_EQ(refusal(), "control socket " + options.path +
                           ": something that is no socket lies there; move it away or choose another path");
  EXPECT_EQ(std::filesystem::file_size(options.path), 4U);
}

TEST_F(SocketFile, PathsThatCannotWorkAreRefusedWithASentence) {
  options.path = directory + "/" + std::string(120, 'x');
  EXPECT_NE(refusal().find("at most 107 fit"), std::string::npos);
  options.path = "";
  EXPECT_NE(refusal().find("the path is empty"), std::string::npos);
  std::ofstream(directory + "/file") << "x";
  options.path = directory + "/file/sub/sluice.sock";
  EXPECT_NE(refusal().find("cannot make its directory"), std::string::npos) << refusal();
}

TEST_F(SocketFile, ASocketThatIsNoLongerOursIsLeft) {
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
