// SPDX-License-Identifier: Apache-2.0
// Copyright The Sluice Authors
// Holds IIPs (A6): runs one IipMachine for each on the port that it belongs to, gives the addresses that are
// taken to the kernel (which answers ARP and ND for them through the exception path), and tells the operator
// and his fence_command of conflicts. Who wants an address is said by its keeper: the configuration, a
// command that adds one, or the pool.
//
// Belongs to the io_context's thread. No failure ends the program: it is a row's `why` and a line in the log.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/announce/fence.h"
#include "control/announce/iip_machine.h"
#include "control/announce/link.h"
#include "control/config/iip.h"
#include "control/config/model.h"

namespace sluice::announce {

struct Row {
  config::InterfaceAddress address;
  std::string port;
  std::string state;  // to_word(IipState)
  std::chrono::milliseconds since{0};
  std::optional<MacAddress> mac;  // whose it is, or who disputes it
  std::uint64_t conflicts = 0, announcements = 0;
  std::string why;  // "" when all is well
};

// Of all addresses together, since the start.
struct Stats {
  std::uint64_t taken = 0, given_up = 0;
  std::uint64_t refused = 0;    // somebody else had it
  std::uint64_t conflicts = 0;  // frames in which somebody else said that he has what is ours
  std::uint64_t announcements = 0, fences = 0;
};

struct Surroundings {
  std::vector<MacAddress> macs;  // of the ports, in their order
  // Give an address to the kernel on an interface, or take it back; a sentence when that failed.
  using Change = std::function<std::optional<std::string>(const std::string& interface,
                                                          const config::InterfaceAddress&)>;
  Change add_address, remove_address;
  std::function<void(const std::string& sentence)> log;
};

class Announcer {
 public:
  Announcer(boost::asio::io_context& io, Surroundings surroundings);
  // Takes the addresses back from the kernel.
  ~Announcer();
  Announcer(const Announcer&) = delete;
  Announcer& operator=(const Announcer&) = delete;

  // The IIPs of the configuration: new ones are taken, a refused one again and again, others are given up.
  void configure(const config::Model& model);

  // Takes an address once. `done` is called later, with a sentence when it was refused; then nothing of it
  // stays. Otherwise it is held until the next configure(), which names it. Refused at once, by a sentence in
  // return, when there is no such port or it is wanted already.
  using Done = std::function<void(const std::optional<std::string>& refused)>;
  std::optional<std::string> add(const config::Model& model, const config::Iip& iip, Done done);

  // For a pool, which decides by itself who has an address. Asks for it as add() does, but only tells:
  // nothing is taken, and nothing stays.
  void ask(const config::Model& model, const config::Iip& iip, Done done);
  // Whether the gateway of the address's port was heard since then; it is asked along with ask(). True where
  // no gateway is configured.
  [[nodiscard]] bool hears_gateway(const IpAddress& address, TimePoint since) const;
  // Takes it at once, without a question. A sentence when that failed.
  std::optional<std::string> take(const config::Model& model, const config::Iip& iip);
  // Neither asked for nor held from now on; nothing when it is neither.
  void give_up(const IpAddress& address) { drop(address); }
  void set_fence_command(std::vector<std::string> command) { fence_command_ = std::move(command); }

  // Three announcements; false when the address is not held.
  bool announce(const IpAddress& address);

  [[nodiscard]] bool holds(const IpAddress& address) const;
  // Of the port of this index.
  [[nodiscard]] const MacAddress& mac_of(std::size_t port) const { return around_.macs[port]; }
  [[nodiscard]] std::vector<Row> rows() const;
  [[nodiscard]] const Stats& stats() const { return stats_; }

 private:
  enum class Keeper : std::uint8_t { kConfiguration, kCommand, kPool };
  struct Entry;
  using Entries = std::map<IpAddress, std::unique_ptr<Entry>>;

  std::optional<std::string> want(const config::Dataplane& dataplane, const config::Iip& iip, Keeper keeper,
                                  Done done);
  Link& link_of(const std::string& interface);
  void heard(const std::string& interface, const Heard& what);
  void perform(Entry& entry, const Todo& todo);
  void take(Entry& entry);
  void tell(Entry& entry, const Todo& todo);
  void answer(Entry& entry);
  void finish(Entry& entry, const std::optional<std::string>& refused);
  void run_fence(Entry& entry);
  void release(Entry& entry);
  void ask_gateway(const Entry& entry);
  void drop(const IpAddress& address);
  void tick();
  void arm();
  void log(const std::string& sentence) const { around_.log(sentence); }

  boost::asio::io_context& io_;
  Surroundings around_;
  std::vector<std::string> fence_command_;
  Fence fence_;
  std::map<std::string, std::unique_ptr<Link>> links_;  // by interface; made when first needed
  Entries entries_;
  // Gateways that were asked, by address: the interface, when last heard; and of whom each IIP's port has
  // one.
  struct Gateway {
    std::string interface;
    std::optional<TimePoint> heard;
  };
  std::map<IpAddress, Gateway> gateways_;
  std::map<IpAddress, IpAddress> gateway_of_;  // by IIP
  boost::asio::steady_timer timer_;
  Stats stats_;
};

}  // namespace sluice::announce
