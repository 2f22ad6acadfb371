// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Tells the agent of a DIP that it drains, and hears when its last connection is gone (A7, A14): POST /drain
// to where the agent is probed, again every two seconds (each answer says how many connections are left), and
// POST /undrain when the DIP is wanted again before the drain's deadline. Only for services whose health is
// of type `agent`. Bounded: one question for each DIP at a time, kMostAtOnce in all, each with a timeout and
// a largest answer. An agent that cannot be told is named in the log once, and the drain goes on without it.
// Belongs to the io_context's thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/config/address_port.h"
#include "control/config/model.h"
#include "control/load/figure.h"

namespace sluice::load {

// What is POSTed where, and what came of it: the body of an answer of status 200, or a sentence.
struct AgentOrder {
  config::AddressPort agent;
  std::string path, body;
};
struct AgentAnswer {
  bool good = false;
  std::string text;
};
// Sends an order over the kernel's sockets; `done` is called once, later. Within kOrderTimeout.
inline constexpr std::chrono::seconds kOrderTimeout{2};
inline constexpr std::size_t kLongestAnswer = 4096;
void send_order(boost::asio::io_context& io, const AgentOrder& order, std::function<void(AgentAnswer)> done);

// The connections that an answer to /drain tells of; nothing when it does not, or not credibly.
std::optional<std::uint64_t> connections_in(std::string_view answer);

class DrainTeller {
 public:
  static constexpr std::size_t kMostAtOnce = 64, kMostRemembered = 65'536;
  static constexpr std::chrono::seconds kAskEvery{2}, kAskAgainAfterTrouble{10};
  static constexpr unsigned kUndrainTries = 5;

  using Send = std::function<void(const AgentOrder&, std::function<void(AgentAnswer)> done)>;
  using Log = std::function<void(const std::string&)>;
  struct Leaving {
    std::string service;
    config::Dip dip;
    TimePoint since, deadline;
  };

  // `send` as send_order; answers that come after the teller is gone are dropped.
  DrainTeller(Send send, Log log) : send_(std::move(send)), log_(std::move(log)) {}

  // Who leaves now, of a model that is in force. Called about every second.
  void tick(const config::Model& model, const std::vector<Leaving>& leaving, TimePoint now);
  // Its agent has said twice in a row, two seconds and more into the drain, that no connection is left. Only
  // TCP has connections that an agent can count.
  [[nodiscard]] bool says_empty(const std::string& service, const std::string& dip) const;

 private:
  using Name = std::pair<std::string, std::string>;  // service, DIP
  struct Drain {
    config::AddressPort agent;
    std::string what;  // the members of the order that name the service
    bool counts = false;
    TimePoint since, deadline, next{};
    bool leaves = true;   // false: it has left, or is wanted again
    bool told = false;    // the agent knows
    bool asking = false;  // a question is under way
    unsigned empty = 0;   // answers in a row without a connection
    unsigned tries = 0;   // of /undrain
    std::string trouble;
  };

  void begin(const config::Service& service, const Leaving& leaving);
  void ask(const Name& name, Drain& drain, TimePoint now);
  void take_back(const Name& name, Drain& drain, TimePoint now);
  void answered(const Name& name, TimePoint asked, const AgentAnswer& answer);
  void send(const Name& name, Drain& drain, const char* path, const std::string& body, TimePoint now);

  Send send_;
  Log log_;
  std::map<Name, Drain> drains_;
  std::size_t asking_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sluice::load
