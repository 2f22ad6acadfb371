// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// A real server on a real socket, its loop in a thread; the test is the client, with plain system calls.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <future>
#include <mutex>
#include <thread>

#include "control/rpc/server.h"

namespace sluice::rpc {

using nlohmann::json;
using namespace std::chrono_literals;

inline constexpr const char* kPing = R"({"jsonrpc":"2.0","id":1,"method":"ping"})";

inline sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

inline int connected(const std::string& path) {
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

}  // namespace sluice::rpc
