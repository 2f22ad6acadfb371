// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// The thin JSON-RPC client: one connection, one call at a time, blocking with a deadline. No event loop, no
// DPDK; usable by any program that wants to ask a running sluiced something.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

namespace sluice::ctl {

// The server cannot be talked to; the sentence names the remedy.
class ConnectError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The server answered with an error.
class CallError : public std::runtime_error {
 public:
  CallError(int code, const std::string& sentence) : std::runtime_error(sentence), code_(code) {}
  int code() const noexcept { return code_; }

 private:
  int code_;
};

class Client {
 public:
  // Connects at the first call, and again at the next one after a connection broke. `timeout` bounds each
  // call; it is longer than the server's own limit for an answer, so that the server's sentence arrives.
  explicit Client(std::string path, std::chrono::milliseconds timeout = std::chrono::seconds(40));
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // The `result`. Throws ConnectError or CallError.
  nlohmann::json call(const std::string& method, const nlohmann::json& params = nlohmann::json::object());

  const std::string& path() const { return path_; }

  // For calls from now on.
  void set_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }

 private:
  using Clock = std::chrono::steady_clock;

  void connect(Clock::time_point deadline);
  void close();
  bool wait(short events, Clock::time_point deadline) const;
  bool send(const std::string& line, Clock::time_point deadline);
  std::string receive(Clock::time_point deadline);

  const std::string path_;
  std::chrono::milliseconds timeout_;
  int fd_ = -1;
  std::string in_;
  std::uint64_t next_id_ = 1;
};

}  // namespace sluice::ctl
