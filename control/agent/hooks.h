// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Runs the operator's hook: a program with its arguments, no shell, one run at a time in the order of the
// events, each bounded in time: a run that takes too long is killed with all that it started. One thread.
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <string>
#include <vector>

namespace sluice::agent {

class Hooks {
 public:
  static constexpr std::size_t kMostWaiting = 256;  // further events are not run, and the log says so

  // `program`: path and arguments; empty: nothing is ever run.
  Hooks(boost::asio::io_context& io, std::vector<std::string> program, std::chrono::seconds timeout);
  // What runs is killed.
  ~Hooks();
  Hooks(const Hooks&) = delete;
  Hooks& operator=(const Hooks&) = delete;

  // Runs the program with `event` as its last argument, and "NAME=value" entries added to the environment.
  void run(const std::string& event, std::vector<std::string> environment = {});
  [[nodiscard]] bool busy() const { return child_ != 0; }
  // "none", "running", "done", "exit code 3", "killed after 10 s", "cannot run: …"
  [[nodiscard]] const std::string& last() const { return last_; }
  // Called each time when nothing runs and nothing waits any more.
  void when_idle(std::function<void()> call) { idle_ = std::move(call); }

 private:
  struct Event {
    std::string word;
    std::vector<std::string> environment;
  };
  void next();
  bool start(const Event& event);
  void ended();

  std::vector<std::string> program_;
  std::chrono::seconds timeout_;
  std::deque<Event> waiting_;
  boost::asio::posix::stream_descriptor exit_;  // a pidfd: readable when the child has ended
  boost::asio::steady_timer timer_;
  std::function<void()> idle_;
  pid_t child_ = 0;
  bool killed_ = false;
  std::string last_ = "none";
};

}  // namespace sluice::agent
