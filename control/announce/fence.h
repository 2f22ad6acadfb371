// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Runs the operator's fence_command: what takes an address away from a host that should not have it (it
// switches the host off, or its port at the switch). No shell; an environment of its own; a bounded time,
// after which the command is killed with all that it started. Belongs to the io_context's thread, which never
// waits for it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sluice::announce {

class Fence {
 public:
  static constexpr std::chrono::seconds kLongest{10};
  static constexpr std::size_t kMostAtOnce = 16;

  // How it ended: true for exit code 0; `how` is "ended with 3", "was killed after 10 s".
  using Done = std::function<void(bool ok, const std::string& how)>;
  using Environment = std::vector<std::pair<std::string, std::string>>;

  explicit Fence(boost::asio::io_context& io, std::chrono::milliseconds longest = kLongest)
      : io_(io), longest_(longest) {}
  ~Fence();
  Fence(const Fence&) = delete;
  Fence& operator=(const Fence&) = delete;

  // Starts it; `done` is called later, once. `command[0]` is the path of a program. The environment is PATH
  // and `environment`, nothing of our own; stdin and stdout are /dev/null, stderr is ours.
  void run(const std::vector<std::string>& command, const Environment& environment, Done done);
  [[nodiscard]] std::size_t running() const { return running_.size(); }

 private:
  struct Child;
  void start(const std::shared_ptr<Child>& child, const std::vector<std::string>& command,
             const Environment& environment);
  void ended(const std::shared_ptr<Child>& child);

  boost::asio::io_context& io_;
  const std::chrono::milliseconds longest_;
  std::vector<std::shared_ptr<Child>> running_;
};

}  // namespace sluice::announce
