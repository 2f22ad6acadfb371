// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Keeps the kernel's routes of VIPs in step with what is wanted (A5): a routing daemon reads them there and
// tells the routers. What is in the kernel is the truth and what is wanted is the aim; each change of either
// ends in one comparison and the few requests that it asks for. So it does not matter in which order messages
// come, or whether one is lost: after a loss, and every `check_interval` in any case, the kernel is asked
// anew. A request that the kernel refuses is told once and tried again.
//
// Before begin() nothing is announced, and what a crashed predecessor left is removed, unless it is to be
// adopted; after withdraw() nothing is announced either. Control thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control/route/kernel_routes.h"
#include "control/route/wanted.h"

namespace sluice::route {

struct Options {
  KernelRoutes::Marks marks;              // table 0: the kernel is left alone, and rows() says so
  std::chrono::milliseconds settle{50};   // from news of somebody else's change to the comparison
  std::chrono::milliseconds retry{1000};  // after a refusal
  std::chrono::milliseconds check_interval{10'000};
  // What is ours in the kernel already was left for us: it stays until begin(), and is then what is wanted.
  bool adopt = false;
  std::function<void(const std::string&)> log = {};  // warnings; may be empty
};

// Where no port reaches a kernel (`has_kernel`), no routing daemon can speak for us: then there is no table.
Options options_for(const config::Control& control, bool has_kernel,
                    std::function<void(const std::string&)> log);

// One line of `route list`.
struct Row {
  Prefix prefix;
  std::string state;  // announced, withdrawn, refused (by the kernel), off (no table)
  std::vector<std::string> services;
  std::string why;
};

struct Stats {
  std::uint64_t announced = 0, withdrawn = 0;  // requests that the kernel took
  std::uint64_t refused = 0;                   // that it did not
  std::uint64_t repaired = 0;                  // routes that were not as we had left them
};

class Announcer {
 public:
  // Throws std::runtime_error with one sentence when netlink cannot be opened. Removes what is ours already,
  // unless it is to be adopted.
  Announcer(boost::asio::io_context& io, Options options);
  ~Announcer();
  Announcer(const Announcer&) = delete;
  Announcer& operator=(const Announcer&) = delete;

  // What is wanted from now on; in the kernel before it returns.
  void want(std::vector<Announcement> announcements);
  // Packets flow: what is wanted is announced from here on.
  void begin();
  // Takes all of it out of the kernel, for good.
  void withdraw();
  // Leaves all of it to the next process: nothing is added or removed from here on.
  void leave();

  [[nodiscard]] std::vector<Row> rows() const;
  [[nodiscard]] const Stats& stats() const { return stats_; }

 private:
  void wait_for_news();
  void check_after(std::chrono::milliseconds pause);
  void compare();  // with what the kernel says now
  void reach();    // from `there_` to what is wanted

  enum class Phase : std::uint8_t { kBefore, kAnnouncing, kWithdrawn, kLeft };
  Options options_;
  Phase phase_ = Phase::kBefore;
  std::optional<KernelRoutes> kernel_;
  std::optional<boost::asio::posix::stream_descriptor> news_;
  boost::asio::steady_timer check_;
  std::vector<Announcement> announcements_;
  std::set<Prefix> there_;
  std::map<Prefix, std::string> refused_;
  std::string last_trouble_;
  Stats stats_;
};

}  // namespace sluice::route
