// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
//
// One client of the control socket. It is always in exactly one of these: reading a line, waiting for the
// router (read nothing), writing one answer (read nothing), or lingering after a refusal. Its memory is
// therefore one line and one answer, whatever the client does.
#pragma once

#include <array>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "control/rpc/router.h"
#include "control/rpc/server.h"

namespace sluice::rpc {

class Session : public std::enable_shared_from_this<Session> {
 public:
  using Socket = boost::asio::local::stream_protocol::socket;
  using Gone = std::function<void(const std::shared_ptr<Session>&)>;

  // `router` must outlive the last call into the session, which is close(). `gone` is called once, at the
  // end.
  Session(Socket socket, const Router& router, const ServerOptions& limits, Caller caller, Gone gone);

  // Serves until the client leaves.
  void start();

  // Sends this one error and closes when it was read, or after limits.linger. The rest of what the client
  // sends is thrown away: closing with unread bytes would break the client's own write before it sees why.
  void refuse(const Error& error);

  void close();

  using Clock = std::chrono::steady_clock;
  // Since when it has asked nothing; none while a request is in work or an answer on its way.
  [[nodiscard]] std::optional<Clock::time_point> idle_since() const { return idle_since_; }

 private:
  using ErrorCode = boost::system::error_code;

  void read();
  void on_line(const ErrorCode& error, std::size_t bytes);
  void ask(const std::string& line);
  void answered(std::string line);
  void write();
  void linger();
  void arm(std::chrono::milliseconds after, void (Session::*expired)());
  void disarm();
  void answer_overdue();
  void reader_overdue();

  Socket socket_;
  const Router& router_;
  const ServerOptions limits_;
  const Caller caller_;
  Gone gone_;
  boost::asio::steady_timer timer_;
  std::uint64_t timer_turn_ = 0;  // tells a timer that fired from one that was since cancelled
  std::string in_;
  std::string out_;
  std::array<char, 4096> trash_;
  std::optional<Clock::time_point> idle_since_;
  bool waiting_ = false;  // for the router
  bool last_ = false;     // the client has sent all it will send
  bool refusing_ = false;
  bool closed_ = false;
};

}  // namespace sluice::rpc
